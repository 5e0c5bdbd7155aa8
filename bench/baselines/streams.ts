/**
 * What others do with an event that is posted: its argument says which one.
 *
 *   naive       a Fastify route, JSON.stringify and a write for each client
 *   better-sse  a channel of that package
 *   stub        writes prebuilt frames to all, 16 at once, as fast as they are read: how much the readers can take
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { createChannel, createSession } from 'better-sse'
import { fastify } from 'fastify'

const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' }

async function naive(): Promise<Server> {
  const app = fastify({ keepAliveTimeout: 75_000 })
  const clients = new Set<ServerResponse>()
  let id = 0
  app.get('/stream', (_request, reply) => {
    reply.hijack()
    reply.raw.writeHead(200, headers).flushHeaders()
    clients.add(reply.raw)
    reply.raw.on('close', () => clients.delete(reply.raw))
  })
  app.post('/publish', async (request, reply) => {
    id++
    for (const client of clients) client.write(`id: 1xvaq60ufsi34.${id}\ndata: ${JSON.stringify(request.body)}\n\n`)
    return await reply.code(202).send()
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app.server
}

async function betterSse(): Promise<Server> {
  const app = fastify({ keepAliveTimeout: 75_000 })
  const channel = createChannel()
  let id = 0
  app.get('/stream', async (request, reply) => {
    reply.hijack()
    channel.register(await createSession(request.raw, reply.raw))
  })
  app.post('/publish', async (request, reply) => {
    channel.broadcast(request.body, 'message', { eventId: `1xvaq60ufsi34.${++id}` })
    return await reply.code(202).send()
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app.server
}

async function stub(): Promise<Server> {
  const clients: { response: ServerResponse; next: number }[] = []
  const pad = 'x'.repeat(280)
  const chunks: Buffer[] = []
  const atOnce = 16
  const frame = (seq: number) => `data: @${String(seq).padStart(8, '0')}${pad}\n\n`
  const framed = (text: string) => Buffer.from(`${text.length.toString(16)}\r\n${text}\r\n`)
  const chunk = (from: number) =>
    (chunks[from] ??= framed(Array.from({ length: atOnce }, (_, n) => frame(from + n)).join('')))
  const server = createServer((_request, response) => {
    response.writeHead(200, headers).flushHeaders()
    clients.push({ response, next: 1 })
  })
  const write = () => {
    for (const client of clients) {
      if (!client.response.socket || client.response.socket.writableLength > 0) continue
      client.response.socket.write(chunk(client.next))
      client.next += atOnce
    }
    setImmediate(write)
  }
  // Not before all are there: they expect the first.
  process.once('message', write)
  server.listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  return server
}

const servers = { naive, 'better-sse': betterSse, stub }
const server = await servers[process.argv[2] as keyof typeof servers]()
process.send!((server.address() as AddressInfo).port)
process.on('disconnect', () => process.exit())
