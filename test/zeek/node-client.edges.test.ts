import { once } from 'node:events'
import t from 'tap'
import { WebSocketServer } from 'ws'
import { encodeEvent } from '../../src/zeek/message.js'
import { NodeClient } from '../../src/zeek/node-client.js'
import { string, vector } from '../../src/zeek/value.js'
import { freePorts } from '../helper.js'

await t.test('a question to a node that dies is given up at once, not at its deadline', async t => {
  const [port] = await freePorts(1)
  const server = new WebSocketServer({ host: '127.0.0.1', port: port! })
  await once(server, 'listening')
  t.teardown(() => server.close())
  server.on('connection', socket => socket.on('message', data => {
    if (Array.isArray(JSON.parse(String(data)))) socket.send('{"type":"ack"}')
    else socket.terminate()
  }))
  const client = await new Promise<NodeClient>(resolve => { const made: NodeClient = new NodeClient('w', port!, () => resolve(made)) })
  t.teardown(() => client.close())
  const abort = new AbortController()
  const asked = client.idValue('x', abort.signal).catch(error => error.code)
  const outcome = await Promise.race([asked, new Promise(resolve => setTimeout(resolve, 2000, 'still waits'))])
  abort.abort()
  t.equal(outcome, 'unavailable')
})

await t.test('answered questions leave no listeners at the connection', async t => {
  const [port] = await freePorts(1)
  const server = new WebSocketServer({ host: '127.0.0.1', port: port! })
  await once(server, 'listening')
  t.teardown(() => server.close())
  server.on('connection', socket => socket.on('message', data => {
    const message = JSON.parse(String(data))
    if (Array.isArray(message)) return socket.send('{"type":"ack"}')
    const [topic, reqid] = message.data[2].data[1].data
    const boolean = { '@data-type': 'boolean', data: true } as const
    socket.send(encodeEvent(topic.data, { name: 'ZeekClusterController::id_value_response', args: vector([reqid, string('w'), boolean, string('1')]) }))
  }))
  const client = await new Promise<NodeClient>(resolve => { const made: NodeClient = new NodeClient('w', port!, () => resolve(made)) })
  t.teardown(() => client.close())
  const warnings: Error[] = []
  const hear = (warning: Error) => { warnings.push(warning) }
  process.on('warning', hear)
  t.teardown(() => process.off('warning', hear))
  for (let n = 0; n < 15; n++) await client.idValue('x', AbortSignal.timeout(10_000))
  await new Promise(resolve => setImmediate(resolve))
  t.same(warnings.map(({ name }) => name), [])
})
