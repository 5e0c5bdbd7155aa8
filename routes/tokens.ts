import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { CreatedToken, TokenId, TokenInput, TokenList, tokensMax } from '../schemas/tokens.js'
import { Ref } from '../schemas/types.js'
import type { Tokens } from '../src/server/access/tokens.js'
import { json, needs, problems } from './answers.js'

const tags = ['tokens']

/** Routes for admins to list, make and revoke tokens, as the command does on the controller's host. */
export const tokenRoutes: FastifyPluginAsyncTypebox<{ tokens: Tokens }> = async (app, { tokens }) => {
  app.get(
    '/tokens',
    {
      schema: {
        operationId: 'list_tokens',
        ...needs('admin'),
        tags,
        summary: 'List tokens, oldest first',
        description: `All at once, with their sessions: there are at most ${tokensMax} tokens, so that no pages are needed. Those that have expired are in it until the next one is made.`,
        response: { 200: json('The tokens, without their texts', Ref(TokenList)), ...problems }
      }
    },
    async () => ({ tokens: tokens.list() })
  )

  app.post(
    '/tokens',
    {
      bodyLimit: 1024,
      schema: {
        operationId: 'create_token',
        ...needs('admin'),
        tags,
        summary: 'Make a token',
        description: `Its text is in this answer, and nowhere else: only a hash is kept. So no answer can be given again, and an Idempotency-Key has no effect: who has lost an answer revokes the token that \`list_tokens\` tells of, and asks again. 409 when there are ${tokensMax} that have not expired.`,
        body: Ref(TokenInput),
        response: {
          201: json('The token, good from now on', Ref(CreatedToken), {
            headers: {
              Location: Type.String({ description: 'The token, to be revoked.', examples: ['/v1/tokens/9448e9c83643'] })
            }
          }),
          ...problems
        }
      }
    },
    async (request, reply) => {
      const created = await tokens.create(request.body, request.principal)
      return await reply.code(201).header('location', `/v1/tokens/${created.id}`).send(created)
    }
  )

  app.delete(
    '/tokens/:id',
    {
      schema: {
        operationId: 'revoke_token',
        ...needs('admin'),
        tags,
        summary: 'Revoke a token',
        description:
          "At once, with all that was opened with it: sessions, tickets, streams, WebSockets, an agent's links. A session is revoked by its own id; a token that was made with this one stays. It may be one's own: this answer is its last one. 404 when there is no such token, or no more.",
        params: Type.Object({ id: TokenId }),
        response: { 204: { type: 'null', description: 'The token is revoked' }, ...problems }
      }
    },
    async (request, reply) => {
      await tokens.revoke(request.params.id, request.principal)
      return await reply.code(204).send()
    }
  )
}
