import { randomBytes } from 'node:crypto'
import type { AuditEvent, DomainEvent, LoggedEvent } from '../../schemas/events.js'
import { bootId } from '../proc.js'
import type { Database } from './database.js'
import { ReadEvent, ReadTable, type ReadBatch } from './reads.js'
import type { Store } from './store.js'

/**
 * An event in the log. `transient` is 0 for what counts most; else the kind of what there may be much of, which can
 * have a quota of its own: in the event log, 1 for requests that only read.
 */
export interface StoredEvent extends LoggedEvent {
  transient: number
}

/** An event without its text: enough to choose by, and read without it. `bytes`: how long the text is. */
export type EventHead = Omit<StoredEvent, 'time' | 'transient' | 'body'> & { bytes: number }

/** What each log holds: by this type, neither can be handed what belongs in the other. */
export interface LogContent {
  events: DomainEvent
  audit: AuditEvent
}
export type LogName = keyof LogContent

export interface Quota {
  maxCount: number
  maxBytes: number
}

/** How much of the log is kept: of everything, and of some kinds (`transient`), so that these push out nothing else. */
export interface Retention extends Quota {
  maxAgeMs: number
  ofKind: Readonly<Record<number, Quota>>
}

/** How many events are read at once, and how long their texts may be. */
interface Bounds {
  limit: number
  bytes: number
}

const columns = 'seq, time, type, reqid, instance, node, transient, body'
/** Pruned in small steps, so that no commit takes long. */
const pruneStep = 500

/**
 * The durable, ordered log of everything that has happened. Its epoch changes when its past can no longer be trusted,
 * which is only detected when the log is opened.
 */
export class EventLog<Name extends LogName = 'events'> {
  #store: Store
  #table: Name
  /** Of requests that were answered at once; the audit log has none. */
  #reads: ReadTable | undefined
  /** The insert statement. Built once, since it runs most often. */
  #insert: string
  #epoch: string
  #head: number
  /** Whether the log writes its position to the mark: a process that only appends does not know the position. */
  #isOpen = false
  /** Why the log's past cannot be trusted; undefined when it can, or there is none. */
  readonly distrust: string | undefined
  /** Cached until something is dropped; undefined while there is nothing. */
  #earliest: number | undefined
  /** Number and size of the stored events by kind, so that pruning need not count them each time. */
  #kept: Amount[] = []

  /** `table`: the table of the log. Construct all logs before opening any. */
  constructor(store: Store, table: Name = 'events' as Name) {
    this.#store = store
    this.#table = table
    if (table === 'events') this.#reads = new ReadTable(store)
    this.#insert = `INSERT INTO ${table} (time, type, reqid, instance, node, transient, body) VALUES (?, ?, ?, ?, ?, ?, ?)`
    this.#epoch = this.#stored('meta', this.#epochName) ?? ''
    this.#head = Number(store.get('SELECT seq FROM sqlite_sequence WHERE name = ?', table)?.seq ?? 0)
    if (this.#epoch !== '') this.distrust = this.#judge()
    if (this.#epoch === '' || this.distrust !== undefined) this.#epoch = newEpoch()
    this.#count()
  }

  get epoch(): string {
    return this.#epoch
  }
  /** The number of the newest event that is committed; 0 before the first. */
  get head(): number {
    return this.#head
  }
  /** Number of the stored events, and the total length of their texts. */
  get kept(): Amount {
    return sum(this.#kept)
  }
  /** The number of the oldest stored event of requests that only read; that of the next event when none is stored. */
  get earliestTransient(): number {
    return Number(
      this.#store.get(`SELECT min(seq) AS seq FROM ${this.#table} WHERE transient = 1`)?.seq ?? this.#head + 1
    )
  }
  /** When the oldest stored event happened; undefined when none is stored. */
  get oldest(): number | undefined {
    return this.#oldest(1)[0]?.time
  }
  /** The number of the oldest event that is kept. */
  get earliest(): number {
    // Each stream that begins asks for it, also of a log that is empty.
    const [oldest] = this.#earliest === undefined && this.kept.count > 0 ? this.#oldest(1) : []
    if (oldest) this.#earliest = oldest.seq - oldest.count + 1
    return this.#earliest ?? this.#head + 1
  }

  /** Takes in what the leader has written and dropped: what was announced is counted, what was dropped is not. */
  reload(): void {
    this.#earliest = undefined
    this.#count()
  }

  #count(): void {
    this.#kept = []
    for (const { transient, count, bytes } of this.#store.all<{ transient: number; count: number; bytes: number }>(
      `SELECT transient, sum(count) AS count, sum(bytes) AS bytes FROM (${this.#rows()}) WHERE seq <= ? GROUP BY transient`,
      this.#head
    )) {
      tally(this.#kept, transient, count, bytes)
    }
  }

  /** Returns a query of the rows that hold events, some of them several: of all kinds, or of one. */
  #rows(kind?: number): string {
    // The kind is in the text, so that an index of its own is used.
    const where = kind === undefined ? '' : ` WHERE transient = ${kind}`
    const single = `SELECT seq, 1 AS count, time, transient, octet_length(body) AS bytes FROM ${this.#table}${where}`
    const hasReads = this.#reads !== undefined && (kind ?? 1) === 1
    return `${single}${hasReads ? ' UNION ALL SELECT seq, count, time, 1, octet_length(body) FROM reads' : ''}`
  }

  /** Returns the oldest rows, of a kind or of all. */
  #oldest(limit: number, kind?: number): Oldest[] {
    // Not as a subquery: of these SQLite would sort all rows first.
    return this.#store.all<Oldest>(`${this.#rows(kind)} ORDER BY seq LIMIT ?`, limit)
  }

