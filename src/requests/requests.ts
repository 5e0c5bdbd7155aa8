import { performance } from 'node:perf_hooks'
import type { Logger } from 'pino'
import {
  requests as definitions,
  type Request,
  type RequestArguments,
  type RequestState,
  type RequestType
} from '../../schemas/api.js'
import type { DomainEvent } from '../../schemas/events.js'
import type { Outcome, Result } from '../../schemas/types.js'
import { AppError, messageOf } from '../errors.js'
import type { Idempotency } from './idempotency.js'
import { Pending, type PendingLimits } from './pending.js'
import type { Audit } from './audit.js'
import type { Caller } from './caller.js'
import type { EventJournal } from './journal.js'
import type { RequestEnd, RequestFilter, RequestTable, StoredRequest } from '../store/requests.js'
import { type Answer, concluded, type Task, timedOut, withReqid, type Work } from './task.js'
import { maxTimerMs, timeOrderedId } from '../util.js'
import { Waiting } from './waiting.js'

export interface RequestOptions {
  timeoutMs: number
  by?: Caller | undefined
  /** The ID that it is to have, if whoever asks has to know it beforehand. Nobody else's: the server makes IDs. */
  reqid?: string | undefined
  idempotency?: Idempotency | undefined
  /**
   * Told of the answer before it is written down, to a read that every viewer may ask and whose answer is known at
   * once.
   */
  onAnswer?: ((answer: Answer) => void) | undefined
}

export interface Started {
  request: Request
  /** It is one that was started before. */
  replayed: boolean
  /** The results for whoever asks, where what is kept differs. */
  own?: readonly Outcome[] | undefined
}

/** A request as it comes. */
interface Asked extends RequestOptions {
  type: RequestType
  args: RequestArguments
  work: Work
  reqid: string
  created: number
}

/** A request as it ends: `as`, where its results do not tell; `by`, where it is known who had asked. */
interface Ending {
  request: Request
  answer: Answer
  as?: RequestState | undefined
  by?: Caller | undefined
}

export interface RequestsOptions extends PendingLimits {
  table: RequestTable
  journal: EventJournal
  log: Logger
  now: () => number
  audit?: Audit
  /** Told of each request that is accepted, before it is worked on. */
  onStarted?: (request: Request) => void
  /** Told of each request that has ended, after its response is out. */
  onFinished?: (request: Request) => void
}

/** After its time a request is given this long to say what is missing. */
const graceMs = 1_000

/**
 * The state of requests: each gets exactly one response event, whatever becomes of the work.
 *
 *   pending --+--> succeeded | partial | failed   all have answered
 *             +--> timed_out                      the deadline has passed
 *             +--> interrupted                    the controller ended meanwhile
 *             +--> expired                        the deadline of a request without state
 */
export class Requests {
  #table: RequestTable
  #journal: EventJournal
  #now: () => number
  #options: RequestsOptions
  #closing = false
  #starting = new Set<Promise<unknown>>()
  #pending: Pending
  #waiting = new Waiting()

  constructor(options: RequestsOptions) {
    this.#table = options.table
    this.#journal = options.journal
    this.#now = options.now
    this.#options = options
    this.#pending = new Pending(options)
  }

  get pending(): number {
    return this.#pending.size
  }
  /** How many were refused because too many were pending. */
  get refused(): number {
    return this.#pending.refused
  }

