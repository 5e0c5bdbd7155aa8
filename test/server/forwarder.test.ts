import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import {
  Agent,
  createServer,
  request as requestHttp,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type RequestOptions,
  type Server,
  type ServerResponse
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { fastify } from 'fastify'
import t, { type Test } from 'tap'
import { placeHeader, type LogPlace } from '../../src/log-place.js'
import { forwardedHeader } from '../../src/server/access/forwarded.js'
import { Forwarder, type ForwarderOptions } from '../../src/server/forwarder.js'
import { headersOf, problemOf } from '../../src/server/problem.js'
import { takeUpgrades } from '../../src/server/upgrade.js'
import { createAuthority } from '../support/certificates.js'
import { directoryOf } from '../support/directory.js'
import { silent } from '../support/log.js'
import { freePorts } from '../support/ports.js'
import { until } from '../support/until.js'
import { openRaw, upgradeText } from '../support/zeek-websocket.js'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** A promise, and what resolves it. */
function signal<T = void>(): { come: Promise<T>; give: (value: T) => void } {
  let give!: (value: T) => void
  const come = new Promise<T>(resolve => (give = resolve))
  return { come, give }
}

async function listen(t: Test, server: Server, scheme = 'http') {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { server, port, url: `${scheme}://127.0.0.1:${port}`, name: 'leader' }
}

/** One that leads: a plain server, which has no rule of ours. */
const startLeader = async (t: Test, handler: Handler) => await listen(t, createServer(handler))

/** One that does not lead, and forwards all that it is asked. */
async function startFollower(t: Test, options: Partial<ForwarderOptions> & Pick<ForwarderOptions, 'leader'>) {
  const forwarder = new Forwarder({ reached: async () => true, sign: () => 'signed', ca: undefined, ...options })
  const app = fastify()
  const forwarded: Promise<void>[] = []
  const sockets: Socket[] = []
  app.addHook('onRequest', (request, reply, done) => {
    const settled = forwarder.forward(request, reply)
    forwarded.push(settled)
    settled.catch(done)
  })
  app.setErrorHandler((error, _request, reply) => {
    const { problem } = problemOf(error)
    void reply.code(problem.status).headers(headersOf(problem)).send(problem)
  })
  app.server.on('connection', socket => sockets.push(socket))
  takeUpgrades(
    app.server,
    (request, socket, head, refuse) => {
      forwarder.upgrade(request, socket, head, refuse).catch(refuse)
    },
    silent
  )
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(async () => {
    await forwarder.close()
    app.server.closeAllConnections()
    await app.close()
  })
  return { app, url, port: Number(new URL(url).port), forwarder, forwarded, sockets }
}

/** Begins a request. */
function begin(url: string, options: RequestOptions = {}) {
  const request = requestHttp(url, options)
  const answer = once(request, 'response').then(([response]) => response as IncomingMessage)
  // Whoever waits for it is told.
  answer.catch(() => {})
  return { request, answer }
}

async function ask(url: string, { body, ...options }: RequestOptions & { body?: string | Buffer } = {}) {
  const { request, answer } = begin(url, options)
  request.end(body)
  const response = await answer
  return { status: response.statusCode, headers: response.headers, text: await text(response), response }
}

const refusal = async (asked: ReturnType<typeof ask>) => {
  const { status, text: body, headers } = await asked
  return { status, code: JSON.parse(body).code as string, retry: headers['retry-after'] }
}

/** How a response ends that has begun. */
const endOf = async (response: IncomingMessage) =>
  await text(response).then(
    () => 'whole',
    (error: NodeJS.ErrnoException) => error.code
  )

const post = { method: 'POST', headers: { 'content-type': 'application/octet-stream' } }
const piece = Buffer.alloc(1 << 20, 'x')

await t.test('what is uploaded goes to the leader as it comes', async t => {
  const first = signal()
  const leader = await startLeader(t, (request, response) => {
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      first.give()
    })
    request.on('end', () => response.end(String(size)))
  })
  const { url } = await startFollower(t, { leader: () => leader })
  const { request, answer } = begin(`${url}/v1/bundles`, post)
  request.write('first')
  await first.come
  for (let n = 0; n < 4; n++) request.write(piece)
  request.end()
  t.equal(await text(await answer), String(5 + 4 * piece.length))
})

