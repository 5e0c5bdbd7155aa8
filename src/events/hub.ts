import type { ControlEvent, LoggedEvent, ResetReason } from '../../schemas/events.js'
import { formatCursor, parseCursor } from './cursor.js'
import type { Filter } from './filter.js'
import { Follower, type Following } from './follower.js'
import type { Format } from './frame.js'
import type { Sink } from './sink.js'
import { Tail } from './tail.js'
import { Turns } from './turns.js'
import { View, type Passage } from './view.js'

/** The log, as far as its followers need it. Numbers start at 1 and only grow. */
export interface EventSource {
  readonly epoch: string
  /** Of the newest event. */
  readonly head: number
  /** Of the oldest event that is kept. */
  readonly earliest: number
  after(seq: number, limit: number): LoggedEvent[]
  ofRequest(reqid: string, seq: number, limit: number): LoggedEvent[]
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
/** A batch is no longer, unless its first event is: a reader that stalls may keep one. */
const batchBytes = 65_536
/** How long what was made is kept for those who come to the same place. */
const tidyMs = 1000
/** Into how many parts heartbeats are divided. */
const heartbeatParts = 16

/**
 * Fans the log out to its followers. A follower is a place and a view: replay and live are one query, nothing is queued
 * for it, and it reads on when its socket has room.
 */
export class Hub implements Following {
  #log: EventSource
  #options: HubOptions
  #followers = new Set<Follower>()
  #views = new Map<string, View>()
  #tail = new Tail(tailLength)
  #turns: Turns<Follower>
  /** Views with something shared. */
  #sharing: View[] = []
  /** Of the last follower. */
  #part = 0
  #heartbeat: NodeJS.Timeout
  #stallCheck: NodeJS.Timeout
  #tidying: NodeJS.Timeout
  /** For the metrics: readers that were cut off; events, and bytes of all, that were sent. */
  stalled = 0
  delivered = 0
  bytes = 0

