import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { retryAfterOf, Webhook } from '../../src/notify/webhook.js'
import { createAuthority } from '../support/certificates.js'
import { directoryOf } from '../support/directory.js'
import { freePorts } from '../support/ports.js'
import { notificationOf, occurrence, teller } from './notification.js'
import { startReceiver } from './receiver.js'

const never = new AbortController().signal
const notification = notificationOf(occurrence(1))

/** Tries to deliver to a URL. `timeoutMs`: long, unless it is to pass. */
const deliver = async (
  url: string,
  { timeoutMs = 60_000, ca, key }: { timeoutMs?: number; ca?: string; key?: Buffer } = {}
) =>
  await new Webhook({
    name: 'ops',
    url: new URL(url),
    key,
    template: 'json',
    headers: { authorization: 'Bearer hidden' },
    ca,
    timeoutMs,
    teller,
    now: Date.now
  }).deliver(notification, never)

/** A server below HTTP, which does something with each connection once it has got something. Returns its URL. */
async function startPeer(t: Test, behave: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {}).once('data', () => behave(socket))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

await t.test('2xx is taken, whatever is in the answer', async t => {
  for (const status of [200, 202, 204]) {
    const { url } = await startReceiver(t, (_received, response) => response.writeHead(status).end())
    t.same(await deliver(url), { state: 'taken', detail: `HTTP ${status}` })
  }
  const { url } = await startReceiver(t, (_received, response) => response.end('fi\r\nne\u001b[31m\u2028!'))
  t.same(await deliver(url), { state: 'taken', detail: 'HTTP 200: fi ne [31m !' }, 'in one line')
})

await t.test('where nobody listens, it fails', async t => {
  const [port] = await freePorts(1)
  t.match(await deliver(`http://127.0.0.1:${port}`), { state: 'failed', detail: /ECONNREFUSED/ })
})

await t.test('a connection that breaks before the answer fails', async t => {
  const url = await startPeer(t, socket => socket.resetAndDestroy())
  t.match(await deliver(url), { state: 'failed', detail: /ECONNRESET|hang up/ })
})

await t.test('who says nothing is given up in time', async t => {
  const url = await startPeer(t, () => {})
  t.match(await deliver(url, { timeoutMs: 50 }), { state: 'failed', detail: 'no answer within 0.05 s' })
})

await t.test('who says something other than HTTP fails', async t => {
  const url = await startPeer(t, socket => socket.end('220 mail.example.org ESMTP\r\n'))
  t.match(await deliver(url), { state: 'failed', detail: /Parse Error/ })
})

await t.test('headers without an end fail', async t => {
  const url = await startPeer(t, socket => socket.write(`HTTP/1.1 200 OK\r\n${'x-a: b\r\n'.repeat(100_000)}`))
  t.match(await deliver(url), { state: 'failed' })
})

await t.test('the status of an answer counts, although its body hangs, breaks off, or never ends', async t => {
  const head = 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n'
  for (const behave of [
    (socket: Socket) => socket.write(`${head}begun`),
    (socket: Socket) => socket.write(`${head}begun`, () => socket.resetAndDestroy()),
    (socket: Socket) => socket.end(`${head}begun`)
  ]) {
    t.match(await deliver(await startPeer(t, behave)), { state: 'taken', detail: /^HTTP 200/ })
  }
  let sent = 0
  const url = await startPeer(t, socket => {
    socket.write('HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n')
    const more = () => {
      while (!socket.destroyed && socket.write(`ffff\r\n${'x'.repeat(0xffff)}\r\n`)) sent++
    }
    socket.on('drain', more)
    more()
  })
  const { state, detail } = await deliver(url)
  t.equal(state, 'failed')
  t.ok(detail.length < 400 && sent < 10_000, 'only the start is read')
})

await t.test('500 fails, and 429 says when to come again', async t => {
  const { url, behave } = await startReceiver(t, (_received, response) => response.writeHead(500).end('no\nway'))
  t.same(await deliver(url), { state: 'failed', detail: 'HTTP 500: no way' })
  behave((_received, response) => response.writeHead(429, { 'retry-after': '17' }).end())
  t.same(await deliver(url), { state: 'failed', detail: 'HTTP 429', retryAfterMs: 17_000 })
  behave((_received, response) => response.writeHead(503, { 'retry-after': '999999999' }).end())
  t.match(await deliver(url), { retryAfterMs: 3_600_000 }, 'not for ever')
})

await t.test('what is refused for good is told from what may be taken later', async t => {
  const { url, behave } = await startReceiver(t)
  for (const [status, state] of [
    [400, 'refused'],
    [413, 'refused'],
    [401, 'failed'],
    [404, 'failed'],
    [410, 'failed']
  ] as const) {
    behave((_received, response) => response.writeHead(status).end())
    t.equal((await deliver(url)).state, state, String(status))
  }
})

