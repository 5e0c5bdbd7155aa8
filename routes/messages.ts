import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { AppError } from '../src/errors.js'
import { needs } from './answers.js'

/** Route of Zeek's WebSocket API for requests without an upgrade; those with one never reach a route. */
export const messageRoutes: FastifyPluginAsyncTypebox = async app => {
  app.get(
    '/messages/json',
    {
      // OpenAPI has no words for a WebSocket.
      schema: { hide: true, ...needs('viewer') }
    },
    async (_request, reply) => {
      reply.header('upgrade', 'websocket')
      throw new AppError('upgrade_required', 'this is a WebSocket')
    }
  )
}