  constructor(log: EventSource, options: HubOptions) {
    this.#log = log
    this.#options = options
    this.#turns = new Turns({
      members: this.#followers,
      serve: follower => follower.pull(),
      onBoundary: () => this.#forget()
    })
    let part = 0
    this.#heartbeat = setInterval(() => {
      part = (part + 1) % heartbeatParts
      this.#beat(part)
    }, options.heartbeatMs / heartbeatParts).unref()
    this.#stallCheck = setInterval(() => this.#cutOff(), options.stallMs / 4).unref()
    this.#tidying = setInterval(() => {
      for (const view of this.#views.values()) view.tidy()
    }, tidyMs).unref()
  }

  get size(): number {
    return this.#followers.size
  }
  get isFull(): boolean {
    return this.#followers.size >= this.#options.maxStreams
  }
  /** How many have no room for more. */
  get blocked(): number {
    return [...this.#followers].filter(({ isBlocked }) => isBlocked).length
  }

  /** Where a client that asks for this cursor starts: `latest`, `earliest`, or one that it was given. */
  startAt(cursor: string): Start {
    const { head, earliest, epoch } = this.#log
    if (cursor === 'latest') return { seq: head, resumed: false }
    if (cursor === 'earliest') return { seq: earliest - 1, resumed: false }
    const reset = (reason: ResetReason): Start => ({ seq: head, resumed: false, reset: reason })
    const place = parseCursor(cursor)
    if (!place) return reset('unknown')
    if (place.epoch !== epoch) return reset('epoch')
    if (place.seq > head) return reset('future')
    if (place.seq < earliest - 1) return reset('expired')
    return { seq: place.seq, resumed: true }
  }

  cursorOf(seq: number): string {
    return formatCursor(this.#log.epoch, seq)
  }

  /** Tells of events that were committed, in order. */
  announce(events: readonly LoggedEvent[]): void {
    this.#tail.push(events)
    this.#turns.scheduleRound()
  }

  /** What is shared is good for one round, or for one turn where there is none: more may have come. */
  #shared(view: View): void {
    this.#sharing.push(view)
    if (this.#sharing.length > 1 || this.#turns.hasRound) return
    setImmediate(() => {
      if (!this.#turns.hasRound) this.#forget()
    })
  }

  #forget(): void {
    for (const view of this.#sharing) view.forget()
    this.#sharing = []
  }

  /** However many replay the log, and however much of it, the others get their turn after some milliseconds. */
  later(go: () => void): void {
    this.#turns.later(go)
  }

  /**
   * Streams to a sink from `start` on, until the sink closes, the hub does, or `isLast` says so. `opening` goes first.
   */
  follow(
    sink: Sink,
    {
      start,
      filter,
      format,
      opening,
      isLast
    }: {
      start: Start
      filter: Filter
      format: Format
      opening: readonly ControlEvent[]
      isLast?: (event: LoggedEvent) => boolean
    }
  ): void {
    const greeting: ControlEvent[] = [
      {
        type: 'hello',
        cursor: this.cursorOf(start.seq),
        earliest: this.#bounds.earliest,
        heartbeat_seconds: this.#options.heartbeatMs / 1000,
        resumed: start.resumed
      },
      ...(start.reset ? [{ type: 'reset' as const, reason: start.reset, ...this.#bounds }] : []),
      ...opening
    ]
    const view = this.#viewOf(filter, format, isLast)
    view.followers++
    this.#part = (this.#part + 1) % heartbeatParts
    const follower = new Follower(sink, view, { seq: start.seq, part: this.#part, following: this })
    this.#followers.add(follower)
    follower.begin(greeting)
  }

  leave(follower: Follower): void {
    this.#followers.delete(follower)
    follower.view.followers--
    if (follower.view.followers === 0) this.#views.delete(follower.view.key)
  }

  gap(): ControlEvent {
    return { type: 'reset', reason: 'expired', ...this.#bounds }
  }

  /** Says goodbye on every stream and ends it. */
  close(): void {
    clearInterval(this.#heartbeat)
    clearInterval(this.#stallCheck)
    clearInterval(this.#tidying)
    for (const follower of [...this.#followers]) follower.end()
  }

  get #bounds(): { earliest: string; latest: string } {
    return { earliest: this.cursorOf(this.#log.earliest), latest: this.cursorOf(this.#log.head) }
  }

  #viewOf(filter: Filter, format: Format, isLast?: (event: LoggedEvent) => boolean): View {
    const view = new View({
      filter,
      format,
      isLast,
      read: seq => this.#read(seq, filter),
      cursorOf: seq => this.cursorOf(seq),
      onShared: view => this.#shared(view)
    })
    const same = this.#views.get(view.key)
    if (!same) this.#views.set(view.key, view)
    return same ?? view
  }

  /** What comes after a number: from memory where that is enough. */
  #read(seq: number, filter: Filter): Passage {
    const { head } = this.#log
    const passage = (events: readonly LoggedEvent[], upTo: number, isGap = false): Passage => {
      const fitting = batchOf(events)
      const reached = fitting.length === events.length ? upTo : fitting.at(-1)!.seq
      return { events: fitting, upTo: reached, isGap, isHead: reached >= head }
    }
    if (seq >= head) return passage([], seq)
    // Those who are far behind go on from one multiple to the next, wherever they began: so they meet, and share what
    // is made.
    const end = head - seq <= batchLength ? head : seq - (seq % batchLength) + batchLength
    const cached = this.#tail.between(seq, end)
    if (cached) return passage(cached, end)
    // What it needs next is no longer kept. It goes on live, but the end of a request's story is told all the same.
    const { earliest } = this.#log
    if (seq < earliest - 1) return passage([], filter.reqid === undefined ? head : earliest - 1, true)
    if (filter.reqid === undefined) {
      return passage(
        this.#log.after(seq, end - seq).filter(event => event.seq <= end),
        end
      )
    }
    const events = this.#log.ofRequest(filter.reqid, seq, batchLength)
    return passage(events, events.length < batchLength ? head : events.at(-1)!.seq)
  }

  /** All are served once in a period, a part at a time, so that thousands are no pause for the others. */
  #beat(part: number): void {
    const now = Date.now()
    for (const follower of this.#followers) if (follower.part === part) follower.heartbeat(now)
  }

  #cutOff(): void {
    for (const follower of [...this.#followers]) {
      if (!follower.isStalled(performance.now() - this.#options.stallMs)) continue
      this.stalled++
      follower.destroy()
    }
  }
}

/** Returns the first of some events, as many as a batch may have: at least one, if there is any. */
function batchOf(events: readonly LoggedEvent[]): readonly LoggedEvent[] {
  let bytes = 0
  for (const [index, { body }] of events.entries()) {
    bytes += body.length
    if (bytes > batchBytes) return events.slice(0, Math.max(1, index))
  }
  return events
}
