import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { agentPath } from '../../../schemas/agent.js'
import { Limits } from '../../../src/server/access/limits.js'
import type { Role } from '../../../schemas/access.js'
import { tokenCommand } from '../../../src/cli/offline-tokens.js'
import { createAuthority } from '../../support/certificates.js'
import { openStream } from '../../support/client.js'
import { startTestController } from '../../support/controller.js'
import { directoryOf } from '../../support/directory.js'
import { until } from '../../support/until.js'
import { openClient, openRaw, requestFrame, upgradeText } from '../../support/zeek-websocket.js'

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** A controller whose clock stands still until it is moved, and what its metrics say. */
async function start(t: Test, flags: Record<string, string> = {}, role: Role = 'admin') {
  const directory = directoryOf(t)
  const clock = { now: Date.now() }
  const tokens = await Promise.all(['one', 'two'].map(name => tokenCommand(['create'], { role, name }, directory)))
  const controller = await startTestController(
    t,
    { 'management-state-dir': directory, 'controller-authentication': 'token', ...flags },
    { now: () => clock.now }
  )
  const [one, two] = tokens.map(bearer) as [{ authorization: string }, { authorization: string }]
  const port = controller.settings.controller_websocket_port
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    fetch(controller.url + path, { method, headers })
  const status = async (...args: Parameters<typeof get>) => {
    const response = await get(...args)
    await response.body?.cancel()
    return response.status
  }
  const metric = async (name: string) =>
    Number(new RegExp(`^zeek_cluster_${name} (.*)$`, 'm').exec(await (await get('/metrics', two)).text())?.[1])
  const bytes = (path: string, headers: Record<string, string> = one, method = 'GET') =>
    `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')}\r\n`
  return { ...controller, clock, one, two, port, get, status, metric, bytes }
}

await t.test('each token has its own rate, which comes back with time', async t => {
  const { clock, one, two, get, status, metric } = await start(t, { 'controller-requests-rate-max': '5' })
  for (let n = 0; n < 10; n++) t.equal(await status('/v1/nodes', one), 200)
  const refused = await get('/v1/nodes', one)
  t.equal(refused.status, 429)
  t.equal(refused.headers.get('retry-after'), '1')
  t.match(await refused.json(), { code: 'too_many_requests', detail: 'more than 5 requests in a second' })
  t.equal(await metric('refused_total{limit="rate"}'), 1)
  t.equal(await status('/v1/nodes', two), 200, 'others are not concerned')
  clock.now += 1000
  for (let n = 0; n < 5; n++) t.equal(await status('/v1/nodes', one), 200)
  t.equal(await status('/v1/nodes', one), 429)
  clock.now -= 3_600_000
  t.equal(await status('/v1/nodes', one), 429, 'a clock that goes back gives nothing')
  clock.now += 7_200_000
  for (let n = 0; n < 10; n++) t.equal(await status('/v1/nodes', one), 200)
  t.equal(await status('/v1/nodes', one), 429, 'nor does a long pause give more than twice the rate')
})

await t.test('who has no token is counted by address, whatever it asks for', async t => {
  const { one, get, status } = await start(t, { 'controller-requests-rate-max': '2' })
  for (const [path, expected] of [
    ['/healthz', 200],
    ['/nope', 404],
    ['/openapi.yaml', 200],
    ['/v1/nodes', 401]
  ] as const) {
    t.equal(await status(path), expected)
  }
  for (const [path, method] of [
    ['/healthz', 'GET'],
    ['/nope', 'GET'],
    ['/v1/nodes', 'GET'],
    ['/v1/events', 'GET'],
    ['/v1/events', 'HEAD'],
    ['/v1/session', 'POST']
  ] as const) {
    t.equal(await status(path, {}, method), 429, path)
  }
  t.equal(await status('/v1/nodes', bearer('guess')), 429, 'a guess')
  const upgrade = await get('/v1/messages/json')
  t.equal(upgrade.status, 429)
  t.equal(await status('/v1/nodes', one), 200, 'but who has a token comes in')
})

