import type { ClusterRequest } from '../../schemas/api.js'
import type { DomainEvent } from '../../schemas/events.js'
import { defined } from '../util.js'
import type { StoredEvent } from './events.js'
import { requestEvent, responseEvent } from '../request-events.js'
import type { Store } from './store.js'

/** A request that only reads and was answered at once. */
export type Read = Omit<ClusterRequest, 'event_cursor'>

/** Reads that are stored together: each with its text, which is one line of JSON. */
export interface ReadBatch {
  reads: readonly Read[]
  lines: readonly string[]
}

/** A read, and its place in the log: the number of the event before its first one. */
export interface StoredRead extends Read {
  event_seq: number
}

/** One row of the table. */
interface Row {
  seq: number
  time: number
  count: number
  body: string
}

/** Each read has two events. */
const eventsOfEach = 2
/** How many rows are read at a time: each has the events of up to a hundred reads. */
const rowsAtOnce = 4

/** An event of a read, whose text is made when somebody wants to have it. */
export class ReadEvent implements StoredEvent {
  readonly seq: number
  readonly time: number
  readonly type: string
  readonly reqid: string
  readonly instance = null
  readonly node = null
  readonly transient = 1
  /** How many bytes it takes in the table. Both events of a read share a line: it is counted for the response. */
  readonly stored: number
  #make: () => DomainEvent
  #body: string | undefined

  constructor(read: Read, part: 'request' | 'response', place: { seq: number; time: number; stored: number }) {
    this.seq = place.seq
    this.time = place.time
    this.stored = place.stored
    this.reqid = read.reqid
    this.type = `${read.type}_${part}`
    this.#make = () => (part === 'request' ? requestEvent(read) : responseEvent(read))
  }

  get body(): string {
    return (this.#body ??= JSON.stringify(this.#make()))
  }
}

/**
 * Requests that only read and were answered at once: the history is mostly made of these where somebody polls. They are
 * stored some to a row, and their events are made of them. They have numbers in the event log, as all others.
 */
export class ReadTable {
  #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** Adds reads, as one row. Call it only inside of a `write`. Returns their events, and the place of each read. */
  append({ reads, lines }: ReadBatch, time: number): { events: ReadEvent[]; places: number[] } {
    const count = reads.length * eventsOfEach
    const reqids = reads.map(({ reqid }) => reqid).sort()
    const seq = this.#number(count)
    this.#store.run(
      'INSERT INTO reads (seq, time, count, first_reqid, last_reqid, body) VALUES (?, ?, ?, ?, ?, ?)',
      seq,
      time,
      count,
      reqids[0]!,
      reqids.at(-1)!,
      lines.map(line => `${line}\n`).join('')
    )
    const places = reads.map((_read, index) => seq - count + index * eventsOfEach)
    return { events: reads.flatMap((read, index) => eventsOf(read, places[index]!, time, lines[index]!)), places }
  }

