import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { AppError } from '../src/errors.js'
import { needs, problems } from './answers.js'

/** Route of Zeek's WebSocket API for requests without an upgrade; those with one never reach a route. */
export const messageRoutes: FastifyPluginAsyncTypebox = async app => {
  app.get(
    '/messages/json',
    {
      schema: {
        operationId: 'open_messages',
        ...needs('viewer'),
        tags: ['messages'],
        summary: "Zeek's WebSocket API, for zeek-client",
        description:
          'A WebSocket. The first message is a JSON array of topic prefixes and is acknowledged; then events go both ways as data messages. Requests and responses are on the topic `zeek/management/controller`.',
        response: { 101: { description: 'The connection is upgraded to a WebSocket' }, ...problems }
      }
    },
    async (_request, reply) => {
      reply.header('upgrade', 'websocket')
      throw new AppError('upgrade_required', 'this is a WebSocket')
    }
  )
}
