import type { ControlEvent, LoggedEvent } from '../../schemas/events.js'
import { AppError } from '../errors.js'
import type { Filter } from './filter.js'
import type { Format } from './frame.js'

/** Where a stream is written to: what is needed of an HTTP response. */
export interface Sink {
  /** False: it has taken the chunk, and has no room for another until `drain`. */
  write (chunk: string | Buffer): boolean
  end (): void
  destroy (): void
  on (event: 'drain' | 'close', listener: () => void): unknown
}

export interface FollowerOptions {
  /** What comes after this number is next. */
  seq: number
  format: Format
  filter: Filter
  /** The event after which the stream ends. */
  isLast: ((event: LoggedEvent) => boolean) | undefined
  cursorOf: (seq: number) => string
  /** Some of what comes after a number, and how far that reaches; over a gap when some of it is no longer kept. */
  read: (seq: number) => { events: readonly LoggedEvent[], upTo: number, isGap?: boolean }
  /** What is said of a gap. */
  gap: () => ControlEvent
  encode: (from: number, events: readonly LoggedEvent[]) => Buffer
  /** Called once. */
  onEnd: () => void
}

/** One stream: a cursor that moves along the log as fast as its sink takes what is there. */
export class Follower {
  #sink: Sink
  #options: FollowerOptions
  #seq: number
  /** Since when the sink has had no room. */
  #blockedSince: number | undefined
  #reading = false
  #ended = false

  constructor (sink: Sink, options: FollowerOptions) {
    this.#sink = sink
    this.#options = options
    this.#seq = options.seq
    sink.on('drain', () => {
      this.#blockedSince = undefined
      this.pull()
    })
    sink.on('close', () => this.#finish())
  }

  begin (greeting: readonly ControlEvent[]): void {
    this.#write(greeting.map(event => this.#options.format.control(event)).join(''))
    this.pull()
  }

  /** Sends a batch, and goes on in the next turn while there is more: a long replay leaves room for others. */
  pull (): void {
    if (this.#reading || !this.#step()) return
    this.#reading = true
    setImmediate(() => {
      this.#reading = false
      this.pull()
    })
  }

  /** Sends one batch, if there is one and room for it; says whether it has. */
  #step (): boolean {
    if (this.#ended || this.#blockedSince !== undefined) return false
    const from = this.#seq
    const next = this.#read(from)
    if (!next) return false
    const { events, upTo, isGap } = next
    if (upTo === from) return false
    if (isGap) this.#control(this.#options.gap())
    const wanted = events.filter(event => this.#options.filter.matches(event))
    const last = this.#options.isLast ? wanted.findIndex(this.#options.isLast) : -1
    if (last >= 0) wanted.length = last + 1
    this.#seq = upTo
    if (wanted.length > 0) this.#write(this.#options.encode(from, wanted))
    if (last >= 0) this.#goodbye('terminal')
    return last < 0
  }

  /** Without a log to read the stream ends; its reader can resume. Nobody else is concerned. */
  #read (from: number): ReturnType<FollowerOptions['read']> | undefined {
    try {
      return this.#options.read(from)
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      this.destroy()
      return undefined
    }
  }

  /** Says that everything up to the cursor was delivered. One that is behind has no need of it. */
  heartbeat (now: number): void {
    if (this.#ended || this.#reading || this.#blockedSince !== undefined) return
    this.#control({ type: 'heartbeat', cursor: this.#options.cursorOf(this.#seq), time: new Date(now).toISOString() })
  }

  /** Whether the sink has had no room since before this moment (of `performance.now()`). */
  isStalled (before: number): boolean {
    return this.#blockedSince !== undefined && this.#blockedSince < before
  }

  /** Sends what there still is, as far as the sink takes it, says goodbye and ends. */
  end (): void {
    while (this.#step());
    if (!this.#ended) this.#goodbye('shutdown')
  }

  /** For a reader that takes nothing: an end would wait behind what it does not take. */
  destroy (): void {
    this.#sink.destroy()
    this.#finish()
  }

  #goodbye (reason: 'shutdown' | 'terminal'): void {
    this.#control({ type: 'goodbye', reason, reconnect: reason === 'shutdown' })
    this.#sink.end()
    this.#finish()
  }

  #control (event: ControlEvent): void {
    this.#write(this.#options.format.control(event))
  }

  #write (chunk: string | Buffer): void {
    if (!this.#sink.write(chunk)) this.#blockedSince = performance.now()
  }

  #finish (): void {
    if (this.#ended) return
    this.#ended = true
    this.#options.onEnd()
  }
}
