import { backoff } from '../util.js'
import type { RestartPolicy } from './program.js'

export interface Verdict {
  /** Failures in a row, this one included. */
  failures: number
  /** After how long it is started again; undefined: it is given up. */
  delayMs: number | undefined
}

/** What follows an exit, `failures` exits in a row before it, of a run that took `ranMs`. */
export function afterExit(policy: RestartPolicy, failures: number, ranMs: number): Verdict {
  const inARow = ranMs >= policy.resetMs ? 1 : failures + 1
  const givenUp = policy.maxFailures > 0 && inARow >= policy.maxFailures
  return { failures: inARow, delayMs: givenUp ? undefined : backoff(inARow, policy.initialMs, policy.maxMs) }
}