  /**
   * Accepts a request: resolves once it is written down, and starts the work. With a key that was used before for the
   * same payload it is that request that is handed back. Throws `idempotency_key_reused`; `unavailable` or
   * `too_many_requests` when too many are pending.
   */
  async start(type: RequestType, args: RequestArguments, options: RequestOptions, work: Work): Promise<Started> {
    const started = this.#start({
      type,
      args,
      work,
      created: this.#now(),
      ...options,
      reqid: options.reqid ?? timeOrderedId()
    })
    this.#starting.add(started)
    return await started.finally(() => this.#starting.delete(started))
  }

  async #start(asked: Asked): Promise<Started> {
    if (this.#closing) throw new AppError('unavailable', 'the controller is stopping')
    const { type, reqid, work } = asked
    const { durability, transient } = this.#kind(type)
    // Counted before it is written: what comes meanwhile must see it.
    const { ending, full } = this.#pending.add(reqid, asked.by?.client)
    // Told by a clock that does not jump, as the timer is.
    const deadline = performance.now() + asked.timeoutMs
    let isWorkedOn = false
    try {
      const early = full ? undefined : this.#answerEarly(asked)
      const { finished, ...started } = await this.#journal.write<Started & { finished?: Request }>(
        durability,
        transient,
        append => {
          const replayed = this.#replay(asked.idempotency)
          if (!replayed && full) this.#pending.refuse(full)
          return replayed ?? this.#accept(asked, early, append)
        },
        { unhurried: early !== undefined }
      )
      const { request, replayed } = started
      if (replayed) return started
      this.#options.onStarted?.(request)
      if (finished) this.#announce(finished)
      else if (this.#closing) await this.#interrupt(request)
      else if (!('now' in work)) {
        isWorkedOn = true
        void this.#work(request, ending, work, deadline)
      }
      return started
    } finally {
      if (!isWorkedOn) this.#pending.delete(reqid)
    }
  }

  /** Answers a read that every viewer may ask before it is written down, where somebody wants to know so early. */
  #answerEarly({ type, work, onAnswer }: Asked): Answer | undefined {
    if (!onAnswer || !('now' in work) || !this.#journal.isOpen) return undefined
    if (definitions[type].changes || definitions[type].role !== 'viewer') return undefined
    const answer = work.now()
    onAnswer(answer)
    return answer
  }

  /** Only inside of a write: the request that has come with the same key before. Throws `idempotency_key_reused`. */
  #replay(idempotency: RequestOptions['idempotency']): Started | undefined {
    const twin = idempotency && this.#table.byIdempotencyKey(idempotency.key)
    if (!twin) return undefined
    if (twin.fingerprint !== idempotency.fingerprint) {
      throw new AppError('idempotency_key_reused', 'the Idempotency-Key was used for another request')
    }
    return { request: this.get(twin.reqid), replayed: true }
  }

  /** Only inside of a write: writes a request down, with its response where that is known at once. */
  #accept(
    { type, args, reqid, by, created, timeoutMs, idempotency, work }: Asked,
    early: Answer | undefined,
    append: (event: DomainEvent) => number
  ): Started & { finished?: Request } {
    const expires = created + Math.ceil(timeoutMs)
    const times = { created_at: new Date(created).toISOString(), expires_at: new Date(expires).toISOString() }
    const seq = append({ type: `${type}_request`, reqid, arguments: args, expires_at: times.expires_at }) - 1
    const request: Request = {
      reqid,
      type,
      state: 'pending',
      arguments: args,
      results: [],
      warnings: [],
      ...times,
      event_cursor: this.#journal.cursorOf(seq)
    }
    this.#options.audit?.accepted(request, by, append)
    const { transient } = this.#kind(type)
    const row = { reqid, type, arguments: args, created, expires, event_seq: seq, transient, idempotency }
    const write = (end?: RequestEnd) => this.#table.insert(row, end)
    if (!('now' in work)) {
      write()
      return { request, replayed: false }
    }
    const answer = early ?? work.now()
    const finished = this.#conclude({ request, answer, by }, append, write)
    return { request, replayed: false, finished, own: answer.own }
  }

  /** Throws `not_found`. */
  get(reqid: string): Request {
    const request = this.#table.get(reqid)
    if (!request) throw new AppError('not_found', `there is no request ${reqid}`)
    return this.#present(request)
  }

  /** Newest first; `next` is the place to go on from. */
  list(filter: RequestFilter): { requests: Request[]; next?: string } {
    const page = this.#table.list(filter)
    const last = page.at(-1)
    return {
      requests: page.map(request => this.#present(request)),
      ...(last && page.length === filter.limit ? { next: String(last.n) } : {})
    }
  }

  /** The request, once it is finished or the time is over. */
  async wait(reqid: string, timeoutMs: number, ...signals: readonly AbortSignal[]): Promise<Request> {
    const request = this.get(reqid)
    if (request.state !== 'pending' || timeoutMs <= 0) return request
    await this.#waiting.wait(reqid, timeoutMs, ...signals)
    return this.get(reqid)
  }

  /** Answers what was left pending by a controller that is gone. Call it before anything new is accepted. */
  async recover(): Promise<void> {
    for (;;) {
      const left = this.#table.list({ state: 'pending', limit: 100 })
      if (left.length === 0) return
      await Promise.all(left.map(request => this.#interrupt(this.#present(request))))
    }
  }

  /** Answers what is pending. Nothing can be started any more. */
  async close(): Promise<void> {
    this.#closing = true
    await Promise.allSettled(this.#starting)
    const ended = await Promise.allSettled(
      this.#pending.abort('interrupted').map(async reqid => {
        const request = this.#table.get(reqid)
        if (request?.state === 'pending') await this.#interrupt(this.#present(request))
      })
    )
    const open = ended.filter(({ status }) => status === 'rejected').length
    if (open > 0) this.#options.log.error(`${open} responses cannot be written: the next start answers`)
  }

  /** Does not wait for a store that fails: the next start would do the same. */
  async #interrupt(request: Request): Promise<void> {
    await this.#finish(
      request,
      { results: [{ success: false, error: 'request interrupted' }] },
      { as: 'interrupted', insists: false }
    )
  }

  /** One request from its start to its response. Never rejects. */
  async #work(
    request: Request,
    ending: AbortController,
    work: (task: Task) => Promise<Answer>,
    deadline: number
  ): Promise<void> {
    const { reqid } = request
    const { durability, transient } = this.#kind(request.type)
    const remainingMs = () => Math.max(1, deadline - performance.now())
    const timer = setTimeout(() => ending.abort('timed_out'), Math.min(maxTimerMs, remainingMs()))
    // A task that does not heed its signal cannot keep its client waiting.
    let lastResort: NodeJS.Timeout | undefined
    const givenUp = new Promise<Answer>(resolve =>
      ending.signal.addEventListener(
        'abort',
        () => {
          lastResort = setTimeout(() => resolve(timedOut()), graceMs)
        },
        { once: true }
      )
    )
    try {
      const tell = (event: DomainEvent, results: readonly Result[] = []) => {
        this.#journal
          .write(
            durability,
            transient,
            append => {
              // Late: the response is out.
              if (!this.#table.isPending(reqid)) return
              if (results.length > 0) this.#table.addResults(reqid, results)
              append(event)
              // Only the end of the controller keeps it from being written.
            },
            { insists: true }
          )
          .catch(() => {})
      }
      const progress = (instance: string, outcomes: readonly Outcome[]) => {
        const results = withReqid(reqid, outcomes)
        tell({ type: 'request_progress', reqid, instance, results }, results)
      }
      const answer = await Promise.race([
        givenUp,
        work({ reqid, remainingMs, signal: ending.signal, progress, tell })
      ]).catch((error: unknown): Answer => {
        if (!(error instanceof AppError) && ending.signal.reason !== 'interrupted') {
          this.#options.log.error({ err: error, reqid }, `${request.type} failed: ${messageOf(error)}`)
        }
        return { results: [{ success: false, error: error instanceof AppError ? error.message : 'internal error' }] }
      })
      // When the controller ended meanwhile, that was the answer.
      if (ending.signal.reason !== 'interrupted') await this.#finish(request, answer)
    } catch (error) {
      // The controller ends without a store: the next start answers it.
      if (!this.#closing) {
        this.#options.log.error({ err: error, reqid }, `the response cannot be written: ${messageOf(error)}`)
      }
    } finally {
      clearTimeout(timer)
      clearTimeout(lastResort)
      this.#pending.delete(reqid)
    }
  }

  /** Writes the end of a request, if that is still open: only one response, whoever comes second. */
  async #finish(
    request: Request,
    answer: Answer,
    { as, insists = true }: { as?: RequestState; insists?: boolean } = {}
  ): Promise<void> {
    const { durability, transient } = this.#kind(request.type)
    const finished = await this.#journal.write(
      durability,
      transient,
      append => {
        const current = this.#table.get(request.reqid)
        if (current?.state !== 'pending') return undefined
        const pending = { ...request, results: current.results }
        return this.#conclude({ request: pending, answer, as }, append, end => this.#table.finish(request.reqid, end))
      },
      { insists }
    )
    if (finished) this.#announce(finished)
  }

  /** Only inside of a write: ends a request that is pending, whose results are those that were told as progress. */
  #conclude(
    { request, answer, as, by }: Ending,
    append: (event: DomainEvent) => number,
    write: (end: RequestEnd) => void
  ): Request {
    const now = this.#now()
    const finished = concluded(request, answer, now, as)
    const { reqid, type, state, success = false, results, warnings } = finished
    write({ state, results: results.slice(request.results.length), warnings, finished: now })
    append(
      state === 'expired'
        ? { type: 'request_expired', reqid }
        : { type: `${type}_response`, reqid, state, success, results, warnings }
    )
    this.#options.audit?.concluded(finished, append, by)
    return finished
  }

  #announce(finished: Request): void {
    this.#waiting.release(finished.reqid)
    this.#options.onFinished?.(finished)
  }

  #kind(type: RequestType): { durability: 'synced' | 'written'; transient: boolean } {
    const { changes } = definitions[type]
    return { durability: changes ? 'synced' : 'written', transient: !changes }
  }

  #present({ n, event_seq: seq, reqid, type, state, ...rest }: StoredRequest): Request {
    return {
      reqid,
      type,
      state,
      ...(state === 'pending' ? {} : { success: state === 'succeeded' }),
      ...rest,
      event_cursor: this.#journal.cursorOf(seq)
    }
  }
}
