import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type, type TSchema } from '@sinclair/typebox'
import { credentials, type NeededRole, type Needs } from '../schemas/access.js'
import type { ControlEvent, LoggedEvent } from '../schemas/events.js'
import { Cursor, openapiKeyword, Ref } from '../schemas/types.js'
import type { Limits } from '../src/server/access/limits.js'
import { AppError } from '../src/errors.js'
import { Filter, type FilterFields, type Lens } from '../src/events/filter.js'
import { ndjson, sse } from '../src/events/frame.js'
import type { Hub, Start } from '../src/events/hub.js'
import { ResponseSink } from '../src/events/sink.js'
import { answer, needs, problems } from './answers.js'

const cursorPattern = '(latest|earliest|[a-z0-9]{1,32}\\.(0|[1-9][0-9]{0,15}))'
export const From = Type.Optional(
  Type.String({
    pattern: `^${cursorPattern}$`,
    'x-expected': 'latest, earliest or a cursor',
    description: 'Where to start: `latest`, which is the default, `earliest`, or a cursor.',
    examples: ['earliest'],
    [openapiKeyword]: { shared: 'StreamFrom' }
  })
)
/** Not in OpenAPI, where it would have the name of the header: `from` takes the same cursor. */
export const LastEventIdQuery = Type.Optional(
  Type.String({
    pattern: `^${cursorPattern}$`,
    'x-expected': 'a cursor',
    [openapiKeyword]: { hidden: true }
  })
)
/** In OpenAPI it is one of the credentials of a stream. */
export const Ticket = Type.Optional(Type.String({ maxLength: 64 }))
export const cursorHeaders = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({
      description: 'The id of the last event that was received: the stream goes on after it. Wins over `from`.',
      examples: ['k3v9q2.1042'],
      [openapiKeyword]: { name: 'Last-Event-ID', shared: 'LastEventId' }
    })
  )
})

/** Returns the role that a stream needs, and the credentials that it takes: a ticket, too. */
export function streamNeeds(role: NeededRole, more: Omit<Needs, 'role'> = {}) {
  return { ...needs(role, more), security: [...credentials, { streamTicket: [] }] }
}

/** What is said of a stream: OpenAPI has no words for it. */
export const streamUse =
  'Generated calls wait for the end of the answer: read the stream itself. As Server-Sent Events (`curl -N URL`, an `EventSource`) the schema is that of the `data` of each event; domain events have no event name, control events have their type as their name. With `Accept: application/x-ndjson` (`curl -N -H …`) it is that of each line.'

/** Returns the response schemas of a route that streams events of a schema. */
export function streamAnswer(event: TSchema, shared?: string) {
  return {
    200: answer({
      description: 'The events, one after the other.',
      headers: { 'Zeek-Event-Cursor': Cursor },
      content: { 'text/event-stream': Ref(event), 'application/x-ndjson': Ref(event) },
      shared
    }),
    ...problems
  }
}

const streamHeaders = {
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
  'x-content-type-options': 'nosniff',
  vary: 'Accept'
}
const formats = { 'text/event-stream': sse, 'application/x-ndjson': ndjson }

/** Returns the format that the client accepts; Server-Sent Events when it does not say. */
export function mediaType({ headers }: FastifyRequest): keyof typeof formats {
  const accept = headers.accept ?? '*/*'
  if (/text\/event-stream|text\/\*|\*\/\*/.test(accept) && !/^\s*application\/x-ndjson/.test(accept)) {
    return 'text/event-stream'
  }
  if (/application\/(x-ndjson|\*)/.test(accept)) return 'application/x-ndjson'
  throw new AppError('not_acceptable', 'the events come as text/event-stream or application/x-ndjson')
}

interface StreamOptions {
  type: keyof typeof formats
  start: Start
  fields: FilterFields
  /** How the client sees events; undefined for one who sees everything. */
  lens?: Lens | undefined
  opening?: readonly ControlEvent[]
  isLast?: (event: LoggedEvent) => boolean
}

/** Hands the connection over to the hub. */
export function streamTo(
  { principal }: FastifyRequest,
  reply: FastifyReply,
  { hub, limits }: { hub: Hub; limits: Limits },
  { type, start, fields, lens, opening = [], isLast }: StreamOptions
): void {
  // A client that has already disconnected would emit no further `close`, and its stream would never end.
  if (reply.raw.closed) return
  reply.raw.once('close', limits.streams.take(principal))
  reply.hijack()
  const { raw } = reply
  // Heartbeats keep the stream alive, even when they are rarer than the timeout.
  raw.socket?.setTimeout(0)
  // Send the headers and the first events in one packet.
  raw.socket?.cork()
  raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    ...streamHeaders,
    'content-type': type === 'text/event-stream' ? `${type}; charset=utf-8` : type,
    'zeek-event-cursor': hub.cursorOf(start.seq)
  })
  raw.flushHeaders()
  hub.follow(new ResponseSink(raw), {
    start,
    filter: new Filter(fields, lens),
    format: formats[type],
    opening,
    isLast,
    account: limits.replayOf(principal)
  })
  raw.socket?.uncork()
}

/**
 * Answers HEAD on a stream: Fastify's own would run the handler of GET, which never ends. `check` may throw to refuse.
 */
export function answerHead(
  app: FastifyInstance,
  url: string,
  { role, ...more }: Needs,
  check: (request: FastifyRequest) => void = () => {}
): void {
  app.head(url, { schema: { hide: true, ...needs(role, more) } }, async (request, reply) => {
    check(request)
    return await reply.headers(streamHeaders).type(mediaType(request)).send()
  })
}
