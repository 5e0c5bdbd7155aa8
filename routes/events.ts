import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { domainEventTypes, Event, type ControlEvent, type LoggedEvent } from '../schemas/events.js'
import { Cursor, Name, Ref, RequestId } from '../schemas/types.js'
import type { Controller } from '../src/controller/controller.js'
import type { Limits } from '../src/controller/limits.js'
import { AppError } from '../src/errors.js'
import { Filter, type FilterFields } from '../src/events/filter.js'
import { ndjson, sse } from '../src/events/frame.js'
import type { Start } from '../src/events/hub.js'
import { needs, problems } from './answers.js'

const tags = ['events']
const cursorPattern = '(latest|earliest|[a-z0-9]{1,32}\\.(0|[1-9][0-9]{0,15}))'
const From = Type.Optional(Type.String({ pattern: `^${cursorPattern}$`, description: 'Where to start: latest, earliest, or a cursor.' }))
const LastEventIdQuery = Type.Optional(Type.String({ pattern: `^${cursorPattern}$`, description: 'For clients that cannot set the header Last-Event-ID. Wins over `from`.' }))
const Ticket = Type.Optional(Type.String({ maxLength: 64, description: 'From `create_ticket`, for an EventSource without a session: it cannot send a token.' }))
const headers = Type.Object({ 'last-event-id': Type.Optional(Type.String({ description: 'The id of the last event that was received. Wins over all else.' })) })

const stream = {
  200: {
    description: 'The events. Domain events have no event name, control events have their type as their name.',
    headers: { 'Zeek-Event-Cursor': Cursor },
    content: { 'text/event-stream': { schema: Ref(Event) }, 'application/x-ndjson': { schema: Ref(Event) } }
  },
  ...problems
}

