import type { ClusterRequest, RequestState } from '../../schemas/api.js'
import type { DomainEvent } from '../../schemas/events.js'
import type { Outcome, RequestResult, ResultWithoutReqid } from '../../schemas/types.js'
import { requestTimedOut } from '../errors.js'

/** What the work on a request tells before its answer: not the request's own events. */
export type TaskEvent = Extract<
  DomainEvent,
  { type: 'request_progress' | 'node_output' | 'node_stats' | 'rollout_progress' }
>

/** A request that is being worked on. */
export interface Task {
  reqid: string
  /** The name of who has submitted it, where that is known. */
  who?: string | undefined
  /** Returns the time until its deadline, in milliseconds; at least 1. */
  remainingMs(): number
  /** Aborted at the deadline, or when the controller ends. */
  signal: AbortSignal
  /** Reports the results of one instance before all have answered. */
  progress(instance: string, outcomes: readonly Outcome[]): void
  /** Writes any other event that belongs to the request: it gets the request's `reqid`, whatever is in it. */
  tell(event: TaskEvent): void
}

export interface Answer {
  /** Results that were not reported as progress. */
  results: readonly Outcome[]
  /**
   * Results for the caller only, where they differ from what is stored: for all others, secrets are masked.
   */
  own?: readonly Outcome[]
  warnings?: readonly string[]
  /** Whether an instance did not answer in time. */
  timedOut?: boolean
  /** Its final state, where the results do not tell it. */
  state?: RequestState
}

/** The error of a request that is about the deployed cluster, where there is none: in Zeek's words. */
export const noCluster = 'no active cluster deployment'

export const failed = (error: string): Answer => ({ results: [{ success: false, error }] })
export const timedOut = (): Answer => ({ ...failed(requestTimedOut), timedOut: true })

/** When a request was submitted, and by whom, where that is known. */
export interface Submitted {
  time: number
  who?: string | undefined
}

/** Answers a request where all is known here. */
export interface Immediate {
  now: (submitted: Submitted) => Answer
}

/** The work for a request: its answer is written down together with it, or a task is run. */
export type Work = Immediate | ((task: Task) => Promise<Answer>)

/** Returns the final state of a request. Results of nodes count more than those that stand for the whole. */
export function stateOf(results: readonly ResultWithoutReqid[]): RequestState {
  const ofNodes = results.filter(({ node }) => node !== undefined)
  const counted = ofNodes.length > 0 ? ofNodes : results
  const successes = counted.filter(({ success }) => success).length
  if (successes === counted.length) return results.every(({ success }) => success) ? 'succeeded' : 'partial'
  return successes > 0 ? 'partial' : 'failed'
}

/** Returns outcomes as results of a request: of this one, whatever else is in them. */
export function withReqid(reqid: string, outcomes: readonly Outcome[]): RequestResult[] {
  return outcomes.map(outcome => ({ ...outcome, reqid }))
}

/** Returns a pending request, with the results that it has so far, as finished by its answer. */
export function concluded<R extends Omit<ClusterRequest, 'event_cursor'>>(
  request: R,
  { results: more, warnings = [], timedOut = false, state: told }: Answer,
  now: number,
  as?: RequestState
): R {
  const finished = new Date(now).toISOString()
  if (isStateless(request)) return { ...request, finished_at: finished, state: 'expired', success: false }
  const results = [...request.results, ...withReqid(request.reqid, more)]
  const state = as ?? (timedOut ? 'timed_out' : (told ?? stateOf(results)))
  return { ...request, finished_at: finished, state, success: state === 'succeeded', results, warnings: [...warnings] }
}

/** Returns whether a request never gets a response. */
function isStateless({ type, arguments: args }: Pick<ClusterRequest, 'type' | 'arguments'>): boolean {
  return type === 'test_timeout' && args.with_state !== true
}
