import type { LoggedEvent } from '../../schemas/events.js'
import { placeIn } from '../events/cursor.js'
import { Filter, type FilterFields, type Lens } from '../events/filter.js'
import { withPlace } from '../events/frame.js'
import type { EventHead } from '../store/events.js'
import type { Channel } from './journal.js'

/** Heads that are read at a time. */
const step = 500

export interface EventPageOptions extends FilterFields {
  /** Only events before this place. */
  before?: number | undefined
  limit: number
  /** How who asks sees events; undefined for one who sees everything. */
  lens?: Lens | undefined
}

/** What a page may cost: an event can be as long as all results of a request, and few may fit. */
export interface EventPageMost {
  /** Events that it looks through. */
  lookedThrough: number
  /** Bytes of its events, unless its first one is larger. */
  bytes: number
}

/** The past of the event log, for who wants to read it without following what comes. */
export class EventHistory {
  #channel: Channel

  constructor(channel: Channel) {
    this.#channel = channel
  }

  /** Returns the place of an event; undefined for what is no cursor of this log. */
  placeOf(cursor: string): number | undefined {
    return placeIn(this.#channel.log, cursor)
  }

  /**
   * Returns a page of the events that match every field, newest first. It ends before its limit where it would cost
   * more than `most`; `next` is there when there are more to look through.
   */
  page(
    { before = Number.MAX_SAFE_INTEGER, limit, lens, ...fields }: EventPageOptions,
    most: EventPageMost
  ): { events: unknown[]; next?: string; event_cursor: string } {
    const { log, hub } = this.#channel
    const filter = new Filter(fields, lens)
    const found: LoggedEvent[] = []
    let [lookedThrough, bytes, last, hasMore] = [0, 0, before, false]
    for (const head of this.#headsBefore(before, fields.reqid)) {
      const fits = filter.matches(head)
      const isTooLong = fits && found.length > 0 && bytes + head.bytes > most.bytes
      hasMore = found.length === limit || lookedThrough === most.lookedThrough || isTooLong
      if (hasMore) break
      lookedThrough++
      last = head.seq
      const event = fits ? filter.see(log.get(head.seq)!) : undefined
      if (!event) continue
      found.push(event)
      bytes += head.bytes
    }
    return {
      events: found.map(event => JSON.parse(withPlace(event, hub.cursorOf(event.seq)))),
      ...(hasMore ? { next: hub.cursorOf(last) } : {}),
      event_cursor: hub.cursorOf(log.head)
    }
  }

  /** Yields the heads of events, newest first, reading a few at a time. */
  *#headsBefore(before: number, reqid: string | undefined): Generator<EventHead> {
    for (let from = before; ;) {
      const heads = this.#channel.log.headsBefore(from, step, reqid)
      yield* heads
      const oldest = heads.at(-1)
      if (!oldest || heads.length < step) return
      from = oldest.seq
    }
  }
}
