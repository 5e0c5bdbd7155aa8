import Table from 'cli-table3'
import stringWidth from 'string-width'
import type { Screen, Tone } from './screen.js'

export interface Column<Row> {
  title: string
  text: (row: Row) => string
  tone?: (row: Row) => Tone | undefined
  /** Numbers: at the right of their column. */
  isNumber?: boolean
  /** Whether it is cut first where the terminal is narrow; others only when that is not enough. */
  isLong?: boolean
}

const gap = 2
const narrowest = 6

/** Returns rows as a table without lines: one line of text for each, cut to the terminal. */
export function tableOf<Row>(columns: readonly Column<Row>[], rows: readonly Row[], screen: Screen): string {
  const cells = rows.map(row => columns.map(column => column.text(row)))
  const widths = fitted(
    columns.map((column, at) => ({
      width: Math.max(stringWidth(column.title), ...cells.map(row => stringWidth(row[at]!))),
      isLong: column.isLong === true
    })),
    screen.columns
  )
  const { ellipsis } = screen.symbols
  const table = new Table({
    chars: blank,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
    truncate: ellipsis,
    // The last column keeps its width only where it must be cut.
    colWidths: widths.map((width, at) => (at < widths.length - 1 ? width + gap : width)),
    colAligns: columns.map(column => (column.isNumber === true ? 'right' : 'left'))
  })
  const padded = (text: string, at: number) =>
    columns[at]!.isNumber === true && at < columns.length - 1 ? `${text}${' '.repeat(gap)}` : text
  table.push(columns.map((column, at) => screen.style('quiet', padded(column.title, at))))
  rows.forEach((row, line) =>
    table.push(
      columns.map((column, at) => {
        const tone = column.tone?.(row)
        const text = padded(cells[line]![at]!, at)
        return tone ? screen.style(tone, text) : text
      })
    )
  )
  return table
    .toString()
    .split('\n')
    .map(line => line.trimEnd())
    .join('\n')
}

/** Returns the widths that fit into the terminal: the widest are cut, long columns first. */
function fitted(columns: readonly { width: number; isLong: boolean }[], total: number | undefined): number[] {
  const widths = columns.map(({ width }) => width)
  if (total === undefined) return widths
  let excess = widths.reduce((sum, width) => sum + width, gap * (widths.length - 1)) - total
  for (const isLong of [true, false]) {
    while (excess > 0) {
      const widest = Math.max(...widths.filter((width, at) => columns[at]!.isLong === isLong && width > narrowest))
      const at = widths.findIndex((width, at) => columns[at]!.isLong === isLong && width === widest)
      if (at < 0) break
      widths[at]!--
      excess--
    }
  }
  return widths
}

const blank = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
    'middle'
  ].map(name => [name, ''])
)
