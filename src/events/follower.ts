import type { ControlEvent } from '../../schemas/events.js'
import { AppError } from '../errors.js'
import type { Sink } from './sink.js'
import type { Batch, View } from './view.js'

/** What followers have in common. */
export interface Following {
  /** Events, and bytes of all. */
  delivered: number
  bytes: number
  /** Has it done when its turn comes. */
  later(go: () => void): void
  /** What is said of a gap. */
  gap(): ControlEvent
  /** Called once for each. */
  leave(follower: Follower): void
}

/** One stream: a place in the log that moves along as fast as its sink takes what is there. */
export class Follower {
  readonly view: View
  /** In which part of a period its heartbeat is. */
  readonly part: number
  #sink: Sink
  #following: Following
  #seq: number
  /** Since when the sink has had no room. */
  #blockedSince: number | undefined
  #reading = false
  #ended = false

  /** What comes after `seq` is next. */
  constructor(sink: Sink, view: View, { seq, part, following }: { seq: number; part: number; following: Following }) {
    this.view = view
    this.part = part
    this.#sink = sink
    this.#seq = seq
    this.#following = following
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

  /** Sends a batch, and goes on in its turn while there is more. */
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
    })
  }

  /** Sends one batch, if there is one and room for it. */
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

  /** Without a log to read the stream ends; its reader can resume. Nobody else is concerned. */
  #read(): Batch | undefined {
    try {
      return this.view.after(this.#seq)
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      this.destroy()
      return undefined
    }
  }

  /** Says that everything up to its place was delivered. One that is behind has no need of it. */
  heartbeat(now: number): void {
    if (!this.#ended && !this.#reading && !this.isBlocked) this.#write(this.view.heartbeat(this.#seq, now))
  }

  /** Whether the sink has no room. */
  get isBlocked(): boolean {
    return this.#blockedSince !== undefined
  }

  /** Whether the sink has had no room since before this moment (of `performance.now()`). */
  isStalled(before: number): boolean {
    return this.#blockedSince !== undefined && this.#blockedSince < before
  }

  /** Sends what there still is, as far as the sink takes it, says goodbye and ends. */
  end(): void {
    while (this.#step());
    if (!this.#ended) this.#goodbye('shutdown')
  }

  /** For a reader that takes nothing: an end would wait behind what it does not take. */
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