  /** Stores the epoch of this log. Call it once, before anything is appended. */
  async open(): Promise<void> {
    await this.#store.write('synced', () => this.#remember(this.#epoch))
    // Not earlier: a mark with an epoch that is not in the database would be taken for the mark of another log.
    this.#store.mark?.write(this.#table, { epoch: this.#epoch, seq: this.#head })
    this.#isOpen = true
  }

  /** Call it last: from then on the log is complete, whatever happens to the machine. */
  async close(): Promise<void> {
    await this.#store.write('synced', () => this.#store.run("DELETE FROM local WHERE name = 'boot'"))
  }

  /** Appends an event. Call it only inside of a `write`. Returns the event as stored in the log. */
  append(event: LogContent[Name], transient: number, time: number): StoredEvent {
    const { reqid = null, instance = null, node = null } = event as { reqid?: string; instance?: string; node?: string }
    const body = JSON.stringify(event)
    const seq = this.#store.run(this.#insert, time, event.type, reqid, instance, node, transient, body)
    return { seq, time, type: event.type, reqid, instance, node, transient, body }
  }

  /** Appends the events of reads, with these. Call it only inside of a `write`. Returns the place of each read, too. */
  appendReads(batch: ReadBatch, time: number): { events: StoredEvent[]; places: number[] } {
    return this.#reads!.append(batch, time)
  }

