import type { LoggedEvent } from '../../schemas/events.js'

/**
 * Caches the newest events of a log, for followers that are close behind. Events are pushed in the order of their
 * numbers, and none of the log is left out after the first push: so the cache has all events after its oldest.
 */
export class Tail {
  #events: LoggedEvent[] = []
  #capacity: number

  /** `capacity`: the maximum number of events to hold. */
  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** Adds events that are newer than all before; drops the oldest where there is no room for both. */
  push(events: readonly LoggedEvent[]): void {
    // One by one: as arguments, a hundred thousand would overflow the stack.
    for (const event of events) this.#events.push(event)
    if (this.#events.length > this.#capacity) this.#events.splice(0, this.#events.length - this.#capacity)
  }

  /** Returns the events after one number, up to and including another; undefined where some may be missing. */
  between(after: number, upTo: number): LoggedEvent[] | undefined {
    const [oldest] = this.#events
    if (!oldest || oldest.seq > after + 1) return undefined
    return this.#events.slice(this.#countUpTo(after), this.#countUpTo(upTo))
  }

  /** Counts from the end, since followers that are close behind want the last few. */
  #countUpTo(seq: number): number {
    return this.#events.findLastIndex(event => event.seq <= seq) + 1
  }
}
