/** A value over time, which is in milliseconds. */
export type Series = readonly (readonly [at: number, value: number])[]

/**
 * The slope of the line that fits best (least squares), in values per hour, and how much that line rises over the
 * series.
 */
export function fit(series: Series): { perHour: number; rise: number } {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [at, value] = [mean(series.map(([at]) => at)), mean(series.map(([, value]) => value))]
  const spread = series.reduce((sum, [x]) => sum + (x - at) ** 2, 0)
  if (series.length < 3 || spread === 0) return { perHour: 0, rise: 0 }
  const slope = series.reduce((sum, [x, y]) => sum + (x - at) * (y - value), 0) / spread
  return { perHour: slope * 3_600_000, rise: slope * (series.at(-1)![0] - series[0]![0]) }
}

/** The value that so much of them do not exceed; 0 of none. */
export function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? 0
}
