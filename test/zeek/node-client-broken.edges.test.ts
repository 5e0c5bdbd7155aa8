import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import t from 'tap'
import { WebSocketServer } from 'ws'
import { NodeClient } from '../../src/zeek/node-client.js'
import { freePorts } from '../helper.js'

await t.test('a question to a node that breaks the protocol is given up at once, though the node does not say goodbye', async t => {
  const [port] = await freePorts(1)
  const server = new WebSocketServer({ host: '127.0.0.1', port: port! })
  await once(server, 'listening')
  const connections: Duplex[] = []
  t.teardown(() => {
    for (const connection of connections) connection.destroy()
    server.close()
  })
  server.on('connection', (socket, { socket: connection }) => {
    connections.push(connection)
    socket.on('message', data => {
      if (Array.isArray(JSON.parse(String(data)))) return socket.send('{"type":"ack"}')
      // No frame of WebSocket starts like this. What the client says about it goes unheard.
      connection.write(Buffer.from([0xff, 0x00]))
      connection.pause()
    })
  })
  const client = await new Promise<NodeClient>(resolve => { const made: NodeClient = new NodeClient('w', port!, () => resolve(made)) })
  t.teardown(() => client.close())
  const abort = new AbortController()
  const asked = client.idValue('x', abort.signal).catch(error => error.code)
  const outcome = await Promise.race([asked, new Promise(resolve => setTimeout(resolve, 2000, 'still waits'))])
  abort.abort()
  t.equal(outcome, 'unavailable')
})