await t.test('a redirect is not followed: nothing goes where nobody has sent it', async t => {
  const elsewhere = await startReceiver(t)
  const { url, received } = await startReceiver(t, (_received, response) =>
    response.writeHead(307, { location: elsewhere.url }).end()
  )
  t.match(await deliver(url), { state: 'failed', detail: /^HTTP 307: it points elsewhere/ })
  t.same([received.length, elsewhere.received.length], [1, 0])
})

await t.test('what is secret of a sink is not in what is told of its answer, however that repeats it', async t => {
  const secret = 'T0/B0/Xyz%2F%C3%BCSecretSecret'
  const secrets = /T0|Xyz|Secret|t0ken|hidden|AAAA/
  const { url, behave } = await startReceiver(t)
  const path = `/services/${secret}?token=t0kent0ken&n=1`
  const key = Buffer.alloc(24)
  const tell = async (said: string) => {
    behave((_received, response) => response.writeHead(404, { location: `${url}${path}` }).end(said))
    const { detail } = await deliver(`${url}${path}`, { key })
    t.notMatch(detail, secrets, said.slice(0, 100))
    return detail
  }
  t.equal(await tell(`Cannot POST ${path}`), 'HTTP 404: Cannot POST …')
  t.equal(await tell(`Cannot POST ${path.split('?')[0]}: no`), 'HTTP 404: Cannot POST …: no')
  t.match(await tell(`no hook ${decodeURIComponent(path)}`), /no hook …/)
  t.match(await tell(`no hook ${secret.slice(6)} here`), /no hook … here/)
  t.match(await tell(path.slice(16).replaceAll('&', '&amp;')), /&amp;n=1/)
  t.match(await tell('authorization: Bearer hidden; hidden is no token'), /…; … is no token/)
  t.match(await tell(`whsec_${key.toString('base64')} is not mine`), /whsec_… is not mine/)
  for (const one of [path, decodeURIComponent(path)]) {
    // The start that is read ends anywhere in it.
    for (let n = 0; n <= one.length; n++) await tell('.'.repeat(n) + `${one} `.repeat(50))
  }
  behave((_received, response) => response.writeHead(307, { location: `${url}${path}` }).end(path))
  t.notMatch((await deliver(`${url}${path}`, { key })).detail, secrets, 'nor of a redirect')
})

await t.test('TLS: the certificate must be of an authority that is known, and for that name', async t => {
  const directory = directoryOf(t)
  const [authority, other] = [createAuthority(directory), createAuthority(directory, 'other')]
  const ca = readFileSync(authority.ca, 'utf8')
  const good = await startReceiver(t, undefined, authority.issue('x', 'x'))
  t.match(await deliver(good.url, { ca }), { state: 'taken' })
  t.match(await deliver(good.url), { state: 'failed', detail: /certificate/ }, 'without the authority')
  t.match(await deliver(good.url, { ca: readFileSync(other.ca, 'utf8') }), { state: 'failed' }, 'with another one')
  const named = await startReceiver(t, undefined, authority.issue('x', 'y', { names: 'DNS:example.org' }))
  t.match(await deliver(named.url, { ca }), { state: 'failed', detail: /altnames|does not match/ })
  const clear = await startReceiver(t)
  t.match(await deliver(clear.url.replace('http', 'https')), { state: 'failed', detail: /SSL|EPROTO/ }, 'without TLS')
  t.same([named.received, clear.received], [[], []])
})

await t.test('an attempt ends at once when the controller does', async t => {
  const url = await startPeer(t, () => ending.abort())
  const ending = new AbortController()
  const webhook = new Webhook({
    name: 'ops',
    url: new URL(url),
    key: undefined,
    template: 'json',
    headers: {},
    ca: undefined,
    timeoutMs: 60_000,
    teller,
    now: Date.now
  })
  t.match(await webhook.deliver(notification, ending.signal), { state: 'failed' })
  t.match(await webhook.deliver(notification, ending.signal), { state: 'failed' }, 'and none begins')
})

await t.test('Retry-After has seconds, or a date', async t => {
  const now = Date.parse('2026-11-30T12:00:00Z')
  t.equal(retryAfterOf('120', now), 120_000)
  t.equal(retryAfterOf('Mon, 30 Nov 2026 12:00:10 GMT', now), 10_000)
  t.equal(retryAfterOf('Mon, 30 Nov 2026 11:00:10 GMT', now), 0)
  for (const other of [undefined, '', 'soon', '-5', '1e9']) t.equal(retryAfterOf(other, now), undefined, String(other))
})
