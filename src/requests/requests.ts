import { performance } from 'node:perf_hooks'
import type { Logger } from 'pino'
import {
  requests as definitions,
  type ClusterRequest,
  type RequestArguments,
  type RequestState,
  type RequestType
} from '../../schemas/api.js'
import type { Outcome, RequestResult } from '../../schemas/types.js'
import { AppError, messageOf } from '../errors.js'
import type { Idempotency } from './idempotency.js'
import { Pending, type PendingLimits } from './pending.js'
import type { Audit } from './audit.js'
import type { Caller } from './caller.js'
import type { AppendEntry, AppendEvent, EventJournal } from './journal.js'
import type { RequestEnd, RequestFilter, RequestTable, StoredRequest } from '../store/requests.js'
import { type Answer, concluded, type Immediate, type Task, type TaskEvent, timedOut, type Work } from './task.js'
import { Reads } from './reads.js'
import { reportsOf } from './reports.js'
import { requestEvent, responseEvent } from '../request-events.js'
import type { Read } from '../store/reads.js'
import { storable } from './storable.js'
import type { Holder } from '../quota.js'
import { maxTimerMs, timeOrderedId } from '../util.js'
import { Waiting } from './waiting.js'

export interface RequestOptions {
  timeoutMs: number
  by?: Caller | undefined
  /** The ID for the request, if the calling code must know it beforehand. Never a client's: the server makes IDs. */
  reqid?: string | undefined
  idempotency?: Idempotency | undefined
  /**
   * Throws why the request must not be accepted. Called inside of the write that accepts it, so that nothing changes
   * in between; not for one that was accepted before, with the same idempotency key.
   */
  precondition?: (() => void) | undefined
  /**
   * Called with the answer before it is written down, for a read-only request that every viewer may make and whose
   * answer is known at once.
   */
  onAnswer?: ((answer: Answer) => void) | undefined
}

export interface Started {
  request: ClusterRequest
  /** Whether the request was started before, with the same idempotency key. */
  replayed: boolean
  /** The results for the caller, where they differ from what is stored. */
  own?: readonly Outcome[] | undefined
}

/** A request as it is submitted. */
interface Asked extends RequestOptions {
  type: RequestType
  args: RequestArguments
  work: Work
  reqid: string
  created: number
}

/** What a write appends to the logs. */
interface Logs {
  append: AppendEvent
  record: AppendEntry
}

/** How a request ends: `as` is its state where the results do not determine it; `by` its caller, where known. */
interface Ending {
  request: ClusterRequest
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
  /** Called with each request that ends, inside of the write that ends it; not with reads that are answered at once. */
  onConcluded?: (request: ClusterRequest) => void
  /** Called with each request that is accepted, before work on it starts. */
  onStarted?: (request: ClusterRequest) => void
  /** Called with each request that has ended, after its response was announced, and who has submitted it. */
  onFinished?: (request: ClusterRequest, by: Holder | undefined) => void
}

/** How many requests are read at a time where a page may end early. */
const listStep = 5
/** How many a page looks through for those that its reader sees. */
const lookedThroughMax = 2_000
/** How long after its deadline the work of a request may take to report which answers are missing. */
const graceMs = 1_000

/** Returns whether a request only reads, every viewer may make it, and it is answered at once. */
function isRead(asked: Asked): asked is Asked & { work: Immediate } {
  const { changes, role } = definitions[asked.type]
  return 'now' in asked.work && !changes && role === 'viewer' && !asked.idempotency && !asked.precondition
}

/** Returns until when a request has to be answered. */
const expiryOf = ({ created, timeoutMs }: Asked) => created + Math.ceil(timeoutMs)

/** Returns a request as it is when it is submitted. */
function pendingOf(asked: Asked): Read {
  const { type, args, reqid, by, created } = asked
  return {
    reqid,
    type,
    state: 'pending',
    arguments: args,
    results: [],
    warnings: [],
    ...(by?.labels && { limited_to: by.labels }),
    created_at: new Date(created).toISOString(),
    expires_at: new Date(expiryOf(asked)).toISOString()
  }
}

/** Returns the error for a request that there is not, or that is not seen. */
export const noRequest = (reqid: string) => new AppError('not_found', `there is no request ${reqid}`)

