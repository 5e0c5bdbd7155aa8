/**
 * One line of the table: a figure of ours beside the same figure of a named baseline, measured in turns in the same
 * run.
 */
export interface Row {
  /** What was done, with how many. */
  what: string
  /** What both figures are, with their unit: `requests/s`, `CPU us per delivery`, `p99 ms`. */
  figure: string
  ours: number
  /** Who else was measured. */
  baseline: string
  theirs: number
  /** `ours / theirs` as it is aimed at, if at anything. */
  aim?: { atMost: number } | { atLeast: number }
  /** Ratios of the single rounds, where there were several: how far the figures can be trusted. */
  rounds?: number[]
  /** Whatever else was measured: more quantiles, memory, events delivered. For the JSON. */
  detail?: Record<string, unknown>
}

export interface Options {
  /** Shorter and smaller: to see that it works, not for figures. */
  quick: boolean
  /** Says what is going on. */
  say: (line: string) => void
}

/**
 * A bench yields rows as it goes. It throws when anything was lost, doubled or out of order: then its figures mean
 * nothing.
 */
export type Bench = (options: Options) => AsyncGenerator<Row>

export function ratioOf({ ours, theirs, rounds }: Row): number {
  return rounds ? geometricMean(rounds) : ours / theirs
}

/** Whether the aim is met; undefined where there is none. */
export function isMet(row: Row): boolean | undefined {
  if (!row.aim) return undefined
  return 'atMost' in row.aim ? ratioOf(row) <= row.aim.atMost : ratioOf(row) >= row.aim.atLeast
}

/** The mean of ratios. */
export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!
}

/** Of latencies in milliseconds, rounded to microseconds. */
export function quantiles(latencies: readonly number[]): { p50: number; p99: number; p999: number; max: number } {
  const sorted = Float64Array.from(latencies).sort()
  const at = (part: number) =>
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN) * 1000) / 1000
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) }
}