await t.test(
  'an answer that comes before the end of the body reaches the client, whose connection goes on',
  async t => {
    const leader = await startLeader(t, (request, response) => {
      if (request.method === 'GET') response.end('here')
      else response.writeHead(413).end('too much')
    })
    const { url, sockets } = await startFollower(t, { leader: () => leader })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    t.teardown(() => agent.destroy())
    const { request, answer } = begin(`${url}/v1/bundles`, { ...post, agent })
    request.write(piece)
    const response = await answer
    t.match([response.statusCode, await text(response)], [413, 'too much'])
    for (let n = 0; n < 4; n++) request.write(piece)
    request.end()
    t.equal((await ask(url, { agent })).text, 'here')
    t.equal(sockets.length, 1, 'on the same connection')
  }
)

await t.test('what is refused before anything is sent leaves the connection good', async t => {
  const [port] = await freePorts(1)
  let leader = { name: 'gone', url: `http://127.0.0.1:${port}` }
  const { url, sockets } = await startFollower(t, { leader: () => leader })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  t.same(await refusal(ask(url, { ...post, agent, body: piece })), { status: 503, code: 'not_leader', retry: '1' })
  leader = await startLeader(t, (_request, response) => response.end('here'))
  t.equal((await ask(url, { agent })).text, 'here')
  t.equal(sockets.length, 1, 'on the same connection')
})

await t.test('a stream begins before its first event, and comes event by event', async t => {
  const stream = signal<ServerResponse>()
  const leader = await startLeader(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    stream.give(response)
  })
  const { url } = await startFollower(t, { leader: () => leader })
  const { request, answer } = begin(`${url}/v1/events?snapshot=true`)
  request.end()
  const [out, response] = await Promise.all([stream.come, answer])
  t.equal(response.headers['content-type'], 'text/event-stream')
  const parts = response.setEncoding('utf8')[Symbol.asyncIterator]()
  for (const event of ['event: hello\n\n', 'event: bye\n\n']) {
    out.write(event)
    t.equal((await parts.next()).value, event)
  }
  out.end()
  t.equal((await parts.next()).done, true)
  t.ok(response.complete)
})

await t.test('an answer is as the leader has given it', async t => {
  const body = gzipSync('{"a":1}')
  const leader = await startLeader(t, (_request, response) => {
    response
      .writeHead(201, {
        'content-type': 'application/json; charset=utf-8',
        'content-encoding': 'gzip',
        'content-length': body.length,
        'set-cookie': ['a=1; Path=/', 'b=2; Path=/'],
        location: '/v1/requests/1',
        connection: 'keep-alive, x-hop',
        'x-hop': 'only here',
        'proxy-connection': 'keep-alive',
        'zeek-forwarded': 'signed',
        'zeek-log-place': '2.7'
      })
      .end(body)
  })
  const places: LogPlace[] = []
  const { url } = await startFollower(t, {
    leader: () => leader,
    reached: async place => {
      places.push(place)
      return true
    }
  })
  const { request, answer } = begin(url, post)
  request.end('{}')
  const response = await answer
  const chunks: Buffer[] = await response.toArray()
  t.same(Buffer.concat(chunks), body)
  const { headers, statusCode } = response
  t.equal(statusCode, 201)
  t.match(headers, {
    'content-type': 'application/json; charset=utf-8',
    'content-encoding': 'gzip',
    'content-length': String(body.length),
    'set-cookie': ['a=1; Path=/', 'b=2; Path=/'],
    location: '/v1/requests/1'
  })
  for (const name of ['x-hop', 'proxy-connection', 'zeek-forwarded', 'transfer-encoding']) {
    t.notOk(name in headers, name)
  }
  t.same(places, [{ term: 2, place: 7 }])
})