/**
 * Keeps the state of requests: each gets exactly one response event, whatever becomes of the work.
 *
 *   pending --+--> succeeded | partial | failed   all have answered
 *             +--> timed_out                      the deadline has passed
 *             +--> interrupted                    the controller ended meanwhile
 *             +--> expired                        the deadline of a request without state
 */
export class Requests {
  #table: RequestTable
  #journal: EventJournal
  #reads: Reads
  #now: () => number
  #options: RequestsOptions
  #closing = false
  #starting = new Set<Promise<unknown>>()
  #pending: Pending
  #waiting = new Waiting()

  constructor(options: RequestsOptions) {
    this.#table = options.table
    this.#journal = options.journal
    this.#reads = new Reads(options.journal)
    this.#now = options.now
    this.#options = options
    this.#pending = new Pending(options)
  }

  get pending(): number {
    return this.#pending.size
  }
  /** Number of requests that were refused because too many were pending. */
  get refused(): number {
    return this.#pending.refused
  }

  /**
   * Accepts a request: resolves once it is written down, and starts the work. With a key that was used before for the
   * same payload, returns that earlier request. Throws `idempotency_key_reused`; `unavailable` or `too_many_requests`
   * when too many are pending; what its precondition throws.
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
    if (isRead(asked)) return await this.#read(asked)
    const { type, args, reqid, work } = asked
    const { durability, transient } = this.#kind(type)
    const follows = args.follow === true || args.watch === true
    // Count it before it is written: requests that arrive meanwhile must see it.
    const { ending, full } = this.#pending.add(reqid, asked.by, { follows })
    // On a monotonic clock, like the timer.
    const deadline = performance.now() + asked.timeoutMs
    let isWorkedOn = false
    try {
      const { finished, ...started } = await this.#journal.write<Started & { finished?: ClusterRequest }>(
        durability,
        transient,
        (append, record) => {
          const replayed = this.#replay(asked.idempotency)
          if (replayed) return replayed
          full?.()
          asked.precondition?.()
          return this.#accept(asked, { append, record })
        }
      )
      const { request, replayed } = started
      if (replayed) return started
      this.#tell(request, () => this.#options.onStarted?.(request))
      if (finished) this.#announce(finished)
      else if (this.#closing) await this.#interrupt(request)
      else if (!('now' in work)) {
        isWorkedOn = true
        void this.#work(request, ending, { work, who: asked.by?.name }, deadline)
      }
      return started
    } finally {
      if (!isWorkedOn) this.#pending.delete(reqid)
    }
  }

  /** Answers a request that only reads, and writes it down with others. */
  async #read(asked: Asked & { work: Immediate }): Promise<Started> {
    const { reqid, work, created, by, onAnswer } = asked
    const { full } = this.#pending.add(reqid, by)
    try {
      full?.()
      const answer = work.now({ time: created, who: by?.name })
      const isEarly = onAnswer !== undefined && this.#journal.isOpen
      if (isEarly) onAnswer(answer)
      const request = pendingOf(asked)
      const read = concluded(request, answer, this.#now())
      const { places, place } = this.#reads.add(read, { unhurried: isEarly })
      const cursor = { event_cursor: this.#journal.cursorOf((await places)[place]!) }
      const started = { ...request, ...cursor }
      this.#tell(started, () => this.#options.onStarted?.(started))
      this.#announce({ ...read, ...cursor })
      return { request: started, replayed: false, own: answer.own }
    } finally {
      this.#pending.delete(reqid)
    }
  }

  /** Returns the earlier request with the same key. Only inside of a write. Throws `idempotency_key_reused`. */
  #replay(idempotency: RequestOptions['idempotency']): Started | undefined {
    const twin = idempotency && this.#table.byIdempotencyKey(idempotency.key)
    if (!twin) return undefined
    if (twin.fingerprint !== idempotency.fingerprint) {
      throw new AppError('idempotency_key_reused', 'the Idempotency-Key was used for another request')
    }
    return { request: this.get(twin.reqid), replayed: true }
  }

