import { clock } from '../model/format.js'
import type { Total, Totals } from '../model/totals.js'

const width = 160
const height = 36
/** A pause between samples that is longer is a gap in the line, in milliseconds. */
const gapMs = 45_000

/** Returns the path of a line through values over time; a gap where there are none. */
export function pathOf(points: readonly { at: number; value: number | undefined }[]): string {
  const known = points.filter((point): point is { at: number; value: number } => point.value !== undefined)
  if (known.length === 0) return ''
  const [from, to] = [known[0]!.at, known.at(-1)!.at]
  const top = Math.max(...known.map(({ value }) => value), Number.MIN_VALUE)
  let last = -Infinity
  return known
    .map(({ at, value }) => {
      const x = to === from ? width : ((at - from) / (to - from)) * width
      const y = height - 1 - (value / top) * (height - 2)
      const command = at - last > gapMs ? 'M' : 'L'
      last = at
      return `${command}${x.toFixed(1)} ${y.toFixed(1)}`
    })
    .join('')
}

/** A small line of one figure over the last minutes, with its last value. */
export function Sparkline({
  name,
  totals,
  of,
  text,
  tone = 'accent'
}: {
  name: string
  totals: Totals
  of: (total: Total) => number | undefined
  text: (value: number) => string
  tone?: 'accent' | 'bad'
}) {
  const points = totals.map(total => ({ at: total.at, value: of(total) }))
  const values = points.flatMap(({ value }) => (value === undefined ? [] : [value]))
  const last = values.at(-1)
  const label =
    values.length < 2
      ? name
      : `${name}, since ${clock(points[0]!.at)}: from ${text(Math.min(...values))} to ${text(Math.max(...values))}`
  return (
    <li>
      <span class="name">{name}</span>
      <span class="value">{last === undefined ? '-' : text(last)}</span>
      <svg class={`sparkline ${tone}`} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
        <path d={pathOf(points)} />
      </svg>
    </li>
  )
}