await t.test('the leader gets what the client has said, and nothing that is for the next machine only', async t => {
  const asked = signal<IncomingMessage>()
  const leader = await startLeader(t, (request, response) => {
    asked.give(request)
    request.resume().once('end', () => response.end())
  })
  const { url } = await startFollower(t, { leader: () => leader })
  const headers: OutgoingHttpHeaders = {
    host: 'cluster.example:2149',
    authorization: 'Bearer t',
    cookie: 'a=1; b=2',
    origin: 'http://cluster.example:2149',
    'idempotency-key': 'k',
    'content-length': '2',
    expect: '100-continue',
    te: 'trailers',
    connection: 'keep-alive, X-Hop',
    'keep-alive': 'timeout=5',
    'proxy-connection': 'keep-alive',
    'x-hop': 'only here',
    'zeek-forwarded': ['forged', 'twice'],
    'zeek-log-place': '2.9'
  }
  const { request, answer } = begin(`${url}/v1/requests/deploy?a=%2F..&b=%C3%A4`, { method: 'POST', headers })
  await once(request, 'continue')
  request.end('{}')
  await text(await answer)
  const { headers: got, rawHeaders, url: target, method } = await asked.come
  t.match([method, target], ['POST', '/v1/requests/deploy?a=%2F..&b=%C3%A4'])
  t.match(got, {
    host: 'cluster.example:2149',
    authorization: 'Bearer t',
    cookie: 'a=1; b=2',
    origin: 'http://cluster.example:2149',
    'idempotency-key': 'k',
    'content-length': '2',
    'zeek-forwarded': 'signed'
  })
  t.equal(rawHeaders.filter(name => /^zeek-forwarded$/i.test(name)).length, 1)
  for (const name of ['expect', 'te', 'keep-alive', 'proxy-connection', 'x-hop']) {
    t.notOk(name in got, name)
  }
})

await t.test('when the client leaves, the leader is asked no longer', async t => {
  let asked = signal<ServerResponse>()
  const leader = await startLeader(t, (_request, response) => asked.give(response))
  const { url } = await startFollower(t, { leader: () => leader })
  for (const method of ['POST', 'GET']) {
    asked = signal()
    const { request } = begin(url, { method })
    request.on('error', () => {})
    request.end()
    const response = await asked.come
    request.destroy()
    if (!response.closed) await once(response, 'close')
    t.ok(response.closed, method)
  }
})

await t.test('a client that leaves while nobody leads is not forwarded', async t => {
  let asked = 0
  const one = await startLeader(t, (_request, response) => {
    asked++
    response.end()
  })
  const known: { leader?: typeof one } = {}
  const { url, forwarded, sockets } = await startFollower(t, { leader: () => known.leader })
  const { request } = begin(url, post)
  request.on('error', () => {})
  request.end('{}')
  await until(() => forwarded.length > 0, 'it is asked')
  request.destroy()
  await until(() => sockets[0]!.destroyed, 'it is gone')
  known.leader = one
  await t.rejects(forwarded[0]!)
  t.equal(asked, 0)
})

await t.test('while nobody leads, that is told', async t => {
  const { url, port } = await startFollower(t, { leader: () => undefined })
  t.same(await refusal(ask(url, { ...post, body: '{}' })), { status: 503, code: 'not_leader', retry: '1' })
  t.match(await (await openRaw(t, port, upgradeText(port))).ended, /^HTTP\/1\.1 503 .*"not_leader"/s)
})

// Clients repeat what nobody has done, also without a key.
await t.test('a leader that dies after it was asked may have done what was asked', async t => {
  const leader = await startLeader(t, request => request.resume().once('end', () => request.socket.destroy()))
  const { url } = await startFollower(t, { leader: () => leader })
  t.same(await refusal(ask(url, { ...post, body: '{}' })), { status: 503, code: 'unavailable', retry: '5' })
  t.same(await refusal(ask(url, { method: 'DELETE' })), { status: 503, code: 'unavailable', retry: '5' })
  t.same(await refusal(ask(url)), { status: 503, code: 'not_leader', retry: '1' })
})

