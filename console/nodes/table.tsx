import { useCallback, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { beginsDescending, type NodeFilter, type NodeRow, type SortKey } from '../model/node-rows.js'
import { useRowsOfPage } from '../parts/virtual.js'
import { columns } from './columns.js'
import { canAct, Row, type Select } from './row.js'

interface Props {
  name: string
  rows: readonly NodeRow[]
  order: Pick<NodeFilter, 'sort' | 'isDescending'>
  onOrder: (order: Pick<NodeFilter, 'sort' | 'isDescending'>) => void
  /** Names of those that are selected; without it none can be. */
  selected?: ReadonlySet<string>
  onSelect?: (selected: ReadonlySet<string>) => void
  /** Columns that say the same of all. */
  without?: readonly SortKey[]
}

/** Nodes as a table of which only what is in the window is drawn. In a narrow window each row is a card. */
export function NodeTable({ name, rows, order, onOrder, selected, onSelect, without = [] }: Props) {
  const body = useRef<HTMLTableSectionElement>(null)
  const [top, setTop] = useState(0)
  const [focused, setFocused] = useState<string>()
  /** Where a range of selected rows begins. */
  const anchor = useRef<string>()
  const items = useRowsOfPage({
    count: rows.length,
    estimateSize: () => 36,
    getItemKey: index => rows[index]!.node.node,
    overscan: 8,
    scrollMargin: top,
    // The row that has the focus stays, wherever the page is scrolled to.
    rangeExtractor: ({ startIndex, endIndex, overscan, count }) => {
      const first = Math.max(0, startIndex - overscan)
      const length = Math.min(count, endIndex + overscan + 1) - first
      const shown = Array.from({ length }, (_, index) => first + index)
      const kept = focused === undefined ? -1 : rows.findIndex(({ node }) => node.node === focused)
      return kept < 0 || shown.includes(kept) ? shown : [...shown, kept].sort((a, b) => a - b)
    }
  })
  // What is above can change its height at any time.
  useLayoutEffect(() => {
    const now = Math.round(body.current!.getBoundingClientRect().top + window.scrollY)
    if (now !== top) setTop(now)
  })
  const shown = useMemo(() => columns.filter(({ key }) => !without.includes(key)), [without.join()])
  const latest = useRef<Select>(() => {})
  latest.current = (index, isRange) => {
    const { node } = rows[index]!.node
    const next = new Set(selected)
    const from = isRange ? rows.findIndex(row => row.node.node === anchor.current) : -1
    if (from >= 0) {
      for (const row of rows.slice(Math.min(from, index), Math.max(from, index) + 1)) {
        if (canAct(row)) next.add(row.node.node)
      }
    } else if (!next.delete(node)) next.add(node)
    anchor.current = node
    onSelect!(next)
  }
  const select = useCallback<Select>((index, isRange) => latest.current(index, isRange), [])
  return (
    <table
      class={`nodes ${onSelect ? 'selectable' : ''}`}
      role="table"
      aria-label={name}
      aria-rowcount={rows.length + 1}
      aria-colcount={shown.length + (onSelect ? 1 : 0)}
      style={{ '--columns': [...(onSelect ? ['1.5rem'] : []), ...shown.map(({ width }) => width)].join(' ') }}
    >
      <thead role="rowgroup">
        <tr role="row" aria-rowindex={1}>
          {onSelect && (
            <th role="columnheader" class="select">
              <SelectAll rows={rows} selected={selected!} onSelect={onSelect} />
            </th>
          )}
          {shown.map(({ key, title, isNumber }) => (
            <th
              key={key}
              role="columnheader"
              class={`${key} ${isNumber ? 'number' : ''}`}
              aria-sort={order.sort === key ? (order.isDescending ? 'descending' : 'ascending') : undefined}
            >
              <button
                type="button"
                onClick={() =>
                  onOrder({
                    sort: key,
                    isDescending: order.sort === key ? !order.isDescending : beginsDescending(key)
                  })
                }
              >
                {title}
                <span aria-hidden="true" class="arrow">
                  {order.sort === key ? (order.isDescending ? ' ▼' : ' ▲') : ''}
                </span>
              </button>
            </th>
          ))}
        </tr>
      </thead>
      <tbody
        ref={body}
        role="rowgroup"
        style={{ height: `${items.getTotalSize()}px` }}
        onKeyDown={moveBetweenRows}
        onFocusIn={event => setFocused((event.target as Element).closest<HTMLElement>('tr')?.dataset.node)}
        onFocusOut={() => setFocused(undefined)}
      >
        {items.getVirtualItems().map(({ index, start }) => (
          <Row
            key={rows[index]!.node.node}
            {...rows[index]!}
            index={index}
            top={start - top}
            columns={shown}
            isSelected={selected?.has(rows[index]!.node.node)}
            select={select}
            measure={items.measureElement}
          />
        ))}
      </tbody>
    </table>
  )
}

function SelectAll({
  rows,
  selected,
  onSelect
}: {
  rows: readonly NodeRow[]
  selected: ReadonlySet<string>
  onSelect: (selected: ReadonlySet<string>) => void
}) {
  const names = rows.filter(canAct).map(({ node }) => node.node)
  const many = names.filter(name => selected.has(name)).length
  return (
    <input
      type="checkbox"
      aria-label={`Select all ${names.length} that are listed`}
      checked={many > 0 && many === names.length}
      ref={box => {
        if (box) box.indeterminate = many > 0 && many < names.length
      }}
      onChange={() => {
        const next = new Set(selected)
        for (const name of names) {
          if (many === names.length) next.delete(name)
          else next.add(name)
        }
        onSelect(next)
      }}
    />
  )
}

/** Arrows lead to the same thing in the next row. */
function moveBetweenRows(event: KeyboardEvent) {
  const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
  const row = (event.target as Element).closest<HTMLElement>('tr')
  if (by === 0 || !row) return
  const inRow = (one: Element) => [...one.querySelectorAll<HTMLElement>('a, input')]
  const at = inRow(row).indexOf(event.target as HTMLElement)
  const next = row.parentElement!.querySelector(`[data-index="${Number(row.dataset.index) + by}"]`)
  if (!next) return
  event.preventDefault()
  const target = inRow(next)[at]
  target?.focus({ preventScroll: true })
  target?.scrollIntoView({ block: 'nearest' })
}
