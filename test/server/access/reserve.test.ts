import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { tokenCommand } from '../../../src/cli/offline-tokens.js'
import { answerOf, openStream } from '../../support/client.js'
import { startTestController } from '../../support/controller.js'
import { directoryOf } from '../../support/directory.js'
import { until } from '../../support/until.js'
import { openClient, openRaw, requestFrame } from '../../support/zeek-websocket.js'

/** A controller that wants tokens, with those of three viewers and of an operator. */
async function start(t: Test, flags: Record<string, string>) {
  const directory = directoryOf(t)
  const make = async (role: string) => ({
    authorization: `Bearer ${await tokenCommand(['create'], { role, name: role }, directory)}`
  })
  const viewers = [await make('viewer'), await make('viewer'), await make('viewer')]
  const operator = await make('operator')
  const controller = await startTestController(t, {
    'management-state-dir': directory,
    'controller-authentication': 'token',
    ...flags
  })
  const post = async (type: string, headers: Record<string, string>) => {
    return await answerOf(await fetch(`${controller.url}/v1/requests/${type}`, { method: 'POST', headers }))
  }
  const refused = async (limit: string) => {
    const text = await (await fetch(`${controller.url}/metrics`, { headers: operator })).text()
    return Number(new RegExp(`^zeek_cluster_refused_total\\{limit="${limit}"\\} (.*)$`, 'm').exec(text)?.[1])
  }
  return { ...controller, viewers, operator, post, refused, port: controller.settings.controller_websocket_port }
}

await t.test('viewers cannot keep an operator from stopping the cluster', async t => {
  const { viewers, operator, post, refused } = await start(t, {
    'controller-pending-max': '10',
    'controller-pending-per-client': '4'
  })
  const [one, two, three] = viewers
  for (const viewer of [one!, two!]) {
    for (let n = 0; n < 4; n++) t.equal((await post('test_timeout', viewer)).status, 202)
  }
  t.match(await post('test_timeout', one!), { status: 429, json: { code: 'too_many_requests' } })
  t.match(await post('get_nodes', three!), {
    status: 503,
    json: { detail: 'there are too many pending requests: the rest is for operators' }
  })
  t.equal((await post('stop', operator)).status, 202)
  t.equal(await refused('pending'), 2)
})

await t.test('viewers leave WebSockets to operators', async t => {
  const { viewers, operator, port, refused } = await start(t, {
    'controller-messages-connections-max': '5',
    'controller-messages-connections-per-client': '3'
  })
  const [one, two] = viewers
  const first = await openClient(t, port, null, { headers: one! })
  for (let n = 0; n < 2; n++) await openClient(t, port, null, { headers: one! })
  await t.rejects(openClient(t, port, null, { headers: one! }), /429/)
  await openClient(t, port, null, { headers: two! })
  await t.rejects(openClient(t, port, null, { headers: two! }), /503/)
  const client = await openClient(t, port, undefined, { headers: operator })
  client.send(requestFrame('get_instances', 'r'))
  t.match(await client.event(), ['get_instances_response', 'r'])
  t.equal(await refused('messages'), 2)
  // A place is free again once the connection is gone.
  first.socket.terminate()
  await until(
    () =>
      openClient(t, port, null, { headers: two! }).then(
        () => true,
        () => false
      ),
    'there is room for one more'
  )
})

await t.test('viewers leave event streams to operators', async t => {
  const { viewers, operator, url, refused } = await start(t, {
    'controller-events-streams-max': '5',
    'controller-events-streams-per-client': '2'
  })
  const [one, two, three] = viewers
  for (const viewer of [one!, one!, two!, two!]) await openStream(t, `${url}/v1/events`, viewer)
  const status = async (headers: Record<string, string>) => {
    const response = await fetch(`${url}/v1/events`, { headers })
    await response.body?.cancel()
    return response.status
  }
  t.equal(await status(one!), 429)
  t.equal(await status(three!), 503)
  t.equal((await openStream(t, `${url}/v1/events`, operator)).response.status, 200)
  t.equal(await refused('streams'), 2)
})

await t.test('requests that one connection holds open count, and leave room for operators', async t => {
  const { viewers, operator, post, refused, port, url } = await start(t, {
    'controller-connections-max': '10',
    'controller-connections-per-address': '6'
  })
  const [one, two] = viewers
  const { reqid } = (await post('test_timeout', one!)).json
  const waits = (headers: { authorization: string }, count: number) =>
    `GET /v1/requests/${reqid}?wait=30 HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: ${headers.authorization}\r\n\r\n`.repeat(
      count
    )
  const raw = await openRaw(t, port, waits(one!, 8))
  await until(async () => (await refused('open')) === 2, 'six wait, and two are refused')
  const other = await openRaw(t, port, waits(two!, 3))
  await until(async () => (await refused('open')) === 3, 'two more wait: a fifth is kept')
  const status = async (headers: Record<string, string>) =>
    (await fetch(`${url}/v1/requests/${reqid}`, { headers })).status
  t.equal(await status(two!), 503)
  t.equal(await status(operator), 200)
  raw.socket.destroy()
  other.socket.destroy()
  await until(async () => (await status(two!)) === 200, 'there is room again')
})

await t.test('an address with few connections gets in where others find the server full', async t => {
  const { port } = await start(t, { 'controller-connections-max': '15', 'controller-connections-per-address': '15' })
  /** Resolves with whether a connection from an address is kept: one that is gets an answer. */
  const isKept = async (localAddress: string) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress }).on('error', () => {})
    t.teardown(() => socket.destroy())
    socket.write('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    return await Promise.race([once(socket, 'data').then(() => true), once(socket, 'close').then(() => false)])
  }
  for (let n = 0; n < 12; n++) t.ok(await isKept('127.0.0.1'))
  t.notOk(await isKept('127.0.0.1'))
  t.ok(await isKept('127.0.0.2'))
})

await t.test('a message of a viewer is as long as a body of one, at most', async t => {
  const { viewers, operator, port } = await start(t, {})
  const long = requestFrame('get_instances', 'x'.repeat(1_048_576))
  const viewer = await openClient(t, port, undefined, { headers: viewers[0]! })
  viewer.send(long)
  t.same(await viewer.closed, { code: 1008, reason: 'a message of a viewer has at most 1048576 bytes' })
  const client = await openClient(t, port, undefined, { headers: operator })
  client.send(long)
  t.match(await client.event(), ['get_instances_response'])
})
