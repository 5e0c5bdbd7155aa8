import type { NodeRow } from '../model/node-rows.js'
import type { Column } from './columns.js'

/** Whether it is one of the cluster's own: others cannot be started and stopped here. */
export const canAct = ({ node: { mgmt_role: role } }: NodeRow) => role === 'NODE'

/** Selects a row, or all up to it. */
export type Select = (index: number, isRange: boolean) => void

interface RowProps extends NodeRow {
  index: number
  top: number
  columns: readonly Column[]
  /** Undefined where none can be selected. */
  isSelected: boolean | undefined
  select: Select
  measure: (element: HTMLElement | null) => void
}

export function Row({ node, stats, index, top, columns: shown, isSelected, select, measure }: RowProps) {
  const row = { node, stats }
  return (
    <tr
      role="row"
      aria-rowindex={index + 2}
      data-index={index}
      data-node={node.node}
      class={isSelected === true ? 'selected' : undefined}
      ref={measure}
      style={{ transform: `translateY(${top}px)` }}
    >
      {isSelected !== undefined && (
        <td role="cell" class="select">
          {canAct(row) && (
            <input
              type="checkbox"
              aria-label={`Select ${node.node}`}
              checked={isSelected}
              onClick={event => select(index, event.shiftKey)}
            />
          )}
        </td>
      )}
      {shown.map(({ key, title, isNumber, cell }) => {
        const content = cell(row)
        return (
          <td
            key={key}
            role="cell"
            class={`${key} ${isNumber ? 'number' : ''} ${content === '-' ? 'none' : ''}`}
            data-title={title}
          >
            {content}
          </td>
        )
      })}
    </tr>
  )
}
