/**
 * The yardsticks of a POST. Without an argument, a bare Fastify route with the schema of the request, which makes an
 * answer of
 * the same shape and keeps nothing; with `constant`, a socket that answers whatever comes, to see what the load can do.
 */
import { randomUUID } from 'node:crypto'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { fastify } from 'fastify'
import { requests } from '../../schemas/api.js'
import { Ref } from '../../schemas/types.js'
import { ajvOptions, components } from '../../schemas/validator.js'

const type = 'stage_configuration'

async function bare(): Promise<number> {
  const app = fastify({ ajv: { customOptions: ajvOptions as object } })
  for (const component of components) app.addSchema(component)
  app.post(`/v1/requests/${type}`, { schema: { body: Ref(requests[type].arguments) } }, async (request, reply) => {
    const reqid = randomUUID()
    const now = Date.now()
    return await reply
      .code(202)
      .header('location', `/v1/requests/${reqid}`)
      .send({
        reqid,
        type,
        state: 'pending',
        arguments: request.body,
        results: [],
        warnings: [],
        created_at: new Date(now).toISOString(),
        expires_at: new Date(now + 10_000).toISOString(),
        event_cursor: 'abc.1'
      })
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return (app.server.address() as AddressInfo).port
}

async function constant(): Promise<number> {
  const body = JSON.stringify({ reqid: randomUUID(), padding: 'x'.repeat(500) })
  const answer = Buffer.from(`HTTP/1.1 202 Accepted\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  const server = createServer(socket => {
    socket
      .setNoDelay(true)
      .on('error', () => {})
      .on('data', () => socket.write(answer))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

process.send!(await (process.argv[2] === 'constant' ? constant() : bare()))
process.on('disconnect', () => process.exit())
