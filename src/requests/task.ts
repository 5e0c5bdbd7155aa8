import type { Request, RequestState } from '../../schemas/api.js'
import type { DomainEvent } from '../../schemas/events.js'
import type { Outcome, Result, ResultWithoutReqid } from '../../schemas/types.js'
import { requestTimedOut } from '../errors.js'

/** A request that is being worked on. */
export interface Task {
  reqid: string
  /** Until its time is over; at least 1. */
  remainingMs(): number
  /** Aborted then, or when the controller ends. */
  signal: AbortSignal
  /** Results of one instance, to be heard of before all have answered. */
  progress(instance: string, outcomes: readonly Outcome[]): void
  /** Something else that happens meanwhile, as an event of the request. */
  tell(event: DomainEvent): void
}

export interface Answer {
  /** What was not told as progress. */
  results: readonly Outcome[]
  /**
   * What the caller alone is given, where it differs from what is kept: the secrets in it are masked for all others.
   */
  own?: readonly Outcome[]
  warnings?: readonly string[]
  /** Someone has not answered in time. */
  timedOut?: boolean
}

export const failed = (error: string): Answer => ({ results: [{ success: false, error }] })
export const timedOut = (): Answer => ({ ...failed(requestTimedOut), timedOut: true })

/** What is done for a request: at once, when all is known here, and then written down with it; or in its time. */
export type Work = { now: () => Answer } | ((task: Task) => Promise<Answer>)

/** What a request comes to. Results of nodes count more than those that stand for the whole. */
export function stateOf(results: readonly ResultWithoutReqid[]): RequestState {
  const ofNodes = results.filter(({ node }) => node !== undefined)
  const counted = ofNodes.length > 0 ? ofNodes : results
  const successes = counted.filter(({ success }) => success).length
  if (successes === counted.length) return results.every(({ success }) => success) ? 'succeeded' : 'partial'
  return successes > 0 ? 'partial' : 'failed'
}

/** Outcomes as results of a request. */
export function withReqid(reqid: string, outcomes: readonly Outcome[]): Result[] {
  return outcomes.map(outcome => ({ reqid, ...outcome }))
}

/** A pending request, with the results that it has so far, as its answer ends it. */
export function concluded(
  request: Request,
  { results: more, warnings = [], timedOut = false }: Answer,
  now: number,
  as?: RequestState
): Request {
  const finished = new Date(now).toISOString()
  if (isStateless(request)) return { ...request, finished_at: finished, state: 'expired', success: false }
  const results = [...request.results, ...withReqid(request.reqid, more)]
  const state = as ?? (timedOut ? 'timed_out' : stateOf(results))
  return { ...request, finished_at: finished, state, success: state === 'succeeded', results, warnings: [...warnings] }
}

/** There is never a response to it. */
function isStateless({ type, arguments: args }: Request): boolean {
  return type === 'test_timeout' && args.with_state !== true
}
