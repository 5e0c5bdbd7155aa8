/** How many cases a property test tries: as many as given, or FUZZ_RUNS times as many. */
export function runs(usual: number): number {
  return usual * Number(process.env['FUZZ_RUNS'] ?? 1)
}