await t.test('the wait for an answer ends when another one leads', async t => {
  let asked = signal<ServerResponse>()
  const old = await startLeader(t, (_request, response) => asked.give(response))
  let leader = old
  const { url } = await startFollower(t, { leader: () => leader })
  const refused = refusal(ask(url, { ...post, body: '{}' }))
  await asked.come
  const next = { ...old, url: 'http://127.0.0.1:1' }
  leader = next
  t.match(await refused, { code: 'unavailable' })

  leader = old
  asked = signal()
  const { request, answer } = begin(url)
  request.end()
  const stream = await asked.come
  stream.write('event: hello\n\n')
  const response = await answer
  leader = next
  t.equal(await endOf(response), 'ECONNRESET', 'also that for the rest of one')
})

await t.test('an answer that breaks off ends the connection, and never looks whole', async t => {
  const leader = await startLeader(t, (request, response) => {
    const length = request.url === '/length' ? { 'content-length': '100' } : {}
    response.writeHead(200, { 'content-type': 'text/event-stream', ...length }).flushHeaders()
    if (request.url === '/nothing') response.socket!.end()
    else response.write('event: hello\n\n', () => response.socket!.destroy())
  })
  const { url, port } = await startFollower(t, { leader: () => leader })
  for (const path of ['/length', '/chunks', '/nothing']) {
    const { request, answer } = begin(`${url}${path}`)
    request.end()
    const response = await answer
    t.equal(response.statusCode, 200)
    t.equal(await endOf(response), 'ECONNRESET', path)
  }
  const raw = await openRaw(t, port, `GET /chunks HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`)
  t.notMatch(await raw.ended, /\r\n0\r\n/)
})

await t.test('a leader that dies while its place is waited for ends the connection', async t => {
  const dead = signal<Socket>()
  const leader = await startLeader(t, (_request, response) => {
    response.writeHead(202, { 'zeek-log-place': '2.1', 'content-length': '100' }).flushHeaders()
    dead.give(response.socket!)
  })
  const { url } = await startFollower(t, {
    leader: () => leader,
    reached: async () => {
      const socket = await dead.come
      socket.resetAndDestroy()
      await once(socket, 'close')
      return true
    }
  })
  const { request, answer } = begin(url, post)
  request.end('{}')
  t.equal(await answer.then(endOf, (error: NodeJS.ErrnoException) => error.code), 'ECONNRESET')
})

await t.test('what cannot be forwarded is a mistake of the client', async t => {
  const leader = await startLeader(t, (_request, response) => response.end('here'))
  const { port } = await startFollower(t, { leader: () => leader })
  const raw = await openRaw(t, port, `OPTIONS * HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nconnection: close\r\n\r\n`)
  t.match(await raw.ended, /^HTTP\/1\.1 4\d\d /)
})

/** A leader with a certificate for its own address only, which repeats what comes by an upgrade. */
async function startTlsLeader(t: Test, role = 'controller') {
  const authority = createAuthority(directoryOf(t))
  const issued = authority.issue(role, 'leader', { names: 'IP:127.0.0.1' })
  let asked = 0
  const server = createTlsServer(
    { cert: readFileSync(issued.cert), key: readFileSync(issued.key) },
    (request, response) => {
      asked++
      request.pipe(response)
    }
  )
  server.on('upgrade', (_request, socket: Duplex) => {
    asked++
    socket.on('error', () => {})
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
    socket.pipe(socket)
  })
  const leader = await listen(t, server, 'https')
  return { leader, ca: [readFileSync(authority.ca, 'utf8')], asked: () => asked }
}

await t.test('over TLS the certificate is that of the leader, whatever host the client has asked', async t => {
  const { leader, ca } = await startTlsLeader(t)
  const { url, port } = await startFollower(t, { leader: () => leader, ca })
  for (const host of ['cluster.example', `127.0.0.1:${port}`, 'other.example:1']) {
    const { status, text: body } = await ask(url, { method: 'POST', headers: { host }, body: 'sent' })
    t.match([status, body], [200, 'sent'], host)
    const raw = await openRaw(t, port, `${upgradeText(port, { headers: { host } })}early`)
    await until(() => raw.text().endsWith('\r\n\r\nearly'), 'it is repeated')
  }
})

