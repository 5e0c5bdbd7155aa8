import type { FastifyInstance } from 'fastify'
import type { Limits } from './access/limits.js'

/** Has the work on each request count for the client that has asked: the time of its handler, and what is answered. */
export function countWork(app: FastifyInstance, limits: Pick<Limits, 'measure' | 'charge'>): void {
  app.addHook('onRoute', route => {
    // Fastify makes HEAD of GET, whose handler is counted already.
    if (route.method === 'HEAD') return
    const { handler } = route
    route.handler = function (request, reply) {
      return limits.measure(request.principal, () => handler.call(this, request, reply))
    }
  })
  app.addHook<unknown>('onSend', (request, reply, payload, done) => {
    // A client that was refused has none.
    const principal = request.principal as typeof request.principal | undefined
    const sent =
      typeof payload === 'string' || Buffer.isBuffer(payload)
        ? payload.length
        : Number(reply.getHeader('content-length') ?? 0)
    if (principal) limits.charge(principal, { sent })
    done(null, payload)
  })
}