  /** Records that events are committed, before anyone else learns of them. */
  advance(...events: readonly StoredEvent[]): void {
    for (const event of events) {
      this.#head = Math.max(this.#head, event.seq)
      tally(this.#kept, event.transient, 1, event instanceof ReadEvent ? event.stored : Buffer.byteLength(event.body))
    }
    // A mark that cannot be written is only behind: when the disk fails, the database reports it itself.
    if (this.#isOpen) {
      try {
        this.#store.mark?.write(this.#table, { epoch: this.#epoch, seq: this.#head })
      } catch {}
    }
  }

  /** Returns the events after a number, in order. */
  after(seq: number, limit: number): StoredEvent[] {
    return this.#after(seq, this.#head, limit)
  }

  #after(seq: number, upTo: number, limit: number): StoredEvent[] {
    const events = this.#store.all<StoredEvent>(
      `SELECT ${columns} FROM ${this.#table} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
      seq,
      upTo,
      limit
    )
    return merged(events, this.#reads?.after(seq, endOf(events, limit) ?? upTo, limit), limit)
  }

  /**
   * Returns the events of some types after a number, up to another one, in order. What is longer than `bytes` has an
   * empty text.
   */
  ofTypes(types: readonly string[], from: number, to: number, { limit, bytes }: Bounds): StoredEvent[] {
    return this.#store.all<StoredEvent>(
      `SELECT ${columns.replace('body', "CASE WHEN octet_length(body) <= ? THEN body ELSE '' END AS body")}
      FROM ${this.#table} WHERE seq > ? AND seq <= ? AND type IN (${types.map(() => '?').join(', ')}) ORDER BY seq LIMIT ?`,
      bytes,
      from,
      Math.min(to, this.#head),
      ...types,
      limit
    )
  }

  /** Returns the events of one request after a number, in order. */
  ofRequest(reqid: string, seq: number, limit: number): StoredEvent[] {
    const events = this.#store.all<StoredEvent>(
      `SELECT ${columns} FROM ${this.#table} WHERE reqid = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
      reqid,
      seq,
      this.#head,
      limit
    )
    if (events.length > 0) return events
    return this.#ofRead(reqid)
      .filter(event => event.seq > seq)
      .slice(0, limit)
  }

  /** Returns the events before a number, newest first. */
  before(seq: number, limit: number): StoredEvent[] {
    return this.#store.all<StoredEvent>(
      `SELECT ${columns} FROM ${this.#table} WHERE seq < ? AND seq <= ? ORDER BY seq DESC LIMIT ?`,
      seq,
      this.#head,
      limit
    )
  }

  /** Returns the heads of the events before a number, of one request if it is named, newest first. */
  headsBefore(seq: number, limit: number, reqid?: string): EventHead[] {
    const heads = this.#store.all<EventHead>(
      `SELECT seq, type, reqid, instance, node, octet_length(body) AS bytes FROM ${this.#table}
      WHERE seq < ? AND seq <= ?${reqid === undefined ? '' : ' AND reqid = ?'} ORDER BY seq DESC LIMIT ?`,
      seq,
      this.#head,
      ...(reqid === undefined ? [] : [reqid]),
      limit
    )
    const before = Math.min(seq, this.#head + 1)
    const ofReads =
      reqid === undefined
        ? this.#reads?.before(before, endOf(heads, limit) ?? 0, limit)
        : this.#ofRead(reqid).filter(event => event.seq < before)
    return merged(heads, ofReads?.map(headOf), limit, -1)
  }

  /** Returns an event by its number; undefined when it is not kept. */
  get(seq: number): StoredEvent | undefined {
    return (
      this.#store.get<StoredEvent>(`SELECT ${columns} FROM ${this.#table} WHERE seq = ?`, seq) ??
      this.#reads?.event(seq)
    )
  }

  /** Returns the events that another process has appended, in order. */
  unseen(): StoredEvent[] {
    return this.#after(this.#head, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  }

  /** Returns the newest event of one request. */
  lastOf(reqid: string): StoredEvent | undefined {
    return (
      this.#store.get<StoredEvent>(
        `SELECT ${columns} FROM ${this.#table} WHERE reqid = ? ORDER BY seq DESC LIMIT 1`,
        reqid
      ) ?? this.#ofRead(reqid).at(-1)
    )
  }

  /** Returns the events of a read, as far as they are committed. */
  #ofRead(reqid: string): StoredEvent[] {
    return this.#reads?.eventsOf(reqid).filter(({ seq }) => seq <= this.#head) ?? []
  }

  /** Drops the oldest events beyond the retention, some at a time. Resolves with whether there is more to drop. */
  async prune({ maxCount, maxBytes, maxAgeMs, ofKind }: Retention, now: number): Promise<boolean> {
    const dropped = await this.#store.write('written', () => {
      const rows: Oldest[] = []
      const left = structuredClone(this.#kept)
      /** Drops the oldest, of a kind or of all, as long as there is too much. */
      const drop = (isTooMuch: (kept: Amount, oldest?: Pick<Oldest, 'time'>) => boolean, kind?: number) => {
        const amount = () => (kind === undefined ? sum(left) : (left[kind] ?? nothing))
        if (amount().count === 0 || !isTooMuch(amount())) return
        const gone: Oldest[] = []
        for (const row of this.#oldest(pruneStep, kind)) {
          if (!isTooMuch(amount(), row)) break
          tally(left, row.transient, -row.count, -row.bytes)
          gone.push(row)
        }
        if (gone.length > 0) this.#drop(gone.at(-1)!.seq, kind)
        rows.push(...gone)
      }
      const exceeds = (quota: Quota) => (kept: Amount) => kept.count > quota.maxCount || kept.bytes > quota.maxBytes
      for (const [kind, quota] of Object.entries(ofKind)) drop(exceeds(quota), Number(kind))
      drop(exceeds({ maxCount, maxBytes }))
      drop((_kept, { time } = { time: this.oldest ?? Infinity }) => time < now - maxAgeMs)
      return rows
    })
    this.#earliest = undefined
    for (const { transient, count, bytes } of dropped) tally(this.#kept, transient, -count, -bytes)
    return dropped.length >= pruneStep
  }

