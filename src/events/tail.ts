import type { LoggedEvent } from '../../schemas/events.js'

/**
 * Caches the newest events of a log, for those who follow it closely. Events are pushed in the order of their numbers,
 * and none of the log is left out from the first push on: so it has all that comes after the oldest that it holds.
 */
export class Tail {
  #events: LoggedEvent[] = []
  #capacity: number

  /** `capacity`: how many events are held at the most. */
  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** Holds events that are newer than all before, instead of the oldest where there is no room for both. */
  push(events: readonly LoggedEvent[]): void {
    this.#events.push(...events)
    if (this.#events.length > this.#capacity) this.#events.splice(0, this.#events.length - this.#capacity)
  }

  /** Returns the events after one number, up to and with another; undefined where it may lack some of them. */
  between(after: number, upTo: number): LoggedEvent[] | undefined {
    const [oldest] = this.#events
    if (!oldest || oldest.seq > after + 1) return undefined
    return this.#events.slice(this.#countUpTo(after), this.#countUpTo(upTo))
  }

  /** Counts from the end: those who follow closely ask for the last few. */
  #countUpTo(seq: number): number {
    return this.#events.findLastIndex(event => event.seq <= seq) + 1
  }
}