const streamHeaders = { 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no', 'x-content-type-options': 'nosniff', vary: 'Accept' }
const formats = { 'text/event-stream': sse, 'application/x-ndjson': ndjson }

/** The format that the client accepts; Server-Sent Events when it does not say. */
function mediaType ({ headers }: FastifyRequest): keyof typeof formats {
  const accept = headers.accept ?? '*/*'
  if (/text\/event-stream|text\/\*|\*\/\*/.test(accept) && !/^\s*application\/x-ndjson/.test(accept)) return 'text/event-stream'
  if (/application\/(x-ndjson|\*)/.test(accept)) return 'application/x-ndjson'
  throw new AppError('not_acceptable', 'the events come as text/event-stream or application/x-ndjson')
}

interface StreamOptions { start: Start, fields: FilterFields, opening?: readonly ControlEvent[], isLast?: (event: LoggedEvent) => boolean }

/** Hands the connection over to the hub. */
function streamTo ({ principal }: FastifyRequest, reply: FastifyReply, { controller, limits }: { controller: Controller, limits: Limits }, type: keyof typeof formats, { start, fields, opening = [], isLast }: StreamOptions): void {
  if (controller.hub.isFull) throw new AppError('unavailable', 'there are too many event streams')
  limits.stream(principal.client, reply.raw)
  reply.hijack()
  const { raw } = reply
  // Heartbeats keep it alive, however rare.
  raw.socket?.setTimeout(0)
  raw.writeHead(200, { ...reply.getHeaders() as Record<string, string>, ...streamHeaders, 'content-type': type === 'text/event-stream' ? `${type}; charset=utf-8` : type, 'zeek-event-cursor': controller.hub.cursorOf(start.seq) })
  // Browsers come back after a pause of their own, so that they do not all come at once.
  if (type === 'text/event-stream') raw.write(`retry: ${2000 + Math.floor(Math.random() * 3000)}\n\n`)
  controller.hub.follow(raw, { start, filter: new Filter(fields), format: formats[type], opening, isLast })
}

/** Where the stream of a request starts that has asked for no cursor: with all that is kept of its story. */
function startOfStory (controller: Controller, reqid: string): Start {
  const start = controller.hub.startAt(controller.getRequest(reqid).event_cursor)
  return start.reset ? { ...controller.hub.startAt('earliest'), reset: start.reset } : { ...start, resumed: false }
}

const isTerminal = ({ type }: { type: string }) => type.endsWith('_response') || type === 'request_expired'

export const eventRoutes: FastifyPluginAsyncTypebox<{ controller: Controller, limits: Limits }> = async (app, { controller, limits }) => {
  const query = Type.Object({
    types: Type.Optional(Type.String({ maxLength: 2048, description: `A comma-separated list of event types: ${domainEventTypes.join(', ')}.`, examples: ['notify_change,deploy_response'] })),
    reqid: Type.Optional(RequestId),
    instance: Type.Optional(Name),
    node: Type.Optional(Name),
    from: From,
    last_event_id: LastEventIdQuery,
    ticket: Ticket,
    snapshot: Type.Optional(Type.Boolean({ description: 'Send the state first. `from` is then the moment of that state.' }))
  }, { additionalProperties: false })

  /** What is true now, as events. */
  function snapshot (): ControlEvent[] {
    const deployed = controller.deployedMasked()
    return [
      { type: 'snapshot', instances: controller.instances() },
      ...(deployed ? [{ type: 'snapshot' as const, configuration: { state: 'deployed' as const, configuration: deployed, event_cursor: controller.cursor } }] : []),
      { type: 'snapshot', nodes: controller.nodes() },
      { type: 'snapshot', requests: controller.listRequests({ state: 'pending', limit: 1_000_000 }).requests },
      { type: 'snapshot-end', cursor: controller.cursor }
    ]
  }

  app.route({
    method: 'GET',
    url: '/events',
    // The automatic one would run the handler, which never ends.
    exposeHeadRoute: false,
    schema: { operationId: 'stream_events', ...needs('viewer'), tags, summary: 'Everything that happens, as it happens', headers, querystring: query, response: stream },
    handler: async (request, reply) => {
      const type = mediaType(request)
      const { types, from, last_event_id: lastEventId, snapshot: withSnapshot, ticket: _ticket, ...fields } = request.query
      const wanted = types?.split(',').map(name => name.trim())
      const unknown = wanted?.find(name => !domainEventTypes.includes(name))
      if (unknown !== undefined) throw new AppError('invalid_request', `querystring/types: there is no event type ${unknown}`, { errors: [{ field: 'querystring/types', message: `there is no event type ${unknown}` }] })
      const start = await controller.startAt(request.headers['last-event-id'] ?? lastEventId ?? from ?? 'latest')
      // Taken in the tick in which the stream starts: what comes after the state is not in it.
      streamTo(request, reply, { controller, limits }, type, withSnapshot === true
        ? { start: controller.hub.startAt('latest'), fields: { ...fields, types: wanted }, opening: snapshot() }
        : { start, fields: { ...fields, types: wanted } })
    }
  })

  app.route({
    method: 'GET',
    url: '/requests/:reqid/events',
    exposeHeadRoute: false,
    schema: {
      operationId: 'stream_request_events', ...needs('viewer'),
      tags: ['requests'],
      summary: 'What happens to one request',
      description: 'What has happened so far, then what comes; ends after the response. Resumed after that, the answer is 204, which keeps an EventSource from coming back.',
      params: Type.Object({ reqid: RequestId }),
      headers,
      querystring: Type.Object({ from: From, last_event_id: LastEventIdQuery, ticket: Ticket }, { additionalProperties: false }),
      response: stream
    },
    handler: async (request, reply) => {
      const type = mediaType(request)
      const { reqid } = request.params
      const { state } = controller.getRequest(reqid)
      const asked = request.headers['last-event-id'] ?? request.query.last_event_id ?? request.query.from
      const resumed = asked === undefined ? undefined : await controller.startAt(asked)
      // A cursor of no use does not keep the story from being told.
      const start = resumed && !resumed.reset ? resumed : { ...startOfStory(controller, reqid), ...resumed?.reset && { reset: resumed.reset } }
      const last = controller.lastEventOf(reqid)
      if (state !== 'pending' && (!last || start.seq >= last.seq)) return await (reply as FastifyReply).code(204).send()
      streamTo(request, reply, { controller, limits }, type, { start, fields: { reqid }, isLast: isTerminal })
    }
  })

  for (const url of ['/events', '/requests/:reqid/events']) {
    app.route({
      method: 'HEAD',
      url,
      schema: { hide: true, ...needs('viewer') },
      handler: async (request, reply) => {
        const { reqid } = request.params as { reqid?: string }
        if (reqid !== undefined) controller.getRequest(reqid)
        return await reply.headers(streamHeaders).type(mediaType(request)).send()
      }
    })
  }
}
