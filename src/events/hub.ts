import type { ControlEvent, LoggedEvent, ResetReason } from '../../schemas/events.js'
import { formatCursor, parseCursor } from './cursor.js'
import type { Filter } from './filter.js'
import { Follower, type Following } from './follower.js'
import type { Format } from './frame.js'
import type { Sink } from './sink.js'
import { Tail } from './tail.js'
import { Turns, unlimited, type Account } from './turns.js'
import { View, type Passage } from './view.js'

/** The log, as far as its followers need it. Event numbers start at 1 and only grow. */
export interface EventSource {
  readonly epoch: string
  /** Number of the newest event. */
  readonly head: number
  /** Number of the oldest event that is kept. */
  readonly earliest: number
  after(seq: number, limit: number): LoggedEvent[]
  ofRequest(reqid: string, seq: number, limit: number): LoggedEvent[]
}

export interface HubOptions {
  heartbeatMs: number
  /** A reader that accepts nothing for this long, in milliseconds, is cut off; it can resume. */
  stallMs: number
}

/** Where a stream starts. */
export interface Start {
  /** Number of the event before the first one to send. */
  seq: number
  resumed: boolean
  /** Why the requested cursor cannot be used. */
  reset?: ResetReason
}

/** How many of the newest events are kept in memory, for followers that are close behind. */
const tailLength = 1024
const batchLength = 256
/** Maximum size of a batch, unless its first event is larger: a stalled reader may keep one in memory. */
const batchBytes = 65_536
/** How long encoded batches are kept for other followers that come to the same place. */
const tidyMs = 1000
/** Number of parts of a period over which heartbeats are spread. */
const heartbeatParts = 16

/**
 * Distributes the log to its followers. A follower is a place and a view: replayed and live events come from one query,
 * nothing is queued for it, and it reads on when its socket has room.
 */
export class Hub implements Following {
  #log: EventSource
  #options: HubOptions
  #followers = new Set<Follower>()
  #views = new Map<string, View>()
  #tail = new Tail(tailLength)
  #turns: Turns<Follower>
  /** Views that hold something shared. */
  #sharing: View[] = []
  /** The heartbeat part of the last follower. */
  #part = 0
  #heartbeat: NodeJS.Timeout
  #stallCheck: NodeJS.Timeout
  #tidying: NodeJS.Timeout
  /** For the metrics: readers that were cut off; events and bytes sent to all. */
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
  /** Number of followers whose sink has no room. */
  get blocked(): number {
    return [...this.#followers].filter(({ isBlocked }) => isBlocked).length
  }

  /** Returns where a stream starts for this cursor: `latest`, `earliest`, or a cursor that the client was given. */
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

  /** Publishes events that were committed, in order. */
  announce(events: readonly LoggedEvent[]): void {
    this.#tail.push(events)
    this.#turns.scheduleRound()
  }

  /**
   * Marks a view that shares batches. They are valid for one round, or for one turn of the event loop where there is no
   * round: afterwards there may be more events.
   */
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

  /**
   * Calls `go` from the backlog: however many followers replay the log, and however much, others get their turn after
   * some milliseconds.
   */
  later(go: () => void, account: Account): void {
    this.#turns.later(go, account)
  }

  /**
   * Streams to a sink from `start` on, until the sink or the hub closes, or `isLast` returns true. `opening` is sent
   * first.
   */
  follow(
    sink: Sink,
    {
      start,
      filter,
      format,
      opening,
      isLast,
      account = unlimited
    }: {
      start: Start
      filter: Filter
      format: Format
      opening: readonly ControlEvent[]
      isLast?: ((event: LoggedEvent) => boolean) | undefined
      /** Who pays for what is read of the past. */
      account?: Account
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
    const follower = new Follower(sink, view, { seq: start.seq, part: this.#part, following: this, account })
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

  /** Sends a goodbye event on every stream and ends it. */
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

  /** Reads the events after a number: from memory where that suffices. */
  #read(seq: number, filter: Filter): Passage {
    const { head } = this.#log
    const passage = (events: readonly LoggedEvent[], upTo: number, isGap = false): Passage => {
      const fitting = batchOf(events)
      const reached = fitting.length === events.length ? upTo : fitting.at(-1)!.seq
      return { events: fitting, upTo: reached, isGap, isHead: reached >= head }
    }
    if (seq >= head) return passage([], seq)
    // Followers that are far behind advance from one multiple of the batch length to the next, wherever they began: so
    // they meet, and share encoded batches.
    const end = head - seq <= batchLength ? head : seq - (seq % batchLength) + batchLength
    const cached = this.#tail.between(seq, end)
    if (cached) return passage(cached, end)
    // The next events are no longer kept. The stream continues live, but one that follows a request still gets its last
    // events.
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

  /**
   * Sends heartbeats to one part of the followers: all get theirs once in a period, so that thousands do not delay the
   * others.
   */
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

/** Returns the first of some events, as many as a batch may hold: at least one, if there is any. */
function batchOf(events: readonly LoggedEvent[]): readonly LoggedEvent[] {
  let bytes = 0
  for (const [index, { body }] of events.entries()) {
    bytes += body.length
    if (bytes > batchBytes) return events.slice(0, Math.max(1, index))
  }
  return events
}
