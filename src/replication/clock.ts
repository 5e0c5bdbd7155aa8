import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'

/** The time of replication: a simulation has its own. */
export interface Clock {
  /** Returns milliseconds of a clock that is never set. */
  now(): number
  /** Resolves after some milliseconds, or once the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
  /** Returns a number from 0 to 1. */
  random(): number
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) => wait(ms, undefined, { signal }).catch(() => {}),
  random: () => Math.random()
}
