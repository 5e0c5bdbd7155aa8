import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { WebSocket } from 'ws'
import { getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import { frame, openClient, openRaw, path, requestFrame, topic, upgradeText } from '../support/zeek-websocket.js'

/** One controller for all that leaves nothing behind. */
const { url, settings } = await startTestController(t)
const port = settings.controller_websocket_port

/** Status, headers in small letters, and body of the first answer in a text. */
function answerOf(text: string) {
  const [head = '', body = ''] = text.split(/\r\n\r\n(.*)/s)
  const [line = '', ...lines] = head.split('\r\n')
  const headers = Object.fromEntries(
    lines.map(line => line.split(/:\s*/)).map(([name, ...value]) => [name!.toLowerCase(), value.join(':')])
  )
  return { status: Number(line.split(' ')[1]), headers, body }
}

/** What an upgrade is answered when it is refused: all of it, since the server ends the connection. */
async function refused(headers: Record<string, string | null>, at = path) {
  return answerOf(await (await openRaw(t, port, upgradeText(port, { at, headers }))).ended)
}

const works = async (on = port) => {
  const client = await openClient(t, on)
  client.send(requestFrame('get_instances', 'r'))
  const [name] = await client.event()
  client.socket.close()
  await client.closed
  return name === 'get_instances_response'
}

await t.test('a bad Host or Origin is forbidden, with a problem', async t => {
  for (const headers of [
    { host: 'evil.example' },
    { host: `127.0.0.1.evil.example:${port}` },
    { host: '' },
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: `https://127.0.0.1:${port}` },
    { origin: 'http://127.0.0.1:1' }
  ] as Record<string, string>[]) {
    const {
      status,
      headers: { 'content-type': type, 'content-length': length, connection },
      body
    } = await refused(headers)
    t.same([status, type, connection], [403, 'application/problem+json', 'close'], JSON.stringify(headers))
    t.equal(body.length, Number(length))
    t.match(JSON.parse(body), { status: 403, code: 'forbidden' })
  }
})

await t.test('our own Origin, and none, are welcome', async t => {
  for (const headers of [
    {},
    { origin: `http://127.0.0.1:${port}` },
    { host: `localhost:${port}`, origin: `http://localhost:${port}` }
  ] as Record<string, string>[]) {
    const raw = await openRaw(t, port, upgradeText(port, { headers }))
    await until(() => raw.text().includes('\r\n\r\n'), 'it is answered')
    t.equal(answerOf(raw.text()).status, 101, JSON.stringify(headers))
    raw.socket.destroy()
  }
})

await t.test('an upgrade whose headers are broken is a bad request', async t => {
  for (const headers of [
    { 'sec-websocket-key': null },
    { 'sec-websocket-key': '' },
    { 'sec-websocket-key': 'short' },
    { 'sec-websocket-key': 'A'.repeat(10_000) },
    { 'sec-websocket-version': null },
    { 'sec-websocket-version': '12' },
    { 'sec-websocket-version': 'x' },
    { 'sec-websocket-protocol': ',,' },
    { 'sec-websocket-protocol': '' }
  ] as Record<string, string | null>[]) {
    t.equal((await refused(headers)).status, 400, JSON.stringify(headers).slice(0, 80))
  }
  t.equal((await refused({ 'sec-websocket-version': '99' })).headers['sec-websocket-version'], '13, 8')
  t.ok(await works())
})

await t.test('only GET becomes a WebSocket', async t => {
  const raw = await openRaw(t, port, upgradeText(port).replace('GET', 'POST'))
  t.equal(answerOf(await raw.ended).status, 405)
})

await t.test('compression is not agreed on', async t => {
  const client = await openClient(t, port, [topic], { perMessageDeflate: true })
  t.equal(client.socket.extensions, '')
})

await t.test('what is sent together with the upgrade is read', async t => {
  const both = await openRaw(t, port)
  both.socket.write(
    Buffer.concat([
      Buffer.from(upgradeText(port)),
      frame(JSON.stringify([topic])),
      frame(requestFrame('get_instances', 'r'))
    ])
  )
  await until(() => both.text().includes('get_instances_response'), 'it is served')
  t.match(both.text(), /"type":"ack"/)
  both.socket.destroy()
})

