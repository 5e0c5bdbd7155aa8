import { mock } from 'node:test'
import type { Test } from 'tap'

/** Stops the clock for a test. Returns what has it go on, and lets all that waited for it be done. */
export function stopClock(t: Test): (ms: number) => Promise<void> {
  let now = 1000
  mock.timers.enable({ apis: ['setTimeout'] })
  const clock = mock.method(performance, 'now', () => now)
  t.teardown(() => {
    mock.timers.reset()
    clock.mock.restore()
  })
  return async ms => {
    now += ms
    mock.timers.tick(ms)
    await done()
  }
}

/** Resolves when all that is due is done. */
export const done = () => new Promise<void>(resolve => setImmediate(resolve))