  /** Writes a request down, with its response where that is known at once. Only inside of a write. */
  #accept(asked: Asked, logs: Logs): Started & { finished?: ClusterRequest } {
    const { type, reqid, by, created, idempotency, work } = asked
    const pending = pendingOf(asked)
    const seq = logs.append(requestEvent(pending)) - 1
    const request: ClusterRequest = { ...pending, event_cursor: this.#journal.cursorOf(seq) }
    const row = {
      reqid,
      type,
      arguments: pending.arguments,
      created,
      expires: expiryOf(asked),
      event_seq: seq,
      transient: this.#kind(type).transient,
      limitedTo: by?.labels,
      idempotency
    }
    const write = (end?: RequestEnd) => this.#table.insert(row, end)
    if (!('now' in work)) {
      this.#options.audit?.accepted(request, by, logs.record)
      write()
      return { request, replayed: false }
    }
    const answer = work.now({ time: created, who: by?.name })
    const finished = this.#conclude({ request, answer, by }, logs, write)
    return { request, replayed: false, finished, own: answer.own }
  }

  /** Returns a request. Throws `not_found`. */
  get(reqid: string): ClusterRequest {
    const request = this.find(reqid)
    if (!request) throw noRequest(reqid)
    return request
  }

  /** Returns a request; undefined when there is none. */
  find(reqid: string): ClusterRequest | undefined {
    const request = this.#table.get(reqid)
    return request && this.#present(request)
  }

