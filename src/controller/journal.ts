import type { DomainEvent } from '../../schemas/events.js'
import { formatCursor } from '../events/cursor.js'
import type { Hub } from '../events/hub.js'
import type { EventLog, StoredEvent } from '../store/events.js'
import type { Store, WriteOptions } from '../store/store.js'
import type { Journal } from '../request.js'

/** How many notifications wait while the store cannot be written. */
const notesMax = 10_000

/** Commit, then announce: nobody hears of an event that is not in the log. */
export class EventJournal implements Journal {
  #store: Store
  #log: EventLog
  #hub: Hub
  #now: () => number
  #notes = 0
  #lost = 0

  constructor (store: Store, log: EventLog, hub: Hub, now: () => number) {
    this.#store = store
    this.#log = log
    this.#hub = hub
    this.#now = now
  }

  /** `time` is when it happened, if that was not just now. */
  async write<T> (durability: 'synced' | 'written', transient: boolean, job: (append: (event: DomainEvent) => number) => T, { time, ...options }: WriteOptions & { time?: number } = {}): Promise<T> {
    const { value, events } = await this.#store.write(durability, () => {
      const events: StoredEvent[] = []
      const value = job(event => {
        const stored = this.#log.append(event, transient, time ?? this.#now())
        events.push(stored)
        return stored.seq
      })
      return { value, events }
    }, options)
    for (const event of events) this.#log.advance(event)
    if (events.length > 0) this.#hub.announce(events)
    return value
  }

  /**
   * Writes one event that belongs to no request. While the store cannot be written it waits, unless too many do: then it is
   * lost, and how many were is told afterwards.
   */
  async note (event: DomainEvent): Promise<void> {
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
    if (lost > 0) await this.note({ type: 'notify_error', message: `${lost} notifications were lost while the store could not be written` })
  }

  /** Makes a new epoch: every cursor that was given before is of another log. */
  async renew (): Promise<void> {
    await this.#log.renew()
  }

  lastOf (reqid: string): { seq: number, type: string } | undefined {
    return this.#log.lastOf(reqid)
  }

  cursorOf (seq: number): string {
    return formatCursor(this.#log.epoch, seq)
  }

  /** The cursor of what was announced last. */
  get head (): string {
    return this.cursorOf(this.#log.head)
  }
}
