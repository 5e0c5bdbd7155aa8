import type { ComponentChildren } from 'preact'
import { useRef } from 'preact/hooks'
import { useRowsOfElement } from './virtual.js'

/** A column of a long table. */
export interface LongColumn<Row> {
  title: string
  isNumber?: boolean
  /** A width of a grid. */
  width: string
  cell: (row: Row) => ComponentChildren
}

interface LongTableProps<Row> {
  name: string
  columns: readonly LongColumn<Row>[]
  rows: readonly Row[]
  keyOf: (row: Row) => string
}

/**
 * A table of as many rows as there may be: it scrolls by itself, and only what is to be seen is drawn. Its rows have
 * nothing that takes the focus. In a narrow window the first cell of a row has a line of its own.
 */
export function LongTable<Row>({ name, columns, rows, keyOf }: LongTableProps<Row>) {
  const box = useRef<HTMLDivElement>(null)
  const items = useRowsOfElement({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => 32,
    getItemKey: index => keyOf(rows[index]!),
    overscan: 12
  })
  // It would end a scroll that the keyboard has begun; what a row is off by is little.
  items.shouldAdjustScrollPositionOnItemSizeChange = () => false
  return (
    <div class="table long" ref={box} tabIndex={0} role="region" aria-label={name}>
      <table
        role="table"
        aria-label={name}
        aria-rowcount={rows.length + 1}
        style={{ '--columns': columns.map(({ width }) => width).join(' ') }}
      >
        <thead role="rowgroup">
          <tr role="row" aria-rowindex={1}>
            {columns.map(({ title, isNumber }) => (
              <th key={title} role="columnheader" class={isNumber ? 'number' : undefined}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup" style={{ height: `${items.getTotalSize()}px` }}>
          {items.getVirtualItems().map(({ index, key, start }) => (
            <tr
              key={key}
              role="row"
              aria-rowindex={index + 2}
              data-index={index}
              ref={items.measureElement}
              style={{ transform: `translateY(${start}px)` }}
            >
              {columns.map(({ title, isNumber, cell }) => (
                <td key={title} role="cell" class={isNumber ? 'number' : undefined}>
                  {cell(rows[index]!)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
