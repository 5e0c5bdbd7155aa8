import type { DomainEvent } from '../../schemas/events.js'
import { formatCursor } from '../events/cursor.js'
import type { Hub } from '../events/hub.js'
import type { EventLog, StoredEvent } from '../store/events.js'
import type { Store } from '../store/store.js'
import type { Journal } from '../request.js'

/** Commit, then announce: nobody hears of an event that is not in the log. */
export class EventJournal implements Journal {
  #store: Store
  #log: EventLog
  #hub: Hub
  #now: () => number

  constructor (store: Store, log: EventLog, hub: Hub, now: () => number) {
    this.#store = store
    this.#log = log
    this.#hub = hub
    this.#now = now
  }

  async write<T> (durability: 'synced' | 'written', transient: boolean, job: (append: (event: DomainEvent) => number) => T): Promise<T> {
    const { value, events } = await this.#store.write(durability, () => {
      const events: StoredEvent[] = []
      const value = job(event => {
        const stored = this.#log.append(event, transient, this.#now())
        events.push(stored)
        return stored.seq
      })
      return { value, events }
    })
    for (const event of events) this.#log.advance(event)
    if (events.length > 0) this.#hub.announce(events)
    return value
  }

  /** Writes one event that belongs to no request. */
  async note (event: DomainEvent): Promise<void> {
    await this.write('written', false, append => append(event))
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
