import type { FastifyReply, FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { ClusterEvent, domainEventTypes, EventList, type ControlEvent } from '../schemas/events.js'
import { Name, Ref, RequestId } from '../schemas/types.js'
import type { Access } from '../src/server/access/access.js'
import type { Controller } from '../src/controller/controller.js'
import { json, needs, problems } from './answers.js'
import { joinRepeated, namesIn, SeveralOf } from './lists.js'
import { paging, placeIn } from './pages.js'
import {
  answerHead,
  cursorHeaders,
  From,
  LastEventIdQuery,
  mediaType,
  streamAnswer,
  streamNeeds,
  streamTo,
  streamUse,
  Ticket
} from './stream.js'

const tags = ['events']
const stream = streamAnswer(ClusterEvent, 'EventStream')

/** The events that are wanted. */
const filters = {
  types: SeveralOf(domainEventTypes, {
    items: Type.Unsafe({ type: 'string', enum: domainEventTypes }),
    what: 'event types',
    examples: ['notify_change', 'deploy_response']
  }),
  reqid: Type.Optional({ ...RequestId, description: 'Only events of this request.' }),
  instance: Type.Optional({ ...Name, description: 'Only events of this instance.', examples: ['agent-sensor-1'] }),
  node: Type.Optional({ ...Name, description: 'Only events of this node.' })
}

/** A page ends early once it has looked through so many events, or has so many bytes of them. */
const pageMost = { lookedThrough: 5_000, bytes: 1_048_576 }

const isTerminal = ({ type }: { type: string }) => type.endsWith('_response') || type === 'request_expired'

/** Returns the state as events, of the controller that leads. */
export type TakeSnapshot = (request: FastifyRequest) => Promise<readonly ControlEvent[]>

/** Where controllers that follow get it. */
export const snapshotPath = '/events/snapshot'

/** Where a stream goes on after a snapshot. */
const cursorIn = (snapshot: readonly ControlEvent[]) => (snapshot.at(-1) as { cursor: string }).cursor

export const eventRoutes: FastifyPluginAsyncTypebox<{
  controller: Controller
  access: Pick<Access, 'limits'>
  snapshot: TakeSnapshot
}> = async (app, { controller, access, snapshot: takeSnapshot }) => {
  app.get(
    snapshotPath,
    { config: { isOfLeader: true }, schema: { hide: true, ...needs('viewer', { limited: true }) } },
    async ({ principal }) => controller.seenBy(principal).snapshot()
  )

  const query = Type.Object(
    {
      ...filters,
      from: From,
      last_event_id: LastEventIdQuery,
      ticket: Ticket,
      snapshot: Type.Optional(
        Type.Boolean({
          description: 'Send the state first. `from` is then the moment of that state.',
          examples: [true]
        })
      )
    },
    { additionalProperties: false }
  )

  app.route({
    method: 'GET',
    url: '/events',
    exposeHeadRoute: false,
    schema: {
      operationId: 'stream_events',
      ...streamNeeds('viewer', { limited: true }),
      tags,
      summary: 'Stream all events',
      description: `All events, or those that fit every parameter which is given. ${streamUse}`,
      headers: cursorHeaders,
      querystring: query,
      response: stream
    },
    preValidation: joinRepeated('types'),
    handler: async (request, reply) => {
      const type = mediaType(request)
      const {
        types,
        from,
        last_event_id: lastEventId,
        snapshot: withSnapshot,
        ticket: _ticket,
        ...fields
      } = request.query
      const start = controller.hub.startAt(request.headers['last-event-id'] ?? lastEventId ?? from ?? 'latest')
      const opening = withSnapshot === true ? await takeSnapshot(request) : undefined
      streamTo(
        request,
        reply,
        { hub: controller.hub, limits: access.limits },
        {
          type,
          fields: { ...fields, types: namesIn(types) },
          lens: controller.seenBy(request.principal).sight,
          // What comes after the snapshot goes on from where it was taken.
          ...(opening
            ? { start: { ...controller.hub.startAt(cursorIn(opening)), resumed: false }, opening }
            : { start })
        }
      )
    }
  })

  app.get(
    '/events/history',
    {
      schema: {
        operationId: 'list_events',
        ...needs('viewer', { limited: true }),
        tags,
        summary: 'List past events',
        description: `The events that are kept, or those that fit every parameter which is given: newest first, in pages. A page ends early, maybe without an event, once it has looked through ${pageMost.lookedThrough} events or has ${pageMost.bytes / 1_048_576} MiB of them.`,
        querystring: Type.Object(
          { ...filters, ...paging({ maximum: 1000, default: 100 }) },
          { additionalProperties: false }
        ),
        response: { 200: json('A page of events.', Ref(EventList)), ...problems }
      },
      preValidation: joinRepeated('types')
    },
    async ({ query: { types, after, ...options }, principal }) => {
      const before = placeIn(after, text => controller.history.placeOf(text))
      return controller.seenBy(principal).history({ ...options, types: namesIn(types), before }, pageMost)
    }
  )

  app.route({
    method: 'GET',
    url: '/requests/:reqid/events',
    exposeHeadRoute: false,
    schema: {
      operationId: 'stream_request_events',
      ...streamNeeds('viewer', { limited: true }),
      tags: ['requests'],
      summary: 'Stream the events of a request',
      description: `What has happened so far, then what comes; ends after the response. Resumed after that, the answer is 204, which keeps an EventSource from coming back. ${streamUse}`,
      params: Type.Object({ reqid: RequestId }),
      headers: cursorHeaders,
      querystring: Type.Object(
        { from: From, last_event_id: LastEventIdQuery, ticket: Ticket },
        { additionalProperties: false }
      ),
      response: { ...stream, 204: { type: 'null', description: 'All of its events were sent before.' } }
    },
    handler: async (request, reply) => {
      const type = mediaType(request)
      const { reqid } = request.params
      const cursor = request.headers['last-event-id'] ?? request.query.last_event_id ?? request.query.from
      const seen = controller.seenBy(request.principal)
      const start = seen.startOfRequest(reqid, cursor)
      if (!start) return await (reply as FastifyReply).code(204).send()
      streamTo(
        request,
        reply,
        { hub: controller.hub, limits: access.limits },
        {
          type,
          start,
          fields: { reqid },
          lens: seen.sight,
          isLast: isTerminal
        }
      )
    }
  })

  answerHead(app, '/events', { role: 'viewer', limited: true })
  answerHead(app, '/requests/:reqid/events', { role: 'viewer', limited: true }, ({ params, principal }) => {
    controller.seenBy(principal).getRequest((params as { reqid: string }).reqid)
  })
}
