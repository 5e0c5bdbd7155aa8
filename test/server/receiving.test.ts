import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { fastify } from 'fastify'
import t from 'tap'
import { AppError } from '../../src/errors.js'
import { limitReceiving } from '../../src/server/receiving.js'

await t.test('a body that does not come is refused; a stream may take its time', async t => {
  const app = fastify()
  t.teardown(() => app.close())
  limitReceiving(app, 50)
  app.setErrorHandler((error, _request, reply) =>
    reply.code((error as AppError).code === 'request_timeout' ? 408 : 500).send()
  )
  app.post('/', async () => 'done')
  app.addContentTypeParser('application/x-tar', (_request, payload, done) => done(null, payload))
  app.post(
    '/stream',
    { config: { isStream: true } },
    async request => (await text(request.body as AsyncIterable<Buffer>)).length
  )
  await app.listen({ port: 0 })
  const { port } = app.server.address() as { port: number }
  const open = (path: string, type: string) => {
    const socket = connect(port, '127.0.0.1')
    socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: 4\r\n\r\nab`)
    return socket
  }
  t.match(await text(open('/', 'text/plain')), /^HTTP\/1.1 408 [^]*connection: close/i)
  const socket = open('/stream', 'application/x-tar')
  // Longer than the other one has had.
  t.match(await text(open('/', 'text/plain')), /^HTTP\/1.1 408 /)
  socket.end('cd')
  t.match(await text(socket), /^HTTP\/1.1 200 [^]*\r\n4$/)
})
