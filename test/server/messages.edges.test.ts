import t from 'tap'
import { string } from '../../src/zeek/websocket/value.js'
import { startTestController } from '../support/controller.js'
import { openClient, requestFrame, set } from '../support/zeek-websocket.js'

// As for the nodes of a configuration: the client has sent a set, in which a number says nothing.
await t.test('a node to ask or restart whose name is refused is told by its name', async t => {
  const { settings } = await startTestController(t)
  const client = await openClient(t, settings.controller_websocket_port)
  const nodes = set([string('a'), string('b/c')])
  client.send(requestFrame('restart', 'r', [nodes]))
  t.match((await client.event())[2][0][4], /b\/c/)
  client.send(requestFrame('get_id_value', 's', [string('x'), nodes]))
  t.match((await client.event())[2][0][4], /b\/c/)
})