await t.test('who can have any address of an IPv6 network is one client', async t => {
  const { status } = await start(t, {
    'controller-requests-rate-max': '2',
    'controller-trusted-proxies': '127.0.0.1'
  })
  const from = (address: string) => status('/healthz', { 'x-forwarded-for': address })
  for (const end of ['0:0:0:1', ':2', 'ffff:ffff:ffff:ffff', 'a:b:c:d']) t.equal(await from(`2001:db8:0:7:${end}`), 200)
  t.equal(await from('2001:db8:0:7::99'), 429)
  t.equal(await from('2001:db8:0:8::1'), 200, 'the next network is another')
  for (let n = 0; n < 4; n++) t.equal(await from(n % 2 === 0 ? '::ffff:10.0.0.1' : '10.0.0.1'), 200)
  t.equal(await from('10.0.0.1'), 429)
  t.equal(await from('10.0.0.2'), 200, 'as is the next address of IPv4')
})

await t.test('what is dear counts as work, and who has had too much done waits, whatever it asks for', async t => {
  const { url, clock, one, two, port, get, status, metric } = await start(
    t,
    { 'controller-requests-work-max': '100' },
    'viewer'
  )
  // A page of 1.4 MB counts as more than 20 ms.
  const bundle = '/docs/static/swagger-ui-bundle.js'
  for (let n = 0; n < 50 && (await status(bundle)) === 200; n++);
  const refused = await get('/healthz')
  t.match(await refused.json(), { code: 'too_many_requests', detail: 'more than 100 ms of work in a second' })
  t.equal(refused.headers.get('retry-after'), '1')
  t.ok((await metric('refused_total{limit="work"}')) > 0)
  const client = await openClient(t, port, undefined, { headers: one })
  t.equal(await status('/v1/nodes', one), 200, 'others are not concerned')
  clock.now += 60_000
  t.equal(await status('/healthz'), 200)
  // A body counts before anything is done with it, so that one connection cannot have many of them parsed.
  const post = () =>
    fetch(`${url}/v1/requests/get_nodes`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...two },
      body: `"${'x'.repeat(1_000_000)}"`
    }).then(({ status }) => status)
  const answers = await Promise.all(Array.from({ length: 20 }, post))
  t.ok(answers.filter(answer => answer === 400).length < 6, `${answers}`)
  t.ok(answers.every(answer => answer === 400 || answer === 429))
  // Over a WebSocket, too: small messages get their answer, large ones are not read.
  client.send(
    requestFrame('get_instances', 'x'.repeat(1_000_000)),
    requestFrame('get_instances', 'y'.repeat(1_000_000))
  )
  for (let n = 0; n < 5; n++) client.send(requestFrame('get_instances', 'z'.repeat(1_000_000)))
  t.same(await client.closed, { code: 1008, reason: 'more than 100 ms of work in a second' })
})

await t.test('who goes on with small messages, though it has had too much done, is cut off', async t => {
  const { port, one } = await start(t, { 'controller-requests-work-max': '20' }, 'viewer')
  const client = await openClient(t, port, undefined, { headers: one })
  const frame = requestFrame('get_instances', 'x'.repeat(10_000))
  for (let n = 0; n < 2000; n++) client.send(frame)
  t.match(await client.closed, { code: 1008 })
})

const viewer = (client: string) => ({ client, role: 'viewer' as const })

await t.test('results that agents are asked for count as work', t => {
  const one = { total: 1, perClient: 1 }
  const clock = { now: 0 }
  const [a, b] = [viewer('a'), viewer('b')]
  const limits = new Limits({
    ...{ rate: 0, work: 100, streams: one, messages: one, connections: one },
    now: () => clock.now
  })
  limits.charge(a, { results: 3_900 })
  limits.refuseToil(a)
  limits.charge(a, { results: 200 })
  t.throws(() => limits.refuseToil(a), { code: 'too_many_requests' })
  limits.refuseToil(b)
  t.equal(limits.refused.work, 1)
  for (const role of ['operator', 'admin'] as const) {
    limits.charge({ client: role, role }, { results: 1_000_000 })
    limits.refuseToil({ client: role, role })
    t.notOk(limits.replayOf({ client: role, role }).isUsedUp(), 'who may change things is not held up')
  }
  t.end()
})

