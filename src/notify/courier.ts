import type { NotificationSink, NotificationTest } from '../../schemas/notifications.js'
import { AppError, messageOf } from '../errors.js'
import { backoff, defined } from '../util.js'
import { testOf, type Notification } from './group.js'
import type { LaneQueue, Next } from './lane.js'
import type { Outcome, Sink } from './sink.js'

/** The first pause after a failure, and what it doubles to, in milliseconds. */
const pause = { initial: 1_000, max: 300_000 }
/** How long what is under way may take to end, and to store what has come of it, in milliseconds. */
const endMs = 2_000
/** How often a sink can refuse the same for good until it is given up. */
const refusalsMax = 5

export interface CourierOptions {
  sink: Sink
  queues: readonly LaneQueue[]
  now: () => number
  /** Returns milliseconds of a clock that is never set. */
  elapsed: () => number
  /** Stores that something is told, or given up. Resolves once that is committed. */
  settle: (queue: LaneQueue, next: Next, toldAt: number | undefined) => Promise<void>
  /** Called with what has become of an attempt; `last`: whether it was the last one of this notification. */
  attempted: (notification: Notification, outcome: Outcome, last: boolean) => void
}

/** Tells one sink what its rules have for it: one at a time, again and again until the sink has taken it. */
export class Courier {
  readonly sink: Sink
  #options: CourierOptions
  #closing = new AbortController()
  /** What is under way: an attempt, or a test. */
  #current: Promise<void> | undefined
  #isTesting = false
  #failures = 0
  /** By the clock that is never set: when the next attempt may be. */
  #notBefore = 0
  /** What was refused last, and how often in a row. */
  #refused = { id: '', times: 0 }
  #counts = { delivered: 0, failed: 0, given_up: 0 }
  #lastError: string | undefined
  /** When the first of the attempts was that have failed last, in milliseconds since 1970. */
  failingSince: number | undefined

  constructor(options: CourierOptions) {
    this.sink = options.sink
    this.#options = options
  }

  get lastError(): string | undefined {
    return this.#lastError
  }

  get counts(): Readonly<Record<'delivered' | 'failed' | 'given_up', number>> {
    return this.#counts
  }

  get status(): NotificationSink {
    const wait = this.#notBefore - this.#options.elapsed()
    return {
      ...this.sink.shown,
      ...this.#counts,
      ...defined({
        failing_since: this.failingSince === undefined ? undefined : iso(this.failingSince),
        last_error: this.#lastError,
        next_attempt: wait > 0 ? iso(this.#options.now() + wait) : undefined
      })
    }
  }

  /** Begins to tell what is due, unless something is under way. */
  look(): void {
    if (this.#current || this.#closing.signal.aborted || this.#options.elapsed() < this.#notBefore) return
    const now = this.#options.now()
    const [first] = this.#options.queues
      .map(queue => ({ queue, due: queue.due }))
      .filter((one): one is { queue: LaneQueue; due: number } => one.due !== undefined && one.due <= now)
      .sort((a, b) => a.due - b.due)
    if (first) this.#occupy(this.#tell(first.queue))
  }

  /** Sends a test, after what is under way. Throws `conflict` while there is another one. */
  async test(by: string): Promise<NotificationTest> {
    if (this.#isTesting) throw new AppError('conflict', `another test of ${this.sink.shown.name} is under way`)
    this.#isTesting = true
    try {
      while (this.#current) await this.#current
      const { now, elapsed } = this.#options
      const began = elapsed()
      const sending = this.#deliver(testOf(this.sink.shown.name, by, now()))
      this.#occupy(sending.then(() => {}))
      const { state, detail } = await sending
      // What has failed may work now.
      if (state === 'taken') this.#notBefore = 0
      return { delivered: state === 'taken', detail, seconds: Math.round(elapsed() - began) / 1000 }
    } finally {
      this.#isTesting = false
    }
  }

  /** Ends what is under way: it is told again by who comes next. */
  async close(): Promise<void> {
    this.#closing.abort()
    if (!this.#current) return
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise<void>(resolve => {
      timer = setTimeout(resolve, endMs)
    })
    await Promise.race([this.#current, patience])
    clearTimeout(timer)
  }

  async #deliver(notification: Notification): Promise<Outcome> {
    try {
      return await this.sink.deliver(notification, this.#closing.signal)
    } catch (error) {
      return { state: 'failed', detail: messageOf(error) }
    }
  }

  #occupy(work: Promise<void>): void {
    this.#current = work.finally(() => {
      this.#current = undefined
      this.look()
    })
  }

  async #tell(queue: LaneQueue): Promise<void> {
    const { now, settle, attempted } = this.#options
    const next = queue.take()
    const { notification } = next
    const outcome = await this.#deliver(notification)
    if (this.#closing.signal.aborted && outcome.state !== 'taken') return
    const isOver = outcome.state === 'taken' || this.#isGivenUp(notification.id, outcome)
    this.#note(outcome)
    if (isOver) {
      try {
        await settle(queue, next, outcome.state === 'taken' ? now() : undefined)
      } catch {
        // The store waits for better times: it has closed, or another controller leads, and will tell it again.
        this.#closing.abort()
        return
      }
      if (outcome.state !== 'taken') this.#counts.given_up++
    }
    attempted(notification, outcome, isOver)
  }

  /** Counts how often this very notification was refused, and returns whether that was often enough. */
  #isGivenUp(id: string, { state }: Outcome): boolean {
    if (state !== 'refused') return false
    this.#refused = { id, times: this.#refused.id === id ? this.#refused.times + 1 : 1 }
    return this.#refused.times >= refusalsMax
  }

  #note({ state, detail, retryAfterMs = 0 }: Outcome): void {
    const { now, elapsed } = this.#options
    if (state === 'taken') {
      this.#counts.delivered++
      this.#failures = 0
      this.#notBefore = 0
      this.failingSince = undefined
      return
    }
    this.#counts.failed++
    this.#failures++
    this.#lastError = detail
    this.failingSince ??= now()
    // Spread, so that many who failed at once do not come back at once.
    const wait = backoff(this.#failures, pause.initial, pause.max) * (0.5 + Math.random() / 2)
    this.#notBefore = elapsed() + Math.max(wait, retryAfterMs)
  }
}

const iso = (time: number) => new Date(time).toISOString()