  /** Drops the events up to a number, of a kind or of all. Only inside of a `write`. */
  #drop(upTo: number, kind?: number): void {
    // Before the commit already: what is read meanwhile lacks the dropped events.
    this.#earliest = undefined
    const ofKind = kind === undefined ? '' : ` AND transient = ${kind}`
    this.#store.run(`DELETE FROM ${this.#table} WHERE seq <= ?${ofKind}`, upTo)
    if (this.#reads && (kind ?? 1) === 1) this.#store.run('DELETE FROM reads WHERE seq <= ?', upTo)
  }

  /** Returns why the log may assign numbers again that clients have already seen; undefined when it cannot. */
  #judge(): string | undefined {
    const { mark } = this.#store
    const place = mark?.of(this.#table)
    // Commits that were not synced may be lost then.
    // What a replica has lost it gets again from the others, before anyone reads of it.
    if (this.#store.isReplica) return undefined
    const boot = this.#stored('local', 'boot')
    if (boot !== undefined && boot !== bootId) return 'the machine has crashed'
    if (mark === undefined) return undefined
    if (place === undefined) return 'nothing says how far it was'
    return place.epoch === this.#epoch && place.seq <= this.#head
      ? undefined
      : 'it is not as far as it was, as a backup is that was restored'
  }

  get #epochName(): string {
    return this.#table === 'events' ? 'epoch' : `${this.#table}_epoch`
  }

  #stored(table: 'meta' | 'local', name: string): string | undefined {
    return this.#store.get<{ value: string }>(`SELECT value FROM ${table} WHERE name = ?`, name)?.value
  }

  #remember(epoch: string): void {
    this.#keep('meta', this.#epochName, epoch)
    if (!this.#store.isReplica) this.#keep('local', 'boot', bootId)
  }

  #keep(table: 'meta' | 'local', name: string, value: string): void {
    this.#store.run(`INSERT INTO ${table} VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value`, name, value)
  }
}

interface Amount {
  count: number
  bytes: number
}

const nothing: Amount = { count: 0, bytes: 0 }

/** A row that holds events: its last number, how many, and when they happened. */
interface Oldest extends Amount {
  seq: number
  time: number
  transient: number
}

const headOf = ({ seq, type, reqid, instance, node, body }: StoredEvent): EventHead => ({
  seq,
  type,
  reqid,
  instance,
  node,
  bytes: Buffer.byteLength(body)
})

/** Returns the number of the last of some events, where there may be more. */
const endOf = (events: readonly { seq: number }[], limit: number): number | undefined =>
  events.length < limit ? undefined : events.at(-1)!.seq

/** Returns the first events of both, in order: that of their numbers, or against it. */
function merged<E extends { seq: number }>(some: E[], others: E[] = [], limit = Infinity, sign = 1): E[] {
  if (others.length === 0) return some
  return [...some, ...others].sort((a, b) => sign * (a.seq - b.seq)).slice(0, limit)
}

/** Adds events to the amount of their kind; with negative numbers, subtracts them. */
function tally(kept: Amount[], kind: number, count: number, bytes: number): void {
  const { count: before, bytes: size } = kept[kind] ?? { count: 0, bytes: 0 }
  kept[kind] = { count: before + count, bytes: size + bytes }
}

/** Returns the amount of all kinds. */
function sum(kept: readonly Amount[]): Amount {
  return kept.reduce((all, one) => ({ count: all.count + one.count, bytes: all.bytes + one.bytes }), {
    count: 0,
    bytes: 0
  })
}

/** Has the streams of all logs begin anew, at the next start: what clients have seen may not be in the database. */
export function forgetEpochs(db: Database): void {
  db.exec("DELETE FROM meta WHERE name IN ('epoch', 'audit_epoch')")
}

function newEpoch(): string {
  return BigInt(`0x${randomBytes(8).toString('hex')}`).toString(36)
}
