import type { AuditEvent, DomainEvent } from '../../schemas/events.js'
import { formatCursor } from '../events/cursor.js'
import type { Hub } from '../events/hub.js'
import type { EventLog, LogName, StoredEvent } from '../store/events.js'
import type { ReadBatch } from '../store/reads.js'
import type { Store, WriteOptions } from '../store/store.js'

/** The largest number of notifications, and of audit entries, that wait while the store cannot be written. */
const notesMax = 10_000

/** A log, and the hub that streams it to its readers. */
export interface Channel<Name extends LogName = 'events'> {
  log: EventLog<Name>
  hub: Hub
}

/** Appends an event to the event log, only inside of a write. Returns its number. */
export type AppendEvent = (event: DomainEvent) => number
/**
 * Appends an entry of a kind to the audit log, only inside of a write: a function of its own, so that no event can
 * become an entry.
 */
export type AppendEntry = (entry: AuditEvent, kind: number) => void
/**
 * Appends requests that only read and were answered at once, with their events, only inside of a write. Returns the
 * place of each: the number of the event before its first one.
 */
export type AppendReads = (batch: ReadBatch) => readonly number[]
type Job<T> = (append: AppendEvent, record: AppendEntry, appendReads: AppendReads) => T

/** Commits events, then announces them: no reader gets an event that is not in its log. Audit has a separate log. */
export class EventJournal {
  #store: Store
  #events: Channel
  #audit: Channel<'audit'>
  #now: () => number
  #notes = { events: 0, audit: 0 }
  #lost = 0
  /**
   * Notes that one write has, and more of the same moment get into, as long as it has not begun and is the last one.
   */
  #gathering: { time: number; queued: number; jobs: Job<unknown>[]; written: Promise<void> } | undefined

  constructor(store: Store, events: Channel, audit: Channel<'audit'>, now: () => number) {
    this.#store = store
    this.#events = events
    this.#audit = audit
    this.#now = now
  }

  get isOpen(): boolean {
    return this.#store.failure === undefined
  }

  /** Writes what `job` appends to either log. `time` is when it happened, if that is not now. */
  async write<T>(
    durability: 'synced' | 'written',
    transient: boolean,
    job: Job<T>,
    { time, ...options }: WriteOptions & { time?: number } = {}
  ): Promise<T> {
    const { value, events, entries } = await this.#store.write(
      durability,
      () => {
        const at = time ?? this.#now()
        const [events, entries]: [StoredEvent[], StoredEvent[]] = [[], []]
        const value = job(
          event => {
            const stored = this.#events.log.append(event, Number(transient), at)
            events.push(stored)
            return stored.seq
          },
          (entry, kind) => {
            entries.push(this.#audit.log.append(entry, kind, at))
          },
          batch => {
            const { events: ofReads, places } = this.#events.log.appendReads(batch, at)
            for (const event of ofReads) events.push(event)
            return places
          }
        )
        return { value, events, entries }
      },
      options
    )
    if (events.length > 0) announce(this.#events, events)
    if (entries.length > 0) announce(this.#audit, entries)
    return value
  }

  /**
   * Writes one event that belongs to no request. While the store cannot be written it waits, unless too many do: then
   * it is lost, and the number of lost ones is reported afterwards.
   */
  note(event: DomainEvent): Promise<void> {
    return this.#note('events', append => append(event))
  }

  /** Writes one audit entry that belongs to no request. It waits, and may be lost, as an event of `note`. */
  record(entry: AuditEvent, kind: number): Promise<void> {
    return this.#note('audit', (_append, record) => record(entry, kind))
  }

  /** `log`: where the note goes; a flood of one kind leaves room for the other. */
  async #note(log: LogName, job: Job<unknown>): Promise<void> {
    if (this.#notes[log] >= notesMax) {
      this.#lost++
      return
    }
    this.#notes[log]++
    try {
      await this.#gather(job)
    } finally {
      this.#notes[log]--
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

  /**
   * Writes what a job appends as one write with others of the same moment, in their order: a thousand agents tell of
   * changes of ten thousand nodes, and each write has promises of its own.
   */
  #gather(job: Job<unknown>): Promise<void> {
    const time = this.#now()
    if (this.#gathering?.time === time && this.#gathering.queued === this.#store.queued) {
      this.#gathering.jobs.push(job)
      return this.#gathering.written
    }
    const jobs = [job]
    const all: Job<void> = (...logs) => {
      // What comes later is another write.
      if (this.#gathering?.jobs === jobs) this.#gathering = undefined
      for (const each of jobs) each(...logs)
    }
    const written = this.write('written', false, all, { insists: true, time })
    this.#gathering = { time, queued: this.#store.queued, jobs, written }
    return written
  }

  /** Announces what another process has written into the audit log, or the leader into both logs. */
  catchUp(): void {
    catchUp(this.#audit)
    catchUp(this.#events)
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

/** Announces what others have written. */
function catchUp<Name extends LogName>(channel: Channel<Name>): void {
  const events = channel.log.unseen()
  if (events.length > 0) announce(channel, events)
}

/** Announces events. What another process wrote in between is announced in its place, and nothing twice. */
function announce<Name extends LogName>({ log, hub }: Channel<Name>, events: readonly StoredEvent[]): void {
  const next = events[0]!.seq > log.head + 1 ? log.unseen() : events.filter(({ seq }) => seq > log.head)
  log.advance(...next)
  if (next.length > 0) hub.announce(next)
}
