import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { AuditList, AuditStreamEvent } from '../schemas/events.js'
import { Ref, RequestId } from '../schemas/types.js'
import type { Access } from '../src/server/access/access.js'
import { json, needs, problems } from './answers.js'
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

const tags = ['audit']

/** Routes of the audit log, which is read-only. */
export const auditRoutes: FastifyPluginAsyncTypebox<{ access: Pick<Access, 'audit' | 'limits'> }> = async (
  app,
  { access: { audit, limits } }
) => {
  app.get(
    '/audit',
    {
      schema: {
        operationId: 'list_audit',
        ...needs('admin'),
        tags,
        summary: 'List audit entries',
        description: 'Who asked what, from where, and what came of it: newest first, in pages.',
        querystring: Type.Object(paging({ maximum: 1000, default: 100 }), { additionalProperties: false }),
        response: { 200: json('A page of entries.', Ref(AuditList)), ...problems }
      }
    },
    async ({ query: { limit, after } }) => audit.page({ limit, before: placeIn(after, text => audit.placeOf(text)) })
  )

  app.route({
    method: 'GET',
    url: '/audit/events',
    exposeHeadRoute: false,
    schema: {
      operationId: 'stream_audit',
      ...streamNeeds('admin'),
      tags,
      summary: 'Stream audit entries',
      description: `Entries of the audit log as they are written. ${streamUse}`,
      headers: cursorHeaders,
      querystring: Type.Object(
        {
          reqid: Type.Optional({ ...RequestId, description: 'Only entries of this request.' }),
          from: From,
          last_event_id: LastEventIdQuery,
          ticket: Ticket
        },
        { additionalProperties: false }
      ),
      response: streamAnswer(AuditStreamEvent)
    },
    handler: async (request, reply) => {
      const type = mediaType(request)
      const { reqid, from, last_event_id: lastEventId } = request.query
      const start = audit.hub.startAt(request.headers['last-event-id'] ?? lastEventId ?? from ?? 'latest')
      streamTo(request, reply, { hub: audit.hub, limits }, { type, start, fields: { reqid } })
    }
  })

  answerHead(app, '/audit/events', { role: 'admin' })
}
