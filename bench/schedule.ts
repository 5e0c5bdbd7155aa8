/**
 * Calls at a steady rate, so many times, each with the moment at which it was to be: whoever is slow is not waited for.
 */
export async function atRate(rate: number, count: number, call: (scheduled: number) => void): Promise<void> {
  const started = performance.now()
  for (let n = 0; n < count; n++) {
    const scheduled = started + (n / rate) * 1000
    // Timers are right to a millisecond or two, which is what is measured: the last bit is spent looking.
    const early = scheduled - performance.now() - 2
    if (early > 0) await new Promise(resolve => setTimeout(resolve, early))
    while (performance.now() < scheduled) await new Promise(resolve => setImmediate(resolve))
    call(scheduled)
  }
}

/** Resolves with how long a job takes, in milliseconds. */
export async function timed(job: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await job()
  return performance.now() - begun
}
