import { same } from './check-requests.js'
import { placeOf, type Control, type Line, type Open, type Seen, type Told } from './lines.js'
import type { World } from './world.js'

/** A connection of a client: how it was opened, and what came. */
interface Connection {
  open: Open
  lines: (Control | Seen)[]
}

/**
 * What each stream carried is what the log has: in order, once, without gaps; over all connections of a client, too.
 */
export function* streamViolations(world: World): Generator<string> {
  const log = new Map(world.log.map(event => [event.cursor, event]))
  const head = world.log.at(-1)
  const settled = world.lines.find(line => line.kind === 'settled')?.cursor
  yield* differences(world.lines)
  for (const [client, connections] of connectionsOf(world.lines)) {
    let position: string | undefined
    for (const connection of connections) {
      const { open } = connection
      if (position !== undefined && open.from !== position) {
        yield `${client} went on from ${open.from}, and was at ${position}`
      }
      const wanted = world.log.filter(
        event =>
          (!open.types || open.types.includes(event.type)) && (open.reqid === undefined || open.reqid === event.reqid)
      )
      position = (yield* new Reading(connection, log, wanted).violations()) ?? position
    }
    const isBehind =
      connections.at(-1)!.open.stays &&
      settled !== undefined &&
      head &&
      placeOf(position ?? '.0').seq < placeOf(settled).seq
    if (isBehind) yield `${client} got to ${position}, and not to ${settled}`
  }
}

function connectionsOf(lines: readonly Line[]): Map<string, Connection[]> {
  const clients = new Map<string, Connection[]>()
  const streams = new Map<string, Connection>()
  for (const line of lines) {
    if (line.kind === 'open') {
      const connection: Connection = { open: line, lines: [] }
      streams.set(line.stream, connection)
      clients.set(line.client, [...(clients.get(line.client) ?? []), connection])
    } else if (line.kind === 'control' || line.kind === 'event') streams.get(line.stream)?.lines.push(line)
  }
  return clients
}

/** A cursor means the same event for everyone, and a request or response has one cursor. */
function* differences(lines: readonly Line[]): Generator<string> {
  const byCursor = new Map<string, Told>()
  const cursors = new Map<string, string>()
  for (const line of lines) {
    if (line.kind !== 'event') continue
    const { event } = line
    const known = byCursor.get(event.cursor)
    if (!known) byCursor.set(event.cursor, event)
    else if (!same(known, event)) {
      yield `cursor ${event.cursor} is of different events: ${known.type} ${known.reqid ?? ''} and ${event.type} ${event.reqid ?? ''}`
    }
    if (event.reqid === undefined || event.type === 'request_progress') continue
    const name = `${event.type} ${event.reqid}`
    const cursor = cursors.get(name)
    if (cursor === undefined) cursors.set(name, event.cursor)
    else if (cursor !== event.cursor) {
      yield `cursor differs between clients: ${name} was at ${cursor} and at ${event.cursor}`
    }
  }
}

/** One connection, read against the log. */
class Reading {
  readonly #connection: Connection
  readonly #log: Map<string, Told>
  /** What of the log it should carry. */
  readonly #wanted: readonly Told[]
  /** How much of that has come. */
  #next = 0
  #epoch = ''
  #seq = -1
  #position: string | undefined

  constructor(connection: Connection, log: Map<string, Told>, wanted: readonly Told[]) {
    this.#connection = connection
    this.#log = log
    this.#wanted = wanted
  }

  /** Returns the cursor with which the client can go on. */
  *violations(): Generator<string, string | undefined> {
    const { open, lines } = this.#connection
    const seen = new Set<string>()
    let isOver = false
    for (const [index, line] of lines.entries()) {
      const { stream } = open
      if (isOver) yield `${stream}: something came after goodbye`
      if (line.kind === 'control' && line.type === 'over') return yield* this.#over()
      if ((index === 0) !== (line.kind === 'control' && line.type === 'hello')) {
        yield `${stream}: hello is not the first, or comes again`
      }
      if (line.kind === 'event') {
        const { cursor } = line.event
        if (seen.has(cursor)) yield `${stream}: ${cursor} was seen twice on one connection`
        else yield* this.#event(line.event)
        seen.add(cursor)
      } else if (line.type === 'hello') yield* this.#hello(line, lines)
      else if (line.type === 'reset') {
        yield* index === 1 && open.from.includes('.') ? this.#reset(line, lines[0] as Control) : this.#gap(line)
      } else if (line.type === 'heartbeat') yield* this.#upTo(line.cursor!, true)
      else if (line.type === 'goodbye') {
        isOver = true
        if (line.reason === 'terminal' && this.#next < this.#wanted.length) {
          yield `${stream}: goodbye before the response of ${open.reqid}`
        }
      }
    }
    return this.#position
  }

