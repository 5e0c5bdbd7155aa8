import { randomBytes } from 'node:crypto'
import type { AuditEvent, DomainEvent, LoggedEvent } from '../../schemas/events.js'
import { bootId } from '../proc.js'
import type { Database } from './database.js'
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
  /** The insert statement. Built once, since it runs most often. */
  #insert: string
  #epoch: string
  #head: number
  /** Whether the log writes its position to the mark: a process that only appends does not know the position. */
  #isOpen = false
  /** Why the log's past cannot be trusted; undefined when it can, or there is none. */
  readonly distrust: string | undefined
  /** Cached until something is dropped. */
  #earliest: number | undefined
  /** Number and size of the stored events by kind, so that pruning need not count them each time. */
  #kept: Amount[] = []

  /** `table`: the table of the log. Construct all logs before opening any. */
  constructor(store: Store, table: Name = 'events' as Name) {
    this.#store = store
    this.#table = table
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
    return this.#store.get<{ time: number }>(`SELECT time FROM ${this.#table} ORDER BY seq LIMIT 1`)?.time
  }
  /** The number of the oldest event that is kept. */
  get earliest(): number {
    this.#earliest ??=
      this.#store.get<{ seq: number | null }>(`SELECT min(seq) AS seq FROM ${this.#table}`)?.seq ?? undefined
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
      `SELECT transient, count(*) AS count, sum(octet_length(body)) AS bytes FROM ${this.#table} WHERE seq <= ? GROUP BY transient`,
      this.#head
    )) {
      tally(this.#kept, transient, count, bytes)
    }
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

  /** Records that events are committed, before anyone else learns of them. */
  advance(...events: readonly StoredEvent[]): void {
    for (const { seq, body, transient } of events) {
      this.#head = Math.max(this.#head, seq)
      tally(this.#kept, transient, 1, Buffer.byteLength(body))
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
    return this.#store.all<StoredEvent>(
      `SELECT ${columns} FROM ${this.#table} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
      seq,
      this.#head,
      limit
    )
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
    return this.#store.all<StoredEvent>(
      `SELECT ${columns} FROM ${this.#table} WHERE reqid = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
      reqid,
      seq,
      this.#head,
      limit
    )
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
    return this.#store.all<EventHead>(
      `SELECT seq, type, reqid, instance, node, octet_length(body) AS bytes FROM ${this.#table}
      WHERE seq < ? AND seq <= ?${reqid === undefined ? '' : ' AND reqid = ?'} ORDER BY seq DESC LIMIT ?`,
      seq,
      this.#head,
      ...(reqid === undefined ? [] : [reqid]),
      limit
    )
  }

  /** Returns an event by its number; undefined when it is not kept. */
  get(seq: number): StoredEvent | undefined {
    return this.#store.get<StoredEvent>(`SELECT ${columns} FROM ${this.#table} WHERE seq = ?`, seq)
  }

  /** Returns the events that another process has appended, in order. */
  unseen(): StoredEvent[] {
    return this.#store.all<StoredEvent>(`SELECT ${columns} FROM ${this.#table} WHERE seq > ? ORDER BY seq`, this.#head)
  }

  /** Returns the newest event of one request. */
  lastOf(reqid: string): StoredEvent | undefined {
    return this.#store.get<StoredEvent>(
      `SELECT ${columns} FROM ${this.#table} WHERE reqid = ? ORDER BY seq DESC LIMIT 1`,
      reqid
    )
  }

  /** Drops the oldest events beyond the retention, some at a time. Resolves with whether there is more to drop. */
  async prune(retention: Retention, now: number): Promise<boolean> {
    const dropped = await this.#store.write('written', () => {
      const rows: { transient: number; bytes: number }[] = []
      const left = structuredClone(this.#kept)
      const all = () => sum(left)
      const drop = (where: string, limit: number, ...values: number[]) => {
        if (limit <= 0) return
        // Before the commit already: what is read meanwhile lacks the dropped events.
        this.#earliest = undefined
        const gone = this.#store.runReturning<(typeof rows)[number]>(
          `DELETE FROM ${this.#table} WHERE seq IN (SELECT seq FROM ${this.#table} WHERE ${where} ORDER BY seq LIMIT ?) RETURNING transient, octet_length(body) AS bytes`,
          ...values,
          Math.min(Math.ceil(limit), pruneStep)
        )
        for (const { transient, bytes } of gone) tally(left, transient, -1, -bytes)
        rows.push(...gone)
      }
      // The number of excess events if all were equally long. They are not, but pruning is repeated.
      const excess = ({ count, bytes }: Amount, max: number) => (bytes > max ? count * (1 - max / bytes) : 0)
      for (const [kind, { maxCount, maxBytes }] of Object.entries(retention.ofKind)) {
        const amount = left[Number(kind)]
        // The kind is in the text, so that an index of its own is used.
        if (amount) drop(`transient = ${kind}`, Math.max(amount.count - maxCount, excess(amount, maxBytes)))
      }
      drop('TRUE', all().count - retention.maxCount)
      drop(
        `seq IN (SELECT seq FROM ${this.#table} ORDER BY seq LIMIT ${pruneStep}) AND time < ?`,
        pruneStep,
        Math.floor(now - retention.maxAgeMs)
      )
      drop('TRUE', excess(all(), retention.maxBytes))
      return rows
    })
    this.#earliest = undefined
    for (const { transient, bytes } of dropped) tally(this.#kept, transient, -1, -bytes)
    return dropped.length >= pruneStep
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
