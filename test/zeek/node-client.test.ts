import { once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocketServer, type WebSocket } from 'ws'
import { decodeData, encodeEvent, eventOf } from '../../src/zeek/message.js'
import { NodeClient } from '../../src/zeek/node-client.js'
import { string, vector, type Value } from '../../src/zeek/value.js'
import { freePorts, until } from '../helper.js'

const ack = '{"type":"ack","endpoint":"x","version":"9.0.0"}'
const boolean = (data: boolean): Value => ({ '@data-type': 'boolean', data })
const eventText = (name: string, ...args: Value[]) => encodeEvent('t', { name, args: vector(args) })
/** The name and the plain arguments of an event that a client sent. */
function heard (message: unknown): { name: string, args: any[] } {
  const { name, args } = eventOf(decodeData(JSON.stringify(message)).data)
  return { name, args: (args.data as Value[]).map(({ data }) => data) }
}

/** A node that says what the test wants, and a client of it. */
async function start (t: Test, onMessage: (message: any, socket: WebSocket) => void, given?: number) {
  const port = given ?? (await freePorts(1))[0]!
  const server = new WebSocketServer({ host: '127.0.0.1', port })
  await once(server, 'listening')
  const sockets: WebSocket[] = []
  const requests: { url?: string | undefined, application?: unknown, first?: any }[] = []
  server.on('connection', (socket, { url, headers }) => {
    const request: typeof requests[number] = { url, application: headers['x-application-name'] }
    requests.push(request)
    sockets.push(socket)
    socket.on('message', data => {
      const message = JSON.parse(String(data))
      request.first ??= message
      onMessage(message, socket)
    })
  })
  const stop = () => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  }
  t.teardown(stop)
  return { port, sockets, requests, stop }
}

function connect (t: Test, port: number) {
  const seen = { joined: 0 }
  const client = new NodeClient('worker-1', port, () => { seen.joined++ })
  t.teardown(() => client.close())
  return { client, seen, joined: () => until(() => seen.joined, 'it has joined') }
}

/** Acknowledges, and answers each question. */
const answering = (success: boolean, value: string) => (message: any, socket: WebSocket) => {
  if (Array.isArray(message)) return socket.send(ack)
  const [topic, reqid] = heard(message).args
  socket.send(encodeEvent(topic, { name: 'ZeekClusterController::id_value_response', args: vector([string(reqid), string('worker-1'), boolean(success), string(value)]) }))
}

const patient = () => AbortSignal.timeout(10_000)

await t.test('a node has joined when it acknowledges, not before', async t => {
  const { port, sockets, requests } = await start(t, () => {})
  const { client, seen, joined } = connect(t, port)
  await until(() => requests[0]?.first, 'it is connected')
  t.match(requests[0], { url: '/v1/messages/json', application: /^[-/_.=:*@a-zA-Z0-9]+$/, first: [/^zeek\/cluster-controller\/agent\/.*\/$/] })
  sockets[0]!.send('{"type":"error","code":"x","context":"y"}')
  t.equal(seen.joined, 0)
  await t.rejects(client.idValue('x', patient()), { code: 'unavailable', message: 'cluster node worker-1 not in running state' })
  sockets[0]!.send(ack)
  await joined()
})

await t.test('a client finds a node that listens later, and one that comes back', async t => {
  const [port] = await freePorts(1)
  const { seen, joined } = connect(t, port!)
  const onMessage = (_: unknown, socket: WebSocket) => socket.send(ack)
  const first = await start(t, onMessage, port!)
  await joined()
  first.stop()
  await start(t, onMessage, port!)
  await until(() => seen.joined === 2, 'it has joined again')
})

await t.test('the value of an identifier is asked on the node\'s topic, and handed back', async t => {
  let asked: any
  const { port } = await start(t, (message, socket) => {
    if (!Array.isArray(message)) asked = message
    answering(true, '{"a":1}')(message, socket)
  })
  const { client, joined } = connect(t, port)
  await joined()
  t.equal(await client.idValue('Cluster::nodes', patient()), '{"a":1}')
  t.equal(asked.topic, 'zeek/cluster-controller/node/worker-1/')
  t.match(heard(asked), { name: 'ZeekClusterController::id_value_request', args: [/agent/, /./, 'Cluster::nodes'] })
})

await t.test('what Zeek says instead of a value is not found', async t => {
  for (const error of ['unknown id', 'no ID value']) {
    const { port } = await start(t, answering(false, error))
    const { client, joined } = connect(t, port)
    await joined()
    await t.rejects(client.idValue('x', patient()), { code: 'not_found', message: error })
  }
})

await t.test('a node that does not answer is given up when the signal aborts', async t => {
  const { port } = await start(t, (message, socket) => { if (Array.isArray(message)) socket.send(ack) })
  const { client, joined } = connect(t, port)
  await joined()
  const abort = new AbortController()
  const asking = t.rejects(client.idValue('x', abort.signal), { code: 'unavailable', message: 'request timed out' })
  abort.abort()
  await asking
  await t.rejects(client.idValue('x', abort.signal), { code: 'unavailable' })
})

await t.test('garbage, and answers to others, are passed over', async t => {
  const answer = answering(true, '5')
  const { port } = await start(t, (message, socket) => {
    if (!Array.isArray(message)) {
      for (const text of ['', '{', 'null', '5', '[]', '{"type":"data-message"}', eventText('Other::event'), eventText('ZeekClusterController::id_value_response'), eventText('ZeekClusterController::id_value_response', ...['nobody', 'x', 'y', 'z'].map(string)), eventText('ZeekClusterController::id_value_response', string('nobody'), string('x'), boolean(true), string('z')), Buffer.from([0xff, 0x00])]) socket.send(text)
    }
    answer(message, socket)
  })
  const { client, joined, seen } = connect(t, port)
  await joined()
  t.equal(await client.idValue('x', patient()), '5')
  t.equal(seen.joined, 1)
})

await t.test('questions that are asked together each get their own answer', async t => {
  const held: (() => void)[] = []
  const { port } = await start(t, (message, socket) => {
    if (Array.isArray(message)) return socket.send(ack)
    held.unshift(() => answering(true, message.data[2].data[1].data[2].data)(message, socket))
    if (held.length === 3) held.forEach(answer => answer())
  })
  const { client, joined } = connect(t, port)
  await joined()
  t.same(await Promise.all(['a', 'b', 'c'].map(id => client.idValue(id, patient()))), ['a', 'b', 'c'])
})

await t.test('a closed client stays away', async t => {
  const { port, requests, sockets } = await start(t, (_, socket) => socket.send(ack))
  const { client, joined, seen } = connect(t, port)
  await joined()
  const gone = once(sockets[0]!, 'close')
  client.close()
  await gone
  await new Promise(resolve => setTimeout(resolve, 400))
  t.same([requests.length, seen.joined], [1, 1])
  await t.rejects(client.idValue('x', patient()), { code: 'unavailable' })
})