  /** Instead of a stream: the client has had all of the request's story. */
  *#over(): Generator<string, undefined> {
    const { from, stream, reqid } = this.#connection.open
    const last = this.#wanted.at(-1)
    if (!last || placeOf(last.cursor).seq > placeOf(from).seq) {
      yield `${stream}: told that all of ${reqid} was seen, at ${from}`
    }
  }

  *#hello({ cursor = '', earliest = '' }: Control, lines: readonly (Control | Seen)[]): Generator<string> {
    const {
      open: { from, stream, reqid }
    } = this.#connection
    const { epoch, seq } = placeOf(cursor)
    this.#epoch = epoch
    this.#seq = seq
    this.#next = this.#wanted.findIndex(event => placeOf(event.cursor).seq > seq)
    if (this.#next < 0) this.#next = this.#wanted.length
    const isReset = lines.some(line => line.kind === 'control' && line.type === 'reset')
    if (from === 'earliest' && reqid === undefined && seq !== placeOf(earliest).seq - 1) {
      yield `${stream}: asked for the earliest, ${earliest}, and started after ${cursor}`
    }
    if (!/^(latest|earliest)$/.test(from) && !isReset && cursor !== from) {
      yield `${stream}: asked to go on after ${from}, and went on after ${cursor} without a reset`
    }
    // A client with nothing else goes on from here.
    if (reqid === undefined) this.#position = cursor
  }

  /** A reset has to be true: what was asked for is not there any more. */
  *#reset({ reason }: Control, { cursor = '', earliest = '' }: Control): Generator<string> {
    const {
      open: { from, stream }
    } = this.#connection
    const asked = placeOf(from)
    if (reason === 'expired' && asked.epoch === placeOf(cursor).epoch && asked.seq < placeOf(earliest).seq - 1) return
    yield `${stream}: reset (${reason}) after ${from}, which is from this log and was not dropped`
  }

  /**
   * What comes next was dropped before it was read: the stream goes on with what is live, one of a request with what is
   * left of it.
   */
  *#gap({ reason, earliest = '', latest = '' }: Control): Generator<string> {
    const { stream, reqid } = this.#connection.open
    const { seq } = placeOf(this.#position ?? `.${this.#seq}`)
    if (reason !== 'expired' || placeOf(earliest).seq - 1 <= seq) {
      yield `${stream}: reset (${reason}) at ${this.#position}, and what comes next was not dropped`
    }
    this.#seq = reqid === undefined ? placeOf(latest).seq : placeOf(earliest).seq - 1
    this.#next = this.#wanted.findIndex(event => placeOf(event.cursor).seq > this.#seq)
    if (this.#next < 0) this.#next = this.#wanted.length
  }

  *#event(event: Told): Generator<string> {
    const { stream } = this.#connection.open
    const { epoch, seq } = placeOf(event.cursor)
    const logged = this.#log.get(event.cursor)
    if (!logged) {
      yield `${stream}: ${event.type} ${event.reqid ?? ''} was seen at ${event.cursor}, and the log does not have it`
    } else if (!same(logged, event)) {
      yield `${stream}: ${event.type} ${event.reqid ?? ''} was seen at ${event.cursor}, where the log has ${logged.type} ${logged.reqid ?? ''}`
    }
    if (epoch !== this.#epoch) yield `${stream}: ${event.cursor} is of another epoch than the stream`
    if (seq <= this.#seq) return yield `${stream}: ${event.cursor} came out of order, after ${this.#epoch}.${this.#seq}`
    yield* this.#upTo(event.cursor, false)
    if (logged && this.#wanted[this.#next] === logged) this.#next++
    else if (logged) yield `${stream}: ${event.type} at ${event.cursor} does not fit the filter`
    this.#seq = seq
  }

  /** Everything before a cursor has come. */
  *#upTo(cursor: string, isIncluded: boolean): Generator<string> {
    const { stream } = this.#connection.open
    const end = placeOf(cursor).seq + Number(isIncluded)
    for (; this.#next < this.#wanted.length; this.#next++) {
      const missing = this.#wanted[this.#next]!
      if (placeOf(missing.cursor).seq >= end) break
      yield `${stream}: missing ${missing.cursor} (${missing.type} ${missing.reqid ?? ''}), though ${cursor} came`
    }
    this.#position = cursor
  }
}