await t.test(
  'nothing is sent to one whose certificate is of an unknown authority, of an agent, or for another host',
  async t => {
    const agent = await startTlsLeader(t, 'agent')
    const { leader, ca, asked } = await startTlsLeader(t)
    for (const [what, options] of [
      ['authority', { leader: () => leader, ca: [readFileSync(createAuthority(directoryOf(t)).ca, 'utf8')] }],
      ['host', { leader: () => ({ ...leader, url: `https://localhost:${leader.port}` }), ca }],
      ['agent', { leader: () => agent.leader, ca: agent.ca }],
      ['no TLS', { leader: () => ({ ...leader, url: `http://127.0.0.1:${leader.port}` }) }]
    ] as const) {
      const { url, port } = await startFollower(t, options)
      if (what !== 'no TLS') {
        t.same(await refusal(ask(url, { ...post, body: piece })), { status: 503, code: 'not_leader', retry: '1' }, what)
      }
      const raw = await openRaw(t, port, upgradeText(port))
      t.match(await raw.ended, /^HTTP\/1\.1 503 .*"not_leader"/s, what)
    }
    t.equal(asked() + agent.asked(), 0)
  }
)

/** A leader that takes upgrades. */
async function startUpgrading(t: Test, upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void) {
  const leader = await startLeader(t, (_request, response) => response.end())
  leader.server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    upgrade(request, socket, head)
  })
  return leader
}

const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'

await t.test('a WebSocket goes through, with what comes with its first lines', async t => {
  const asked = signal<IncomingMessage>()
  const leader = await startUpgrading(t, (request, socket, head) => {
    asked.give(request)
    socket.write(`${switching}Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX-Own: 1\r\n\r\nfirst`)
    socket.unshift(head)
    socket.pipe(socket)
  })
  const { port, sockets } = await startFollower(t, { leader: () => leader })
  const headers = { 'zeek-forwarded': 'forged', origin: `http://127.0.0.1:${port}`, 'sec-websocket-protocol': 'a, b' }
  const raw = await openRaw(t, port, `${upgradeText(port, { at: '/v1/messages/json?a=%20', headers })}early`)
  await until(() => raw.text().endsWith('firstearly'), 'both ends have the other')
  t.match(raw.text(), /^HTTP\/1\.1 101 .*\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\nX-Own: 1\r\n/s)
  const { headers: got, url } = await asked.come
  t.equal(url, '/v1/messages/json?a=%20')
  t.match(got, {
    host: `127.0.0.1:${port}`,
    'zeek-forwarded': 'signed',
    origin: `http://127.0.0.1:${port}`,
    'sec-websocket-protocol': 'a, b',
    'sec-websocket-version': '13',
    connection: 'upgrade'
  })
  t.equal(sockets[0]!.timeout ?? 0, 0, 'it may be silent')
  raw.socket.write('later')
  await until(() => raw.text().endsWith('later'), 'it goes on')
})

await t.test('a WebSocket ends with either of its ends', async t => {
  let opened = signal<Duplex>()
  const leader = await startUpgrading(t, (_request, socket) => {
    socket.write(`${switching}\r\n`)
    opened.give(socket)
  })
  let known = leader
  const { port, forwarder } = await startFollower(t, { leader: () => known })
  const open = async () => {
    opened = signal()
    const raw = await openRaw(t, port, upgradeText(port))
    const upstream = await opened.come
    upstream.resume()
    await until(() => raw.text().endsWith('\r\n\r\n'), 'it is open')
    return { raw, upstream }
  }
  for (const leave of ['destroy', 'resetAndDestroy'] as const) {
    const one = await open()
    one.raw.socket[leave]()
    await until(() => one.upstream.destroyed || one.upstream.readableEnded, `the leader hears of it: ${leave}`)
  }
  const other = await open()
  other.upstream.destroy()
  await other.raw.ended
  const lost = await open()
  known = { ...leader, url: 'http://127.0.0.1:1' }
  await lost.raw.ended
  known = leader
  const closed = await open()
  await forwarder.close()
  await closed.raw.ended
})

