import type { DomainEvent } from '../../schemas/events.js'
import { formatCursor } from '../events/cursor.js'
import type { Hub } from '../events/hub.js'
import type { EventLog, StoredEvent } from '../store/events.js'
import type { Store, WriteOptions } from '../store/store.js'

/** The largest number of notifications that wait while the store cannot be written. */
const notesMax = 10_000

/** A log, and the hub that streams it to its readers. */
export interface Channel {
  log: EventLog
  hub: Hub
}

/** Commits events, then announces them: no reader gets an event that is not in its log. Audit has a separate log. */
export class EventJournal {
  #store: Store
  #events: Channel
  #audit: Channel
  #now: () => number
  #notes = 0
  #lost = 0

  constructor(store: Store, events: Channel, audit: Channel, now: () => number) {
    this.#store = store
    this.#events = events
    this.#audit = audit
    this.#now = now
  }

  get isOpen(): boolean {
    return this.#store.failure === undefined
  }

  /** Writes the events that `job` appends. `time` is when they happened, if that is not now. */
  async write<T>(
    durability: 'synced' | 'written',
    transient: boolean,
    job: (append: (event: DomainEvent) => number) => T,
    { time, ...options }: WriteOptions & { time?: number } = {}
  ): Promise<T> {
    const { value, written } = await this.#store.write(
      durability,
      () => {
        const written: [Channel, StoredEvent[]][] = [
          [this.#events, []],
          [this.#audit, []]
        ]
        const value = job(event => {
          const [{ log }, events] = written[event.type === 'audit' ? 1 : 0]!
          const stored = log.append(event, transient, time ?? this.#now())
          events.push(stored)
          return stored.seq
        })
        return { value, written }
      },
      options
    )
    for (const [channel, events] of written) if (events.length > 0) announce(channel, events)
    return value
  }

  /**
   * Writes one event that belongs to no request. While the store cannot be written it waits, unless too many do: then
   * it is lost, and the number of lost ones is reported afterwards.
   */
  async note(event: DomainEvent): Promise<void> {
    if (this.#notes >= notesMax) {
      this.#lost++
      return
    }
    this.#notes++
    try {
      await this.write('written', false, append => append(event), { insists: true, time: this.#now() })
    } finally {
      this.#notes--
    }
    const lost = this.#lost
    this.#lost = 0
    if (lost > 0) {
      await this.note({
        type: 'notify_error',
        message: `${lost} notifications were lost while the store could not be written`
      })
    }
  }

  /** Announces what another process has written into the audit log. */
  catchUp(): void {
    const events = this.#audit.log.unseen()
    if (events.length > 0) announce(this.#audit, events)
  }

  lastOf(reqid: string): { seq: number; type: string } | undefined {
    return this.#events.log.lastOf(reqid)
  }

  cursorOf(seq: number): string {
    return formatCursor(this.#events.log.epoch, seq)
  }

  /** The cursor of the event that was announced last. */
  get head(): string {
    return this.cursorOf(this.#events.log.head)
  }
}

/** Announces events. What another process wrote in between is announced in its place, and nothing twice. */
function announce({ log, hub }: Channel, events: readonly StoredEvent[]): void {
  const next = events[0]!.seq > log.head + 1 ? log.unseen() : events.filter(({ seq }) => seq > log.head)
  log.advance(...next)
  if (next.length > 0) hub.announce(next)
}
