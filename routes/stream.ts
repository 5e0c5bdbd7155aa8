import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type, type TSchema } from '@sinclair/typebox'
import type { NeededRole } from '../schemas/access.js'
import type { ControlEvent, LoggedEvent } from '../schemas/events.js'
import { Cursor, Ref } from '../schemas/types.js'
import type { Limits } from '../src/server/access/limits.js'
import { AppError } from '../src/errors.js'
import { Filter, type FilterFields } from '../src/events/filter.js'
import { ndjson, sse } from '../src/events/frame.js'
import type { Hub, Start } from '../src/events/hub.js'
import { ResponseSink } from '../src/events/sink.js'
import { needs, problems } from './answers.js'

const cursorPattern = '(latest|earliest|[a-z0-9]{1,32}\\.(0|[1-9][0-9]{0,15}))'
export const From = Type.Optional(
  Type.String({
    pattern: `^${cursorPattern}$`,
    'x-expected': 'latest, earliest or a cursor',
    description: 'Where to start: latest, earliest, or a cursor.'
  })
)
export const LastEventIdQuery = Type.Optional(
  Type.String({
    pattern: `^${cursorPattern}$`,
    'x-expected': 'a cursor',
    description: 'For clients that cannot set the header Last-Event-ID. Wins over `from`.'
  })
)
export const Ticket = Type.Optional(
  Type.String({
    maxLength: 64,
    description: 'From `create_ticket`, for an EventSource without a session: it cannot send a token.'
  })
)
export const cursorHeaders = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({ description: 'The id of the last event that was received. Wins over all else.' })
  )
})

/** Returns the response schemas of a route that streams events of a schema. */
export function streamAnswer(event: TSchema) {
  return {
    200: {
      description: 'The events. Domain events have no event name, control events have their type as their name.',
      headers: { 'Zeek-Event-Cursor': Cursor },
      content: { 'text/event-stream': { schema: Ref(event) }, 'application/x-ndjson': { schema: Ref(event) } }
    },
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
  opening?: readonly ControlEvent[]
  isLast?: (event: LoggedEvent) => boolean
}

/** Hands the connection over to the hub. */
export function streamTo(
  { principal }: FastifyRequest,
  reply: FastifyReply,
  { hub, limits }: { hub: Hub; limits: Limits },
  { type, start, fields, opening = [], isLast }: StreamOptions
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
    filter: new Filter(fields),
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
  role: NeededRole,
  check: (request: FastifyRequest) => void = () => {}
): void {
  app.head(url, { schema: { hide: true, ...needs(role) } }, async (request, reply) => {
    check(request)
    return await reply.headers(streamHeaders).type(mediaType(request)).send()
  })
}