await t.test('replays have an account of their own: who reads much of the past can still ask', t => {
  const one = { total: 1, perClient: 1 }
  const limits = new Limits({
    ...{ rate: 0, work: 1, streams: one, messages: one, connections: one },
    now: () => 0
  })
  const account = limits.replayOf(viewer('a'))
  account.measure(() => {
    // Of the processor: what it does for others meanwhile does not count.
    for (const before = process.cpuUsage(); process.cpuUsage(before).user < 20_000;);
  })
  t.ok(account.isUsedUp())
  t.ok(limits.replayOf(viewer('a')).isUsedUp(), 'it is one for all streams of the client')
  t.notOk(limits.replayOf(viewer('b')).isUsedUp())
  limits.refuseToil(viewer('a'))
  t.end()
})

await t.test('guesses are slowed down, by whatever way they come', async t => {
  const { port, settings, status, url } = await start(t, { 'controller-requests-rate-max': '2' })
  t.equal(await status('/v1/nodes', bearer('guess')), 401)
  t.equal(await status('/v1/nodes', { cookie: 'zeek-cluster-session=guess' }), 401)
  t.equal(await status('/v1/events?ticket=guess'), 401)
  const agents = async () =>
    /^HTTP\/1.1 (\d+)/.exec(
      await (
        await openRaw(
          t,
          settings.controller_port,
          upgradeText(settings.controller_port, { at: agentPath, headers: bearer('guess') })
        )
      ).ended
    )?.[1]
  t.equal(await agents(), '401')
  const logIn = async () =>
    (
      await fetch(`${url}/v1/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"token":"guess"}'
      })
    ).status
  await until(async () => (await logIn()) === 429, 'it is slowed down')
  t.equal(await status('/v1/nodes', bearer('guess')), 429)
  t.equal(await status('/v1/nodes', { cookie: 'zeek-cluster-session=guess' }), 429)
  t.equal(await status('/v1/events?ticket=guess'), 429)
  const raw = await (await openRaw(t, port, upgradeText(port, { headers: bearer('guess') }))).ended
  t.match(raw, /^HTTP\/1.1 429 .*\r\nretry-after: 1\r\n/s, 'an upgrade is told how long to wait, too')
})

await t.test('over a WebSocket what is too much fails, and the connection stays', async t => {
  const { port, clock, one } = await start(t, { 'controller-requests-rate-max': '2' })
  const client = await openClient(t, port, undefined, { headers: one })
  const ask = async (reqid: string) => {
    client.send(requestFrame('get_instances', reqid))
    return await client.event()
  }
  for (const reqid of ['a', 'b', 'c']) t.match(await ask(reqid), ['get_instances_response', reqid, [reqid, true]])
  t.match(await ask('d'), ['get_instances_response', 'd', ['d', false, null, null, 'more than 2 requests in a second']])
  clock.now += 1000
  t.match(await ask('e'), ['get_instances_response', 'e', ['e', true]])
})

await t.test('one client has so many streams, and another has its own', async t => {
  const { url, one, two, get, status, metric } = await start(t, { 'controller-events-streams-per-client': '2' })
  const first = await openStream(t, `${url}/v1/events`, one)
  await openStream(t, `${url}/v1/events`, one)
  const refused = await get('/v1/events', one)
  t.equal(refused.status, 429)
  t.equal(refused.headers.get('retry-after'), '1')
  await refused.body?.cancel()
  t.equal(await status('/v1/events', one, 'HEAD'), 200, 'a HEAD is no stream')
  t.equal(await metric('refused_total{limit="streams"}'), 1)
  await openStream(t, `${url}/v1/events`, two)
  first.close()
  await until(async () => (await metric('event_streams')) === 2, 'it is gone')
  t.equal((await openStream(t, `${url}/v1/events`, one)).response.status, 200)
})

await t.test('a stream that ends in whatever way makes room', async t => {
  const { port, one, ask, metric, bytes, status, url } = await start(t, {
    'controller-events-streams-per-client': '2',
    'controller-authentication': 'none'
  })
  const { reqid } = await ask('get_instances')
  const none = async () => await until(async () => (await metric('event_streams')) === 0, 'no stream is left')
  const texts = [
    bytes('/v1/events'),
    bytes('/v1/events?from=earliest'),
    bytes(`/v1/requests/${reqid}/events`),
    bytes('/v1/events?types=nope'),
    bytes('/v1/events', one, 'HEAD'),
    bytes('/v1/events', { ...one, accept: 'image/png' }),
    // Those behind the first one do not get their turn.
    bytes('/v1/events').repeat(5),
    bytes('/healthz') + bytes('/v1/events').repeat(2),
    bytes('/v1/events') + bytes('/healthz').repeat(20)
  ]
  for (const text of texts) {
    for (const end of ['resetAndDestroy', 'destroy', 'end', 'read and reset'] as const) {
      const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {})
      await once(socket, 'connect')
      socket.write(text)
      if (end === 'read and reset') await once(socket, 'data')
      socket[end === 'read and reset' ? 'resetAndDestroy' : end]()
      socket.resume()
      await once(socket, 'close')
      // Received, and its end as well.
      await status('/healthz')
    }
  }
  await none()
  const streams = [await openStream(t, `${url}/v1/events`), await openStream(t, `${url}/v1/events`)]
  for (const { response } of streams) t.equal(response.status, 200)
  for (const { close } of streams) close()
  await none()
})

await t.test('what waits behind another request does not keep the controller from closing', async t => {
  const { port, bytes, close, status, metric, ask } = await start(t, { 'controller-authentication': 'none' })
  await ask('get_instances')
  const raw = await openRaw(t, port, bytes('/v1/events') + bytes('/v1/events').repeat(3))
  await until(async () => (await metric('event_streams')) === 4, 'they are open')
  raw.socket.resetAndDestroy()
  await until(async () => (await metric('event_streams')) === 0, 'they are gone')
  t.equal(await status('/healthz'), 200)
  await close()
})

await t.test('an address has so many connections, at each port', async t => {
  const directory = directoryOf(t)
  const authority = createAuthority(directory)
  const { cert, key } = authority.issue('controller', 'controller')
  for (const tls of [false, true]) {
    const { controller_websocket_port: clients, controller_port: agents } = (
      await startTestController(t, {
        'management-state-dir': `${directory}/${tls}`,
        'controller-connections-per-address': '3',
        ...(tls ? { 'controller-tls-cert': cert, 'controller-tls-key': key } : {})
      })
    ).settings
    const open = async (port: number) => {
      const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {})
      t.teardown(() => socket.destroy())
      await once(socket, 'connect')
      return socket
    }
    for (const port of [clients, agents]) {
      // Those that say nothing, or not all of it, count like all others.
      const sockets = [await open(port), await open(port), await open(port)]
      if (!tls) sockets[0]!.write('GET / HTTP/1.1\r\nHost')
      const refused = await open(port)
      await once(refused, 'close')
      t.notOk(
        sockets.some(({ destroyed }) => destroyed),
        'those that were there stay'
      )
      const [first, second, third] = sockets
      first!.resetAndDestroy()
      second!.destroy()
      third!.end()
      const works = async () => {
        const socket = tls
          ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
          : connect({ port, host: '127.0.0.1' })
        socket.on('error', () => {})
        socket.end('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n')
        let text = ''
        socket.on('data', chunk => {
          text += chunk
        })
        await new Promise(resolve => socket.on('close', resolve))
        return text.startsWith('HTTP/1.1 ')
      }
      await until(works, `there is room again at ${port}`)
    }
  }
})

await t.test('a connection counts once, however often its wish for HTTP/2 is ignored', async t => {
  const { port, bytes, status } = await start(t, { 'controller-connections-per-address': '8' })
  const raw = await openRaw(t, port)
  for (let n = 1; n <= 20; n++) {
    raw.socket.write(bytes('/healthz', { connection: 'Upgrade', upgrade: 'h2c' }))
    await until(() => raw.text().split('HTTP/1.1 200').length > n, `${n} are answered`)
  }
  t.equal(await status('/healthz'), 200)
})

await t.test('with too many connections in all, the next is dropped and counted', async t => {
  const { port, metric } = await start(t, { 'controller-connections-max': '2' })
  await metric('agents_connected')
  const silent = await openRaw(t, port)
  const dropped = await openRaw(t, port)
  await dropped.ended
  t.equal(await metric('refused_total{limit="connections"}'), 1)
  silent.socket.destroy()
  await (
    await openRaw(t, port, 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n')
  ).ended
})

await t.test('no limit is no limit', t => {
  const one = { total: 1, perClient: 1 }
  const limits = new Limits({ rate: 0, work: 0, streams: one, messages: one, connections: one, now: () => 0 })
  for (let n = 0; n < 10_000; n++) limits.spend('a')
  t.equal(limits.refused.rate, 0)
  t.end()
})
