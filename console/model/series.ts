import { clock } from './format.js'
import type { NodeStats, Schema } from './types.js'

export type Point = Schema['NodeStatsPoint']

/** What a node uses and sees, each as a plot. */
export const figures = ['packets_per_second', 'dropped_percent', 'packet_lag', 'cpu_percent', 'memory_bytes'] as const
export type Figure = (typeof figures)[number]

const keptMs = 3_600_000
/** Between points that are further apart something is missing, in milliseconds. */
const gapMs = 45_000

/** Returns a sample as a point. */
export function pointOf(sample: NodeStats): Point {
  const told = figures.filter(figure => sample[figure] !== undefined)
  return { time: sample.time, ...Object.fromEntries(told.map(figure => [figure, sample[figure]])) }
}

/** Points that come sooner after another one are left out: somebody else has asked for them. */
const apartMs = 4_000

/** Returns points with others, oldest first: those of the last hour before `now`, as far apart as agents take them. */
export function joined(points: readonly Point[], others: readonly Point[], now: number): readonly Point[] {
  const byTime = new Map([...others, ...points].map(point => [Date.parse(point.time), point]))
  const times = [...byTime.keys()].filter(time => time > now - keptMs).sort((a, b) => a - b)
  let last = -Infinity
  const kept = times.filter(time => {
    if (time - last < apartMs) return false
    last = time
    return true
  })
  return kept.map(time => byTime.get(time)!)
}

/** The times of a plot, in seconds since 1970, and a value of each; null where there is none. */
export interface Series {
  times: number[]
  values: (number | null)[]
}

/** Returns one figure over time. Where points are missing there is one without a value, so that a plot has a gap. */
export function seriesOf(points: readonly Point[], figure: Figure): Series {
  const times: number[] = []
  const values: (number | null)[] = []
  let last: number | undefined
  for (const point of points) {
    const time = Date.parse(point.time)
    if (last !== undefined && time - last > gapMs) {
      times.push((last + time) / 2000)
      values.push(null)
    }
    times.push(time / 1000)
    values.push(point[figure] ?? null)
    last = time
  }
  return { times, values }
}

/** Returns the places of values that have none beside them: a line does not show them. */
export function lonely(values: readonly (number | null)[]): number[] {
  const isThere = (index: number) => (values[index] ?? null) !== null
  return values.flatMap((_, index) => (isThere(index) && !isThere(index - 1) && !isThere(index + 1) ? [index] : []))
}

export interface Summary {
  last: number
  least: number
  most: number
}

/** Returns what is to be said of values; undefined when there are none. */
export function summaryOf(values: readonly (number | null)[]): Summary | undefined {
  const known = values.filter(value => value !== null)
  if (known.length === 0) return undefined
  return { last: known.at(-1)!, least: Math.min(...known), most: Math.max(...known) }
}

const minutesOf = [1, 2, 5, 10, 15, 20, 30]

/** Returns times of day that divide an axis, in whole minutes of the viewer's zone, into so many steps at most. */
export function ticksOf(from: number, to: number, most: number): { at: number; text: string }[] {
  const step = 60 * (minutesOf.find(minutes => (to - from) / (minutes * 60) <= most) ?? 60)
  const zone = -60 * new Date(to * 1000).getTimezoneOffset()
  const first = Math.ceil((from + zone) / step) * step - zone
  const ticks = []
  for (let at = first; at <= to; at += step) ticks.push({ at, text: clock(at * 1000).slice(0, 5) })
  return ticks
}

const roundOnes = [1, 2, 3, 4, 5, 6, 8, 10]

/** Returns the end of an axis that begins at 0 and holds a value: a round one, of multiples of `unit`. */
export function topOf(most: number, unit = 1): number {
  const units = most / unit
  if (!(units > 0)) return unit
  const power = 10 ** Math.floor(Math.log10(units))
  const round = roundOnes.find(one => one >= units / power) ?? 10
  return round * power * unit
}