await t.test('a WebSocket that the leader refuses is refused as it says', async t => {
  const leader = await startUpgrading(t, (_request, socket) => {
    socket.end(
      'HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: application/problem+json\r\nContent-Length: 20\r\n\r\n{"code":"forbidden"}'
    )
  })
  const { port } = await startFollower(t, { leader: () => leader })
  const answer = await (await openRaw(t, port, upgradeText(port))).ended
  t.match(answer, /^HTTP\/1\.1 403 Forbidden\r\n.*application\/problem\+json.*\r\n\r\n\{"code":"forbidden"\}$/s)
  t.equal(answer.match(/connection:/gi)?.length, 1)
})

await t.test('a WebSocket that the leader does not answer is refused, and left alone once it was begun', async t => {
  const leader = await startUpgrading(t, (request, socket) => {
    // Nothing comes of the rest of the second one.
    if (request.url === '/begun') socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 20\r\n\r\n{')
  })
  const { port } = await startFollower(t, { leader: () => leader })
  const [silence, begun] = await Promise.all(
    ['/silent', '/begun'].map(async at => await (await openRaw(t, port, upgradeText(port, { at }))).ended)
  )
  t.match(silence, /^HTTP\/1\.1 503 .*"not_leader"/s)
  t.match(begun, /^HTTP\/1\.1 403 /)
  t.equal(begun!.match(/HTTP\/1\.1/g)?.length, 1)
})

await t.test('a WebSocket goes to the leader, whatever host its target names', async t => {
  let strange = 0
  const stranger = await startUpgrading(t, (_request, socket) => {
    strange++
    socket.destroy()
  })
  const targets: (string | undefined)[] = []
  const leader = await startUpgrading(t, (request, socket) => {
    targets.push(request.url)
    socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
  })
  const { port } = await startFollower(t, { leader: () => leader })
  const asked = [`//127.0.0.1:${stranger.port}/a`, `${stranger.url}/a`, '/\\127.0.0.1/a', '/a/../b']
  for (const at of asked) {
    const raw = await openRaw(t, port, upgradeText(port, { at }))
    t.match(await raw.ended, /^HTTP\/1\.1 403 /, at)
  }
  t.same(targets, asked, 'as it was signed')
  t.equal(strange, 0)
})

await t.test(
  'what is asked on behalf of a client is told once it is here, and refused as the leader refuses it',
  async t => {
    const asked: (string | undefined)[][] = []
    const leader = await startLeader(t, (request, response) => {
      const { url, headers } = request
      asked.push([url, headers.authorization, headers.cookie, headers[forwardedHeader] as string, headers.accept])
      if (url === '/refused') response.statusCode = 403
      response.setHeader('content-type', 'application/json')
      if (url !== '/refused') response.setHeader(placeHeader, '2.7')
      response.end(url === '/refused' ? '{"code":"forbidden","detail":"no"}' : '[1]')
    })
    let isHere = true
    const places: LogPlace[] = []
    const forwarder = new Forwarder({
      leader: () => ({ name: 'a', url: leader.url }),
      reached: async place => {
        places.push(place)
        return isHere
      },
      sign: (_request, path) => `signed for ${path}`,
      ca: undefined
    })
    t.teardown(() => forwarder.close())
    const raw = {
      headers: { authorization: 'Bearer a', accept: 'text/event-stream' },
      url: '/stream'
    } as IncomingMessage
    const get = async (path: string) => await forwarder.get(raw, path, new AbortController().signal)
    t.same(await get('/told'), [1])
    t.same(asked, [['/told', 'Bearer a', undefined, 'signed for /told', undefined]])
    await t.rejects(get('/refused'), { code: 'forbidden', message: 'no' })
    isHere = false
    await t.rejects(get('/told'), { code: 'unavailable', message: /is behind/ })
    t.same(places, [
      { term: 2, place: 7 },
      { term: 2, place: 7 }
    ])
    leader.server.closeAllConnections()
    leader.server.close()
    await t.rejects(get('/told'), { code: 'not_leader' })
  }
)
