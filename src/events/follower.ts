import type { ControlEvent } from '../../schemas/events.js'
import { AppError } from '../errors.js'
import type { Sink } from './sink.js'
import type { Account } from './turns.js'
import type { Batch, View } from './view.js'

/** What all followers share. */
export interface Following {
  /** Events sent to all followers, and bytes. */
  delivered: number
  bytes: number
  /** Calls `go` when its turn comes. */
  later(go: () => void, account: Account): void
  /** Returns the event that reports a gap. */
  gap(): ControlEvent
  /** Called once for each follower, when it ends. */
  leave(follower: Follower): void
}

export interface FollowerOptions {
  seq: number
  part: number
  following: Following
  account: Account
}

/** One stream: a place in the log that advances as fast as its sink accepts events. */
export class Follower {
  readonly view: View
  /** The part of a period in which this follower gets its heartbeat. */
  readonly part: number
  #sink: Sink
  #following: Following
  #account: Account
  #seq: number
  /** When the sink ran out of room (`performance.now()`); undefined while it has room. */
  #blockedSince: number | undefined
  #reading = false
  #ended = false

  /** `seq`: the number of the event before the first one to send. */
  constructor(sink: Sink, view: View, { seq, part, following, account }: FollowerOptions) {
    this.view = view
    this.part = part
    this.#sink = sink
    this.#seq = seq
    this.#following = following
    this.#account = account
    sink.on('drain', () => {
      this.#blockedSince = undefined
      this.#goOn()
    })
    sink.on('close', () => this.#finish())
  }

  begin(greeting: readonly ControlEvent[]): void {
    this.#write(this.view.greeting(greeting))
    this.pull()
  }

  /** Sends a batch; while there is more, continues when its turn comes. */
  pull(): void {
    if (this.#reading) return
    const batch = this.#step()
    if (batch && !batch.isLast && !batch.isHead) this.#goOn()
  }

  #goOn(): void {
    if (this.#reading) return
    this.#reading = true
    this.#following.later(() => {
      this.#reading = false
      this.pull()
    }, this.#account)
  }

  /** Sends one batch, if there is one and the sink has room for it. */
  #step(): Batch | undefined {
    if (this.#ended || this.isBlocked) return undefined
    const batch = this.#read()
    if (!batch || batch.upTo === this.#seq) return undefined
    if (batch.isGap) this.#write(this.view.control(this.#following.gap()))
    this.#seq = batch.upTo
    if (batch.chunk) this.#write(batch.chunk)
    this.#following.delivered += batch.count
    if (batch.isLast) this.#goodbye('terminal')
    return batch
  }

  /**
   * Reads the next batch. Ends the stream when the log cannot be read: its reader can resume, and no other stream is
   * affected.
   */
  #read(): Batch | undefined {
    try {
      return this.view.after(this.#seq)
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      this.destroy()
      return undefined
    }
  }

  /** Sends a heartbeat: everything up to its cursor was delivered. A follower that is behind does not need one. */
  heartbeat(now: number): void {
    if (!this.#ended && !this.#reading && !this.isBlocked) this.#write(this.view.heartbeat(this.#seq, now))
  }

  /** Whether the sink has no room. */
  get isBlocked(): boolean {
    return this.#blockedSince !== undefined
  }

  /** Returns whether the sink has had no room since before this moment (of `performance.now()`). */
  isStalled(before: number): boolean {
    return this.#blockedSince !== undefined && this.#blockedSince < before
  }

  /** Sends the remaining events, as far as the sink accepts them, then a goodbye event, and ends the stream. */
  end(): void {
    while (this.#step());
    if (!this.#ended) this.#goodbye('shutdown')
  }

  /** Ends the stream at once, for a reader that accepts nothing: an orderly end would wait behind the unread data. */
  destroy(): void {
    this.#sink.destroy()
    this.#finish()
  }

  #goodbye(reason: 'shutdown' | 'terminal'): void {
    this.#write(this.view.control({ type: 'goodbye', reason, reconnect: reason === 'shutdown' }))
    this.#sink.end()
    this.#finish()
  }

  #write(chunk: Buffer): void {
    this.#following.bytes += chunk.length
    if (!this.#sink.write(chunk)) this.#blockedSince = performance.now()
  }

  #finish(): void {
    if (this.#ended) return
    this.#ended = true
    this.#following.leave(this)
  }
}
