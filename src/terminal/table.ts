import stringWidth from 'string-width'
import { cutTo, printableLine, type Screen, type Tone } from './screen.js'

export interface Column<Row> {
  title: string
  text: (row: Row) => string
  tone?: (row: Row) => Tone | undefined
  /** Numbers: at the right of their column, and never cut. */
  isNumber?: boolean
  /** Whether it is of no use when it is cut, as an ID. */
  isWhole?: boolean
  /** Whether it is cut first where the terminal is narrow; other texts only when that is not enough. */
  isLong?: boolean
}

const gap = 2
/** What texts are not cut below: names of nodes often differ at their ends only. */
const narrowest = 16

/**
 * Returns rows as a table without lines: one line of text for each, as wide as the terminal at most. Where texts that
 * are cut are still too wide together, the last of the other columns are left out.
 */
export function tableOf<Row>(all: readonly Column<Row>[], rows: readonly Row[], screen: Screen): string {
  const measured = all.map(column => {
    const cells = rows.map(row => printableLine(column.text(row)))
    const widest = cells.reduce((width, cell) => Math.max(width, stringWidth(cell)), stringWidth(column.title))
    return { column, cells, widest }
  })
  const shown = fitting(measured, screen.columns)
  const widths = fitted(shown, screen.columns)
  const lineOf = (cellOf: (column: Filled<Row>) => { text: string; tone: Tone | undefined }) =>
    shown
      .map((column, at) => {
        const { text, tone } = cellOf(column)
        const cut = cutTo(text, widths[at]!, screen)
        const padding = ' '.repeat(Math.max(0, widths[at]! - stringWidth(cut)))
        const toned = tone === undefined ? cut : screen.style(tone, cut)
        return column.column.isNumber === true ? padding + toned : toned + padding
      })
      .join(' '.repeat(gap))
      .trimEnd()
  return [
    lineOf(({ column }) => ({ text: column.title, tone: 'quiet' })),
    ...rows.map((row, at) => lineOf(({ column, cells }) => ({ text: cells[at]!, tone: column.tone?.(row) })))
  ].join('\n')
}

interface Measured {
  column: Pick<Column<never>, 'isLong' | 'isNumber' | 'isWhole'>
  /** Width of its widest text. */
  widest: number
}

interface Filled<Row> extends Measured {
  column: Column<Row>
  /** Its texts, one for each row. */
  cells: readonly string[]
}

const isLong = ({ column }: Measured): boolean => column.isLong === true
const isWhole = ({ column }: Measured): boolean => column.isNumber === true || column.isWhole === true
const sum = (widths: readonly number[]): number => widths.reduce((sum, width) => sum + width, gap * (widths.length - 1))

/** Returns the columns that can be shown side by side. The first is one of them. */
function fitting<M extends Measured>(columns: readonly M[], total = Infinity): readonly M[] {
  const least = columns.map(column => (isWhole(column) ? column.widest : Math.min(column.widest, narrowest)))
  const last = columns.findLastIndex((column, at) => at > 0 && !isLong(column))
  if (last < 0 || sum(least) <= total) return columns
  return fitting(columns.toSpliced(last, 1), total)
}

/** Returns the widths that fit into the terminal: the widest texts are cut, those of long columns first. */
function fitted(columns: readonly Measured[], total = Infinity): number[] {
  const widths = columns.map(({ widest }) => widest)
  const cut = (least: number, isCuttable: (column: Measured) => boolean) => {
    while (sum(widths) > total) {
      const cuttable = columns.map((column, at) => (isCuttable(column) && widths[at]! > least ? widths[at]! : 0))
      const widest = Math.max(...cuttable)
      if (widest === 0) break
      widths[cuttable.indexOf(widest)]!--
    }
  }
  cut(narrowest, isLong)
  cut(narrowest, column => !isWhole(column))
  cut(1, column => !isWhole(column))
  return widths
}