  /** Takes numbers of the event log. Returns the last one. */
  #number(count: number): number {
    const sequence = "UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'events' RETURNING seq"
    const [row] = this.#store.runReturning<{ seq: number }>(sequence, count)
    if (row) return row.seq
    this.#store.run("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", count)
    return count
  }

  /** Returns the events after a number, up to another one, in order; `limit` at most. */
  after(seq: number, upTo: number, limit: number): StoredEvent[] {
    const events: StoredEvent[] = []
    let from = seq
    for (let rows = rowsAtOnce; rows === rowsAtOnce && events.length < limit;) {
      const more = this.#store.all<Row>(
        'SELECT seq, time, count, body FROM reads WHERE seq > ? AND seq - count < ? ORDER BY seq LIMIT ?',
        from,
        upTo,
        rowsAtOnce
      )
      events.push(...more.flatMap(unpacked).filter(event => event.seq > seq && event.seq <= upTo))
      from = more.at(-1)?.seq ?? from
      rows = more.length
    }
    return events.slice(0, limit)
  }

  /** Returns the events before a number, down to another one, newest first; `limit` at most. */
  before(seq: number, downTo: number, limit: number): StoredEvent[] {
    const events: StoredEvent[] = []
    for (const row of this.#rowsBefore(seq)) {
      if (row.seq < downTo || events.length >= limit) break
      events.push(
        ...unpacked(row)
          .filter(event => event.seq < seq && event.seq >= downTo)
          .reverse()
      )
    }
    return events.slice(0, limit)
  }

  /** Returns an event by its number; undefined when it is not of a read, or not kept. */
  event(seq: number): StoredEvent | undefined {
    const row = this.#store.get<Row>(
      'SELECT seq, time, count, body FROM reads WHERE seq >= ? ORDER BY seq LIMIT 1',
      seq
    )
    if (!row || seq <= row.seq - row.count) return undefined
    const place = seq - (row.seq - row.count) - 1
    const index = Math.floor(place / eventsOfEach)
    const line = linesIn(row)[index]!
    return eventsOf(JSON.parse(line), seq - 1 - (place % eventsOfEach), row.time, line)[place % eventsOfEach]
  }

  /** Returns the events of a read; none when it is not kept. */
  eventsOf(reqid: string): StoredEvent[] {
    const row = this.#rowOf(reqid)
    return row ? unpacked(row).filter(event => event.reqid === reqid) : []
  }

  /** Returns a read; undefined when it is not kept. */
  get(reqid: string): StoredRead | undefined {
    const row = this.#rowOf(reqid)
    return row && readsIn(row, line => line.includes(reqid)).find(read => read.reqid === reqid)
  }

  /** Yields the reads of a type and in a state, newest first; those only whose place (`event_seq`) is before one. */
  *newest(
    wanted: { type?: string | undefined; state?: string | undefined },
    before = Number.MAX_SAFE_INTEGER
  ): Generator<StoredRead> {
    const fields = Object.entries(defined({ type: wanted.type, state: wanted.state }))
    const marks = fields.map(([name, value]) => `"${name}":"${value}"`)
    for (const row of this.#rowsBefore(before)) {
      yield* readsIn(row, line => marks.every(mark => line.includes(mark)))
        .filter(read => read.event_seq < before && fields.every(([name, value]) => read[name as 'type'] === value))
        .reverse()
    }
  }

  /** Yields the rows with events before a number, newest first. */
  *#rowsBefore(before: number): Generator<Row> {
    // The first of them may have later events, too.
    let from =
      this.#store.get<{ seq: number | null }>('SELECT min(seq) AS seq FROM reads WHERE seq >= ?', before)?.seq ?? before
    for (;;) {
      const rows = this.#store.all<Row>(
        'SELECT seq, time, count, body FROM reads WHERE seq <= ? ORDER BY seq DESC LIMIT ?',
        from,
        rowsAtOnce
      )
      yield* rows
      if (rows.length < rowsAtOnce) return
      from = rows.at(-1)!.seq - 1
    }
  }

  #rowOf(reqid: string): Row | undefined {
    // IDs are ordered by time, so that few rows can have one.
    return this.#store
      .all<Row>('SELECT seq, time, count, body FROM reads WHERE first_reqid <= ? AND last_reqid >= ?', reqid, reqid)
      .find(({ body }) => body.includes(`"reqid":"${reqid}"`))
  }
}

function eventsOf(read: Read, before: number, time: number, line: string): ReadEvent[] {
  return [
    new ReadEvent(read, 'request', { seq: before + 1, time, stored: 0 }),
    new ReadEvent(read, 'response', { seq: before + 2, time, stored: Buffer.byteLength(line) + 1 })
  ]
}

function linesIn({ body }: Row): string[] {
  return body.split('\n').slice(0, -1)
}

function unpacked(row: Row): ReadEvent[] {
  const first = row.seq - row.count
  return linesIn(row).flatMap((line, index) => eventsOf(JSON.parse(line), first + index * eventsOfEach, row.time, line))
}

/** Returns the reads of a row; those only whose line is worth a look. */
function readsIn(row: Row, isWanted: (line: string) => boolean): StoredRead[] {
  const first = row.seq - row.count
  return linesIn(row).flatMap((line, index) =>
    isWanted(line) ? [{ ...JSON.parse(line), event_seq: first + index * eventsOfEach }] : []
  )
}
