import { createParser } from 'eventsource-parser'
import type { Api, Schema } from './connection.js'
import type { paths } from './openapi.js'
import { exitCodes, Failure } from './failure.js'
import { pause } from './pause.js'

type StreamEvent = Schema['ClusterEvent'] | Schema['AuditStreamEvent']
const controls = ['hello', 'heartbeat', 'goodbye', 'snapshot', 'snapshot-end'] as const
/** An event of the connection, or of the state at its start. */
export type Control = Extract<StreamEvent, { type: (typeof controls)[number] }>
/**
 * An event that tells of the cluster; or `reset`: what was before is not known any more, the state is to be read anew.
 */
export type Followed = Exclude<StreamEvent, Control>

export interface FollowOptions {
  signal: AbortSignal
  /** Called when the connection is lost, with the reason, and when it is there again. */
  onConnection?: ((lost: string | undefined) => void) | undefined
  /** How long the controller may take to begin its answer, in milliseconds. */
  openMs?: number | undefined
  /** Called with each event of the connection, in its place among the others. */
  onControl?: ((event: Control) => void) | undefined
  /** How long to try without the controller, in milliseconds; without end where it is not said. */
  patienceMs?: number | undefined
  /** Whether the controller has answered before: then the first connection, too, is tried again when it fails. */
  isKnown?: boolean | undefined
}

/** Opens a stream that starts after a cursor; the answer is 204 when there is nothing more on it. */
export type OpenStream = (after: string | undefined, signal: AbortSignal) => Promise<Response>

/** Lost heartbeats after which a connection counts as broken. */
const heartbeatsMissed = 3
/** More than a busy controller takes. Without it a request on a connection that is dead waits for ever. */
const openDefaultMs = 15_000
const firstRetryMs = 250
const retryMaxMs = 5_000

/**
 * Follows a stream of events over lost connections: it goes on from the last cursor, so that no event is missing and
 * none comes twice. Ends when the controller says that it is over, and with the signal. Throws a Failure when the first
 * connection fails to a controller that is not known, unless it is only silent, for what it refuses, and when it is
 * away for too long.
 */
export async function* follow(
  open: OpenStream,
  { signal, isKnown = false, openMs, onControl = () => {}, ...options }: FollowOptions
): AsyncGenerator<Followed> {
  const outage = new Outage(options)
  let cursor: string | undefined
  while (!signal.aborted) {
    const connection = new Connection(open, signal, openMs)
    try {
      for await (const event of connection.events(cursor)) {
        outage.end()
        isKnown = true
        cursor = cursorAfter(event) ?? cursor
        if (event.type === 'goodbye' && !event.reconnect) return
        if (isControl(event)) onControl(event)
        else yield event
      }
      if (connection.isOver) return
      outage.begin('the connection has ended')
    } catch (error) {
      if (signal.aborted) return
      // One that is silent is there, or another one answers the next time.
      if ((!isKnown && !connection.isSilent) || !isTransient(error)) throw error
      outage.begin((error as Error).message)
    } finally {
      connection.close()
    }
    await outage.pause(signal)
  }
}

const cursorAfter = (event: StreamEvent): string | undefined =>
  event.type === 'reset' ? event.latest : 'cursor' in event ? event.cursor : undefined

/** The time without a connection. */
export class Outage {
  #since: number | undefined
  #retryMs = firstRetryMs
  #onConnection: (lost: string | undefined) => void
  #patienceMs: number

  constructor({ onConnection = () => {}, patienceMs = Infinity }: Pick<FollowOptions, 'onConnection' | 'patienceMs'>) {
    this.#onConnection = onConnection
    this.#patienceMs = patienceMs
  }

