/** Longest line that is read, in characters: a longer one is no sample that is looked for here. */
const maxLine = 65_536

/**
 * Returns the values of some metrics in Prometheus' text format: for each, the sum over all of its labels. Metrics that
 * are missing, or whose value is no number, are left out, and so is a line that is no sample.
 */
export function readMetrics(text: string, names: readonly string[]): Map<string, number> {
  const wanted = new Set(names)
  const sums = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line.length > maxLine) continue
    const name = /^[a-zA-Z_:][\w:]*/.exec(line)?.[0]
    if (name === undefined || !wanted.has(name)) continue
    const value = valueOf(line.slice(name.length))
    if (Number.isFinite(value)) sums.set(name, (sums.get(name) ?? 0) + value)
  }
  return sums
}

/**
 * Returns the value from what follows the name: labels in braces, whose values can hold anything, then the value, then
 * perhaps a time.
 */
function valueOf(rest: string): number {
  const [, value] = /^(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?\s+(\S+)(?:\s+-?\d+)?\s*$/.exec(rest) ?? []
  return value === undefined ? NaN : Number(value)
}
