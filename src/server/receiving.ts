import type { FastifyInstance } from 'fastify'
import { AppError } from '../errors.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * Whether the body is a stream, which may take as long as it goes on: whoever reads it gives up one that pauses.
     */
    isStream?: boolean
  }
}

/** Has a request refused whose body is not here within so many milliseconds, unless it is a stream. */
export function limitReceiving(app: FastifyInstance, ms: number): void {
  app.addHook('onRequest', (request, reply, done) => {
    done()
    const { raw } = request
    const hasBody = raw.headers['transfer-encoding'] !== undefined || Number(raw.headers['content-length'] ?? 0) > 0
    if (!hasBody || request.routeOptions.config.isStream === true) return
    const timer = setTimeout(() => {
      if (raw.complete || reply.sent) return
      const error = new AppError('request_timeout', `the request was not here after ${ms / 1000} seconds`)
      void reply.header('connection', 'close').send(error)
      reply.raw.once('close', () => raw.destroy())
    }, ms)
    raw.once('close', () => clearTimeout(timer))
  })
}
