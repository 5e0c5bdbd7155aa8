import type { RequestState } from '../schemas/api.js'
import type { Outcome } from '../schemas/types.js'

/** A request that is being worked on. */
export interface Task {
  reqid: string
  /** Until its time is over; at least 1. */
  remainingMs (): number
  /** Aborted then, or when the controller ends. */
  signal: AbortSignal
  /** Results of one instance, to be heard of before all have answered. */
  progress (instance: string, outcomes: readonly Outcome[]): Promise<void>
}

export interface Answer {
  /** What was not told as progress. */
  results: readonly Outcome[]
  warnings?: readonly string[]
  /** Someone has not answered in time. */
  timedOut?: boolean
}

/** What a request comes to. Results of nodes count more than those that stand for the whole. */
export function stateOf (results: readonly Outcome[]): RequestState {
  const ofNodes = results.filter(({ node }) => node !== undefined)
  const counted = ofNodes.length > 0 ? ofNodes : results
  const successes = counted.filter(({ success }) => success).length
  if (successes === counted.length) return results.every(({ success }) => success) ? 'succeeded' : 'partial'
  return successes > 0 ? 'partial' : 'failed'
}
