import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { Login, Session, Ticket } from '../schemas/api.js'
import { Ref } from '../schemas/types.js'
import type { Guard, Principal } from '../src/server/access/guard.js'
import { json, needs, problems } from './answers.js'

const tags = ['session']

const cookie = Type.String({
  description: 'The cookie that holds the session; an empty one when it is closed.',
  examples: ['zeek-cluster-session=…; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200']
})

const sessionFor = ({ name, role, expires, labels }: Principal) => ({
  name,
  role,
  ...(labels === undefined ? {} : { labels }),
  ...(expires === undefined ? {} : { expires_at: new Date(expires).toISOString() })
})

/** Routes for web pages: a browser sends a cookie by itself, and an EventSource can send nothing else. */
export const sessionRoutes: FastifyPluginAsyncTypebox<{ guard: Guard }> = async (app, { guard }) => {
  app.post(
    '/session',
    {
      bodyLimit: 1024,
      schema: {
        operationId: 'log_in',
        ...needs('anyone'),
        tags,
        summary: 'Open a browser session',
        description:
          'The session is a cookie that scripts cannot read and that other sites cannot use. It ends with the token, or by itself.',
        body: Ref(Login),
        response: {
          200: json('The session.', Ref(Session), { headers: { 'Set-Cookie': Type.Optional(cookie) } }),
          ...problems
        }
      }
    },
    async (request, reply) => {
      const { principal, cookie: text } = await guard.logIn(request.body.token, request.raw)
      if (text !== undefined) reply.header('set-cookie', text)
      return sessionFor(principal)
    }
  )

  app.get(
    '/session',
    {
      schema: {
        operationId: 'get_session',
        ...needs('viewer', { limited: true }),
        tags,
        summary: 'Get the current session',
        description: 'As whom the controller knows who asks.',
        response: { 200: json('The session.', Ref(Session)), ...problems }
      }
    },
    async request => sessionFor(request.principal)
  )

  app.delete(
    '/session',
    {
      schema: {
        operationId: 'log_out',
        ...needs('viewer', { limited: true }),
        tags,
        summary: 'Close the session',
        description: 'The token with which it was opened stays good.',
        response: {
          204: { type: 'null', description: 'The session is closed.', headers: { 'Set-Cookie': cookie } },
          ...problems
        }
      }
    },
    async (request, reply) =>
      await reply
        .code(204)
        .header('set-cookie', await guard.logOut(request.principal))
        .send()
  )

  app.post(
    '/tickets',
    {
      schema: {
        operationId: 'create_ticket',
        ...needs('viewer', { limited: true }),
        tags,
        summary: 'Create a ticket for one event stream',
        description: 'For an EventSource that has no session: `?ticket=` opens one stream, once, within 30 seconds.',
        response: { 201: json('The ticket.', Ref(Ticket)), ...problems }
      }
    },
    async (request, reply) => {
      const { ticket, expires } = guard.giveTicket(request.principal)
      return await reply.code(201).send({ ticket, expires_at: new Date(expires).toISOString() })
    }
  )
}