  begin(reason: string): void {
    if (this.#since === undefined) this.#onConnection(reason)
    this.#since ??= Date.now()
    if (Date.now() - this.#since > this.#patienceMs) throw new Failure(exitCodes.unavailable, reason)
  }

  end(): void {
    if (this.#since !== undefined) this.#onConnection(undefined)
    this.#since = undefined
    this.#retryMs = firstRetryMs
  }

  /** Waits before the next attempt: clients that a controller has lost at once do not come back at once. */
  async pause(signal: AbortSignal): Promise<void> {
    await pause(this.#retryMs * (0.5 + Math.random()), signal)
    this.#retryMs = Math.min(retryMaxMs, this.#retryMs * 2)
  }
}

const isControl = (event: StreamEvent): event is Control => (controls as readonly string[]).includes(event.type)

/** Returns whether to try again: the controller is away, or has too much to do. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Failure)) return true
  return error.exitCode === exitCodes.unavailable && !['unauthorized', 'forbidden'].includes(error.code ?? '')
}

/** One connection of a stream. */
class Connection {
  /** Whether the controller has nothing more to say. */
  isOver = false
  #open: OpenStream
  #closing = new AbortController()
  #signal: AbortSignal
  #watchdog: ReturnType<typeof setTimeout> | undefined
  /** How long nothing may come. */
  #silenceMs: number

  constructor(open: OpenStream, signal: AbortSignal, openMs = openDefaultMs) {
    this.#open = open
    this.#silenceMs = openMs
    this.#signal = AbortSignal.any([signal, this.#closing.signal])
  }

  /** Whether nothing has come for too long. */
  get isSilent(): boolean {
    return this.#closing.signal.aborted
  }

  async *events(after: string | undefined): AsyncGenerator<StreamEvent> {
    this.#watch()
    const { status, body } = await this.#open(after, this.#signal)
    if (status === 204 || !body) {
      this.isOver = true
      return
    }
    const read: StreamEvent[] = []
    const parser = createParser({ onEvent: ({ data }) => read.push(JSON.parse(data) as StreamEvent) })
    // Not every browser can iterate over a stream.
    const reader = body.pipeThrough(new TextDecoderStream()).getReader()
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      parser.feed(chunk.value)
      for (const event of read.splice(0)) {
        if (event.type === 'hello') this.#silenceMs = event.heartbeat_seconds * heartbeatsMissed * 1000
        yield event
      }
      this.#watch()
    }
  }

  close(): void {
    clearTimeout(this.#watchdog)
    this.#closing.abort(new Error('the stream is closed'))
  }

  /** Ends the connection when nothing comes for so long: a cable that is cut says nothing. */
  #watch(): void {
    clearTimeout(this.#watchdog)
    this.#watchdog = setTimeout(() => this.#closing.abort(new Error('the controller is silent')), this.#silenceMs)
  }
}

/** Which events: all that fit each of the fields. */
export interface EventQuery {
  types?: readonly string[] | undefined
  reqid?: string | undefined
  instance?: string | undefined
  node?: string | undefined
  /** A cursor, `earliest`, or `latest`. */
  from?: string | undefined
  /** Whether the state comes first, as control events. */
  snapshot?: boolean | undefined
}

type EventTypes = NonNullable<paths['/v1/events']['get']['parameters']['query']>['types']

/** Returns what opens the stream of the events that fit. */
export function eventStream(api: Api, query: EventQuery = {}): OpenStream {
  // A newer controller may have types that are not known here.
  const params = { ...query, types: query.types as EventTypes }
  return async (after, signal) =>
    (await api.GET('/v1/events', { params: { query: params, header: resuming(after) }, parseAs: 'stream', signal }))
      .response
}

/** Returns what opens the stream of a request's events. */
export function requestStream(api: Api, reqid: string): OpenStream {
  return async (after, signal) =>
    (
      await api.GET('/v1/requests/{reqid}/events', {
        params: { path: { reqid }, header: resuming(after) },
        parseAs: 'stream',
        signal
      })
    ).response
}

/** Returns what opens the stream of the audit log. */
export function auditStream(api: Api, from?: string): OpenStream {
  return async (after, signal) =>
    (
      await api.GET('/v1/audit/events', {
        params: { query: { from }, header: resuming(after) },
        parseAs: 'stream',
        signal
      })
    ).response
}

const resuming = (after: string | undefined) => (after === undefined ? {} : { 'Last-Event-ID': after })