await t.test("a path that is no WebSocket's is told so, over the WebSocket as in Zeek, and closed", async t => {
  for (const at of ['/', '/v1/messages', `${path}/`, `${path}?x=1`, '/v1/events', '/V1/messages/json']) {
    const client = await openClient(t, port, null, { at })
    t.same(await client.next(), { type: 'error', code: 'invalid_uri', context: `Invalid URI - use ${path}` }, at)
    t.same(await client.closed, { code: 1008, reason: `Invalid URI - use ${path}` })
  }
})

await t.test('without an upgrade the path says what it is', async t => {
  const response = await fetch(url + path)
  t.equal(response.status, 426)
  t.equal(response.headers.get('upgrade'), 'websocket')
  t.match(await response.json(), { code: 'upgrade_required' })
})

// It closes after the answer, so that the end of that is known.
const h2c = 'Connection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n'
const host = `Host: 127.0.0.1:${port}\r\n`

await t.test('who would rather speak HTTP/2 is answered in HTTP/1.1', async t => {
  const get = answerOf(await (await openRaw(t, port, `GET /healthz HTTP/1.1\r\n${host}${h2c}\r\n`)).ended)
  t.equal(get.status, 200)
  t.equal(get.headers['connection'], 'close')
  const wrong = answerOf(await (await openRaw(t, port, `GET /nope?a=%20b HTTP/1.1\r\n${host}${h2c}\r\n`)).ended)
  t.equal(wrong.status, 404)
  const foreign = answerOf(
    await (
      await openRaw(t, port, `GET /healthz HTTP/1.1\r\nHost: evil.example\r\n${h2c}\r\n`)
    ).ended
  )
  t.equal(foreign.status, 403)
  const list = answerOf(
    await (
      await openRaw(
        t,
        port,
        `GET ${path} HTTP/1.1\r\n${host}Connection: upgrade, Close\r\nUpgrade: websocket, h2c\r\n\r\n`
      )
    ).ended
  )
  t.equal(list.status, 426)
})

await t.test('so is a POST, with its headers and its body, however it comes', async t => {
  const body = '{"config":{"instances":[],"nodes":[{"name":"m","instance":"a","role":"MANAGER","env":{"A":"ä€"}}]}}'
  const length = Buffer.byteLength(body)
  const start = `POST /v1/requests/stage_configuration HTTP/1.1\r\n${host}Content-Type: application/json\r\nPrefer: wait=10\r\n`
  const chunked = `${Buffer.byteLength(body.slice(0, 9)).toString(16)}\r\n${body.slice(0, 9)}\r\n${Buffer.byteLength(body.slice(9)).toString(16)}\r\n${body.slice(9)}\r\n0\r\n\r\n`
  const texts = [
    `${start}${h2c}Content-Length: ${length}\r\n\r\n${body}`,
    `${start}Content-Length: ${length}\r\n${h2c}\r\n${body}`,
    `${start}${h2c}Transfer-Encoding: chunked\r\n\r\n${chunked}`
  ]
  for (const text of texts) {
    const bytes = Buffer.from(text)
    for (const cuts of [
      [],
      [bytes.length - 10],
      [bytes.length - 30, bytes.length - 5],
      [20, bytes.indexOf('\r\n\r\n') + 4]
    ]) {
      const raw = await openRaw(t, port)
      raw.socket.setNoDelay(true)
      let from = 0
      for (const cut of [...cuts, bytes.length]) {
        raw.socket.write(bytes.subarray(from, (from = cut)))
        // So that it is a segment of its own: the answer to another request is back before the next.
        await getJson(`${url}/healthz`)
      }
      const { status, body: answer } = answerOf(await raw.ended)
      t.equal(status, 200)
      t.match(JSON.parse(Buffer.from(answer, 'latin1').toString()), {
        type: 'stage_configuration',
        arguments: JSON.parse(body),
        state: 'failed'
      })
    }
  }
})

await t.test('a body that is too large or does not come is no better for the upgrade', async t => {
  const large = await openRaw(
    t,
    port,
    `POST /v1/requests/deploy HTTP/1.1\r\n${host}${h2c}Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{`
  )
  t.equal(answerOf(await large.ended).status, 413)
  const gone = await openRaw(
    t,
    port,
    `POST /v1/requests/deploy HTTP/1.1\r\n${host}${h2c}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{`
  )
  gone.socket.resetAndDestroy()
  t.ok(await works())
})

