import type { ControlEvent, LoggedEvent, ResetReason } from '../../schemas/events.js'
import { formatCursor, parseCursor } from './cursor.js'
import type { Filter } from './filter.js'
import { Follower, type Sink } from './follower.js'
import type { Format } from './frame.js'

/** The log, as far as its followers need it. Numbers start at 1 and only grow. */
export interface EventSource {
  readonly epoch: string
  /** Of the newest event. */
  readonly head: number
  /** Of the oldest event that is kept. */
  readonly earliest: number
  after (seq: number, limit: number): LoggedEvent[]
  ofRequest (reqid: string, seq: number, limit: number): LoggedEvent[]
}

export interface HubOptions {
  heartbeatMs: number
  /** A reader that takes nothing for so long is cut off; it can resume. */
  stallMs: number
  maxStreams: number
}

/** Where a stream starts. */
export interface Start {
  /** The events after this one come. */
  seq: number
  resumed: boolean
  /** The cursor that was asked for is of no use, and why. */
  reset?: ResetReason
}

/** How many of the newest events are kept in memory, for those who follow closely. */
const tailLength = 1024
const batchLength = 256

/**
 * Fans the log out to its followers. A follower is a cursor and a filter: replay and live are one query, nothing is
 * queued for it, and it reads on when its socket has room.
 */
export class Hub {
  #log: EventSource
  #options: HubOptions
  #followers = new Set<Follower>()
  #tail: LoggedEvent[] = []
  #ringing = false
  /** While the bell rings: what was encoded, by place, filter and format. Those who stand at the same place share it. */
  #encoded: Map<string, Buffer> | undefined
  #heartbeat: NodeJS.Timeout
  #stallCheck: NodeJS.Timeout
  /** Readers that were cut off, for the metrics. */
  stalled = 0

  constructor (log: EventSource, options: HubOptions) {
    this.#log = log
    this.#options = options
    this.#heartbeat = setInterval(() => { for (const follower of this.#followers) follower.heartbeat(Date.now()) }, options.heartbeatMs).unref()
    this.#stallCheck = setInterval(() => this.#cutOff(), options.stallMs / 4).unref()
  }

  get size (): number { return this.#followers.size }
  get isFull (): boolean { return this.#followers.size >= this.#options.maxStreams }

  /** Where a client that asks for this cursor starts: `latest`, `earliest`, or one that it was given. */
  startAt (cursor: string): Start {
    const { head, earliest, epoch } = this.#log
    if (cursor === 'latest') return { seq: head, resumed: false }
    if (cursor === 'earliest') return { seq: earliest - 1, resumed: false }
    const place = parseCursor(cursor)
    const reset = !place ? 'unknown' : place.epoch !== epoch ? 'epoch' : place.seq > head ? 'future' : place.seq < earliest - 1 ? 'expired' : undefined
    return reset ? { seq: head, resumed: false, reset } : { seq: place!.seq, resumed: true }
  }

  cursorOf (seq: number): string {
    return formatCursor(this.#log.epoch, seq)
  }

  /** Tells of events that were committed, in order. */
  announce (events: readonly LoggedEvent[]): void {
    this.#tail.push(...events)
    if (this.#tail.length > tailLength) this.#tail.splice(0, this.#tail.length - tailLength)
    if (this.#ringing) return
    // All that comes within a tick goes out together.
    this.#ringing = true
    setImmediate(() => {
      this.#ringing = false
      this.#encoded = new Map()
      for (const follower of this.#followers) follower.pull()
      this.#encoded = undefined
    })
  }

  /** Streams to a sink from `start` on, until the sink closes, the hub does, or `isLast` says so. `opening` goes first. */
  follow (sink: Sink, { start, filter, format, opening, isLast }: {
    start: Start, filter: Filter, format: Format, opening: readonly ControlEvent[], isLast?: (event: LoggedEvent) => boolean
  }): void {
    const greeting: ControlEvent[] = [
      { type: 'hello', cursor: this.cursorOf(start.seq), earliest: this.#bounds.earliest, heartbeat_seconds: this.#options.heartbeatMs / 1000, resumed: start.resumed },
      ...(start.reset ? [{ type: 'reset' as const, reason: start.reset, ...this.#bounds }] : []),
      ...opening
    ]
    const follower = new Follower(sink, {
      seq: start.seq,
      format,
      filter,
      isLast,
      cursorOf: seq => this.cursorOf(seq),
      read: seq => this.#read(seq, filter),
      encode: (from, events) => this.#encode(from, events, filter, format),
      gap: () => ({ type: 'reset', reason: 'expired', ...this.#bounds }),
      onEnd: () => this.#followers.delete(follower)
    })
    this.#followers.add(follower)
    follower.begin(greeting)
  }

  /** Says goodbye on every stream and ends it. */
  close (): void {
    clearInterval(this.#heartbeat)
    clearInterval(this.#stallCheck)
    for (const follower of [...this.#followers]) follower.end()
  }

  get #bounds (): { earliest: string, latest: string } {
    return { earliest: this.cursorOf(this.#log.earliest), latest: this.cursorOf(this.#log.head) }
  }

  /** What comes after a number: from memory where that is enough. `upTo` is how far that has looked. */
  #read (seq: number, filter: Filter): { events: readonly LoggedEvent[], upTo: number, isGap?: boolean } {
    const { head } = this.#log
    const first = this.#tail[0]
    if (seq >= head) return { events: [], upTo: seq }
    if (first && first.seq <= seq + 1) {
      const from = this.#tail.findLastIndex(event => event.seq <= seq) + 1
      const events = this.#tail.slice(from, from + batchLength)
      return { events, upTo: events.at(-1)?.seq ?? seq }
    }
    // What it needs next is no longer kept. It goes on live, but the end of a request's story is told all the same.
    const { earliest } = this.#log
    if (seq < earliest - 1) return { events: [], upTo: filter.reqid === undefined ? head : earliest - 1, isGap: true }
    const events = filter.reqid === undefined ? this.#log.after(seq, batchLength) : this.#log.ofRequest(filter.reqid, seq, batchLength)
    return { events, upTo: events.length < batchLength ? head : events.at(-1)!.seq }
  }

  #encode (from: number, events: readonly LoggedEvent[], filter: Filter, format: Format): Buffer {
    const key = `${format.name} ${from} ${events.at(-1)?.seq} ${filter.key}`
    const encoded = this.#encoded?.get(key) ?? Buffer.from(events.map(event => format.event(event, this.#log.epoch)).join(''))
    this.#encoded?.set(key, encoded)
    return encoded
  }

  #cutOff (): void {
    for (const follower of [...this.#followers]) {
      if (!follower.isStalled(performance.now() - this.#options.stallMs)) continue
      this.stalled++
      follower.destroy()
    }
  }
}
