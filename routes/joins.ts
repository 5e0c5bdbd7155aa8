import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { Join, JoinAnswer, JoinId, JoinInput, JoinList } from '../schemas/joins.js'
import { Name, Ref } from '../schemas/types.js'
import type { Controller } from '../src/controller/controller.js'
import { json, needs, problems } from './answers.js'

const tags = ['joining']
const params = Type.Object({ id: JoinId })

/** Routes by which hosts become agents, and cease to be. */
export const joinRoutes: FastifyPluginAsyncTypebox<{ controller: Controller }> = async (
  app,
  { controller: { joins } }
) => {
  app.post(
    '/joins',
    {
      bodyLimit: 8192,
      schema: {
        operationId: 'ask_to_join',
        ...needs('join'),
        tags,
        summary: 'Ask to join',
        description:
          'What `zeek-cluster join` does on a host, with a token of role `join`, which is good for nothing else. The same key and name are asked for once, however often this is sent: each time the answer says what has become of it, so that a host which waits sends it again. The controller alone says what is in the certificate. 403 when the token is used up, or is for another name; 409 when the name belongs to another key, the key to another name, or the controller has no authority.',
        body: Ref(JoinInput),
        response: { 200: json('What has become of it.', Ref(JoinAnswer)), ...problems }
      }
    },
    async request => await joins.ask(request.body, request.principal)
  )

  app.get(
    '/joins',
    {
      schema: {
        operationId: 'list_joins',
        ...needs('operator'),
        tags,
        summary: 'List what hosts have asked for, oldest first',
        description:
          'All at once: 1,000 may wait at a time. Each is kept until the token ends with which it was asked. Compare the fingerprint with that which the host shows, then accept or deny it.',
        response: { 200: json('What hosts have asked for.', Ref(JoinList)), ...problems }
      }
    },
    async () => ({ joins: joins.list() })
  )

  app.post(
    '/joins/:id/accept',
    {
      bodyLimit: 1024,
      schema: {
        operationId: 'accept_join',
        ...needs('operator'),
        tags,
        summary: 'Accept a host',
        description:
          'It gets its certificate the next time that it asks. Who accepts what was accepted changes nothing. 409 when it was denied, or its name is taken meanwhile.',
        params,
        response: { 200: json('It is accepted.', Ref(Join)), ...problems }
      }
    },
    async request => await joins.accept(request.params.id, request.principal)
  )

  app.post(
    '/joins/:id/deny',
    {
      bodyLimit: 1024,
      schema: {
        operationId: 'deny_join',
        ...needs('operator'),
        tags,
        summary: 'Deny a host',
        description: 'It gets no certificate. Who denies what was denied changes nothing. 409 when it was accepted.',
        params,
        response: { 200: json('It is denied.', Ref(Join)), ...problems }
      }
    },
    async request => await joins.deny(request.params.id, request.principal)
  )

  app.delete(
    '/instances/:instance',
    {
      schema: {
        operationId: 'forget_instance',
        ...needs('operator'),
        tags,
        summary: 'Forget an agent',
        description:
          'One that has joined: its certificates are not taken any more, its link ends at once, and its name is free. What it runs goes on: stop its nodes first. 404 when it has no certificate of this controller; 409 while what is deployed names it.',
        params: Type.Object({ instance: Name }),
        querystring: Type.Object(
          {
            force: Type.Optional(
              Type.Boolean({ description: 'Even while what is deployed names it.', examples: [true] })
            )
          },
          { additionalProperties: false }
        ),
        response: { 204: { type: 'null', description: 'It is forgotten.' }, ...problems }
      }
    },
    async (request, reply) => {
      const { params, query, principal } = request
      await joins.forget(params.instance, { force: query.force === true, by: principal })
      return await reply.code(204).send()
    }
  )
}
