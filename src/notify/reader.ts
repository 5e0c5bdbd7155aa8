import { toldTypes } from '../../schemas/notifications.js'
import type { EventLog, StoredEvent } from '../store/events.js'

/** How many numbers of the log, and how many events, are looked at in one go: nothing else waits for long. */
const span = 4096
const eventsMax = 64
/** The longest text of an event that is read: of a longer one only the type is told. */
const bytesMax = 1_048_576

/** What follows from events before it decides what is told. */
const always = ['notify_change', 'notify_agent_lost', 'notify_agent_hello', 'notify_health']

interface Batch {
  from: number
  events: readonly StoredEvent[]
  /** Until where there are no others. */
  until: number
}

/** Reads the log of events for those who tell of them. Several that are at the same place read together. */
export class Reader {
  #log: Pick<EventLog, 'head' | 'earliest' | 'ofTypes'>
  #types: readonly string[]
  #last: Batch | undefined

  /** `types`: those that are wanted; without, all that can be told. */
  constructor(log: Pick<EventLog, 'head' | 'earliest' | 'ofTypes'>, types: readonly (readonly string[] | undefined)[]) {
    this.#log = log
    const wanted = new Set([...always, ...types.flatMap(some => some ?? toldTypes)])
    this.#types = toldTypes.filter(type => wanted.has(type))
  }

  get head(): number {
    return this.#log.head
  }

  get earliest(): number {
    return this.#log.earliest
  }

  /** Returns the next events behind a number, and until where these are all. */
  after(from: number): Omit<Batch, 'from'> {
    const to = Math.min(from + span, this.#log.head)
    if (this.#last?.from === from && this.#last.until >= to) return this.#last
    const events = this.#log.ofTypes(this.#types, from, to, { limit: eventsMax, bytes: bytesMax })
    const until = events.length < eventsMax ? to : events.at(-1)!.seq
    this.#last = { from, events, until }
    return this.#last
  }
}