await t.test('a WebSocket is not in the way of what is pipelined before it', async t => {
  const raw = await openRaw(t, port, `GET /healthz HTTP/1.1\r\n${host}\r\n`)
  await until(() => raw.text().includes('\r\n\r\n'), 'it is answered')
  const first = raw.text().length
  raw.socket.write(upgradeText(port))
  await until(() => raw.text().length > first, 'it is answered')
  t.equal(answerOf(raw.text().slice(first)).status, 101)
  raw.socket.destroy()
})

await t.test('too many clients are refused with a problem, and a place is free when one leaves', async t => {
  const {
    settings: { controller_websocket_port: port }
  } = await startTestController(t, { 'controller-messages-connections-max': '2' })
  const [first] = [await openClient(t, port), await openClient(t, port)]
  const raw = await openRaw(t, port, upgradeText(port))
  const { status, headers, body } = answerOf(await raw.ended)
  t.equal(status, 503)
  t.equal(headers['content-type'], 'application/problem+json')
  t.match(JSON.parse(body), { status: 503, code: 'unavailable', detail: 'there are too many WebSocket clients' })
  // REST has places of its own.
  t.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200)
  first!.socket.close()
  await first!.closed
  await until(async () => await openClient(t, port).catch(() => undefined), 'there is a place')
})

await t.test('connections that never finish their upgrade take no place, and are ended by close', async t => {
  const {
    settings: { controller_websocket_port: port },
    close
  } = await startTestController(t, { 'controller-messages-connections-max': '1' })
  const text = upgradeText(port)
  const slow = await Promise.all(Array.from({ length: 20 }, (_, n) => openRaw(t, port, text.slice(0, n * 6))))
  t.ok(await works(port))
  await close()
  for (const { ended } of slow) await ended
})

await t.test('connections that are reset in the middle harm nobody', async t => {
  const {
    settings: { controller_websocket_port: port },
    url
  } = await startTestController(t, { 'controller-messages-connections-max': '8' })
  const text = upgradeText(port)
  const request = frame(requestFrame('get_instances', 'r'))
  const beginnings: (string | Buffer)[][] = [
    [text.slice(0, 40)],
    [text],
    [text, frame(JSON.stringify([topic])).subarray(0, 8)],
    [text, frame(JSON.stringify([topic]))],
    [text, frame(JSON.stringify([topic])), request.subarray(0, 60)],
    [text, frame(JSON.stringify([topic])), request],
    [text, frame(JSON.stringify([topic])), request, request, request]
  ]
  for (const end of ['resetAndDestroy', 'destroy', 'end'] as const) {
    for (const parts of beginnings) {
      const socket = connect({ port, host: '127.0.0.1' })
      socket.on('error', () => {})
      await once(socket, 'connect')
      for (const part of parts) socket.write(part)
      // Written, and under way.
      await getJson(`${url}/healthz`)
      socket[end]()
      socket.resume()
      await once(socket, 'close')
    }
  }
  await until(
    async () => /^zeek_cluster_websocket_clients 0$/m.test(await (await fetch(`${url}/metrics`)).text()),
    'nobody is left'
  )
  t.ok(await works(port))
})

await t.test('close ends clients in every state, and resolves', async t => {
  const {
    settings: { controller_websocket_port: port },
    close
  } = await startTestController(t)
  const clients = [await openClient(t, port), await openClient(t, port, null)]
  const deaf = await openRaw(t, port, upgradeText(port), { reads: false })
  deaf.socket.write(frame(JSON.stringify([topic])))
  const halfOpen = await openRaw(t, port, upgradeText(port))
  await until(() => halfOpen.text().includes('101'), 'it is open')
  await close()
  for (const { closed } of clients) t.same(await closed, { code: 1001, reason: 'Terminating' })
  await halfOpen.ended
  const late = new WebSocket(`ws://127.0.0.1:${port}${path}`)
  const [error] = await once(late, 'error')
  t.equal(error.code, 'ECONNREFUSED')
})