  /**
   * Lists requests, newest first, as `see` shows them, which returns undefined for one that is not in the list; `next`
   * is the place where the next page starts. A page ends early once the requests that it has looked through have more
   * than `maxResults` results, or are too many.
   */
  list(
    filter: RequestFilter,
    maxResults = Infinity,
    see: (request: ClusterRequest) => ClusterRequest | undefined = request => request
  ): { requests: ClusterRequest[]; next?: string } {
    const page: ClusterRequest[] = []
    let [isOver, results, lookedThrough] = [false, 0, 0]
    let last: number | undefined
    while (!isOver && page.length < filter.limit && results <= maxResults && lookedThrough < lookedThroughMax) {
      const limit = maxResults === Infinity ? filter.limit : Math.min(listStep, filter.limit - page.length)
      const more = this.#table.list({ ...filter, before: last ?? filter.before, limit })
      page.push(...more.flatMap(request => see(this.#present(request)) ?? []))
      for (const { results: some } of more) results += some.length
      lookedThrough += more.length
      last = more.at(-1)?.event_seq ?? last
      isOver = more.length < limit
    }
    return { requests: page, ...(last !== undefined && !isOver ? { next: String(last) } : {}) }
  }

  /** Resolves with the request once it is finished, the timeout has passed or a signal aborts. Throws `not_found`. */
  async wait(reqid: string, timeoutMs: number, ...signals: readonly AbortSignal[]): Promise<ClusterRequest> {
    const request = this.get(reqid)
    if (request.state !== 'pending' || timeoutMs <= 0) return request
    await this.#waiting.wait(reqid, timeoutMs, ...signals)
    return this.get(reqid)
  }

  /** Ends requests that an earlier controller process left pending. Call it before any new request is accepted. */
  async recover(): Promise<void> {
    for (;;) {
      const left = this.#table.list({ state: 'pending', limit: 100 })
      if (left.length === 0) return
      await Promise.all(left.map(request => this.#interrupt(this.#present(request))))
    }
  }

  /** Ends all pending requests. No request can be started any more. */
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

  /** Ends a request as interrupted. Does not wait for a store that fails: the next start would do the same. */
  async #interrupt(request: ClusterRequest): Promise<void> {
    await this.#finish(
      request,
      { results: [{ success: false, error: 'request interrupted' }] },
      { as: 'interrupted', insists: false }
    )
  }

  /** Works on one request from its start to its response. Never rejects. */
  async #work(
    request: ClusterRequest,
    ending: AbortController,
    { work, who }: { work: (task: Task) => Promise<Answer>; who: string | undefined },
    deadline: number
  ): Promise<void> {
    const { reqid } = request
    const remainingMs = () => Math.max(1, deadline - performance.now())
    const timer = setTimeout(() => ending.abort('timed_out'), Math.min(maxTimerMs, remainingMs()))
    // A task that ignores its signal must not keep its client waiting.
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
      const reports = reportsOf(reqid, (event, results) => {
        void this.#report(request, event, results)
      })
      const answer = await Promise.race([
        givenUp,
        work({ reqid, who, remainingMs, signal: ending.signal, ...reports })
      ]).catch((error: unknown): Answer => {
        if (!(error instanceof AppError) && ending.signal.reason !== 'interrupted') {
          this.#options.log.error({ err: error, reqid }, `${request.type} failed: ${messageOf(error)}`)
        }
        return { results: [{ success: false, error: error instanceof AppError ? error.message : 'internal error' }] }
      })
      // If the controller is ending, `close` writes the response.
      if (ending.signal.reason !== 'interrupted') {
        await this.#finish(request, { ...answer, results: storable(answer.results) })
      }
    } catch (error) {
      // If the controller ends while its store fails, the next start writes the response.
      if (!this.#closing) {
        this.#options.log.error({ err: error, reqid }, `the response cannot be written: ${messageOf(error)}`)
      }
    } finally {
      clearTimeout(timer)
      clearTimeout(lastResort)
      this.#pending.delete(reqid)
    }
  }

  /** Writes what a task reports, if its request is still pending. Never rejects. */
  async #report({ reqid, type }: ClusterRequest, event: TaskEvent, results: readonly RequestResult[]): Promise<void> {
    const { durability, transient } = this.#kind(type)
    const report = (append: AppendEvent) => {
      // Too late: the response was already written.
      if (!this.#table.isPending(reqid)) return
      if (results.length > 0) this.#table.addResults(reqid, results)
      append(event)
    }
    try {
      // It is retried until it is written or the controller ends.
      await this.#journal.write(durability, transient, report, { insists: true })
    } catch (error) {
      if (!this.#closing) this.#options.log.error({ err: error, reqid }, `a report is lost: ${messageOf(error)}`)
    }
  }

  /** Writes the end of a request if it is still pending: a second response is dropped. */
  async #finish(
    request: ClusterRequest,
    answer: Answer,
    { as, insists = true }: { as?: RequestState; insists?: boolean } = {}
  ): Promise<void> {
    const { durability, transient } = this.#kind(request.type)
    const finished = await this.#journal.write(
      durability,
      transient,
      (append, record) => {
        const current = this.#table.get(request.reqid)
        if (current?.state !== 'pending') return undefined
        const pending = { ...request, results: current.results }
        return this.#conclude({ request: pending, answer, as }, { append, record }, end =>
          this.#table.finish(request.reqid, end)
        )
      },
      { insists }
    )
    if (finished) this.#announce(finished)
  }

  /** Ends a pending request, whose results are those reported as progress so far. Only inside of a write. */
  #conclude(
    { request, answer, as, by }: Ending,
    { append, record }: Logs,
    write: (end: RequestEnd) => void
  ): ClusterRequest {
    const now = this.#now()
    const finished = concluded(request, answer, now, as)
    const { state, results, warnings } = finished
    write({ state, results: results.slice(request.results.length), warnings, finished: now })
    this.#options.onConcluded?.(finished)
    append(responseEvent(finished))
    this.#options.audit?.concluded(finished, record, by)
    return finished
  }

  #announce(finished: ClusterRequest): void {
    this.#waiting.release(finished.reqid)
    this.#tell(finished, () => this.#options.onFinished?.(finished, this.#pending.holderOf(finished.reqid)))
  }

  /** Tells of a request that is written down: whatever is wrong with that, it does not fail the request. */
  #tell({ reqid, type }: ClusterRequest, tell: () => void): void {
    try {
      tell()
    } catch (error) {
      this.#options.log.error({ err: error, reqid }, `${type} could not be told: ${messageOf(error)}`)
    }
  }

  #kind(type: RequestType): { durability: 'synced' | 'written'; transient: boolean } {
    const { changes } = definitions[type]
    return { durability: changes ? 'synced' : 'written', transient: !changes }
  }

  #present({ event_seq: seq, reqid, type, state, ...rest }: StoredRequest): ClusterRequest {
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
