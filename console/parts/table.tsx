import type { ComponentChildren } from 'preact'

/** The title of a column; of numbers, which stand at the right. */
export type Column = string | { number: string }

/**
 * A table that scrolls by itself where there is not enough room. `isTall`: downwards, too. Its children are its rows.
 */
export function Table({
  name,
  columns,
  isTall = false,
  children
}: {
  name: string
  columns: readonly Column[]
  isTall?: boolean
  children: ComponentChildren
}) {
  return (
    <div class={isTall ? 'table tall' : 'table'} tabIndex={0} role="region" aria-label={name}>
      <table>
        <thead>
          <tr>
            {columns.map(column => {
              const title = typeof column === 'string' ? column : column.number
              return (
                <th key={title} scope="col" class={typeof column === 'string' ? undefined : 'number'}>
                  {title}
                </th>
              )
            })}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  )
}
