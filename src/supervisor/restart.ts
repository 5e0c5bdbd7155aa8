import { backoff } from '../util.js'
import type { RestartPolicy } from './program.js'

export interface Verdict {
  /** Failures in a row, this one included. */
  failures: number
  /** Delay until it is started again; undefined when it is given up. */
  delayMs: number | undefined
}

/** Returns what follows the exit of a run that took `ranMs`, with `failures` exits in a row before it. */
export function afterExit(policy: RestartPolicy, failures: number, ranMs: number): Verdict {
  const inARow = ranMs >= policy.resetMs ? 1 : failures + 1
  const givenUp = policy.maxFailures > 0 && inARow >= policy.maxFailures
  return { failures: inARow, delayMs: givenUp ? undefined : backoff(inARow, policy.initialMs, policy.maxMs) }
}
