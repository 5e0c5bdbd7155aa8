import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import t, { type Test } from 'tap'
import { MessageServer, type MessageServerOptions } from '../../../src/zeek/websocket/message-server.js'
import { string, vector } from '../../../src/zeek/websocket/value.js'
import { until } from '../../support/until.js'
import { frame, openClient, openRaw, topic, upgradeText } from '../../support/zeek-websocket.js'

async function start(t: Test, options: Partial<MessageServerOptions> = {}) {
  const warnings: string[] = []
  const sockets: Socket[] = []
  const server = new MessageServer({
    name: 'controller',
    version: '1',
    messageMax: 10_000,
    unansweredMax: 50,
    backlogMax: 1_000_000,
    handshakeMs: 600_000,
    idleMs: 0,
    pingMs: 600_000,
    onEvent: () => undefined,
    log: { warn: message => warnings.push(message) },
    ...options
  })
  const http = createServer()
    .on('upgrade', (request, socket, head) => {
      sockets.push(socket as Socket)
      try {
        server.upgrade(request, socket as Socket, head, undefined)
      } catch {
        socket.destroy()
      }
    })
    .listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.teardown(async () => {
    await server.close()
    http.close()
  })
  return { server, port: (http.address() as AddressInfo).port, warnings, sockets }
}

// bufferedAmount is looked at in the same tick in which the frame was written: nobody can have read it by then.
await t.test('one message that is larger than the backlog does not cut off a client that reads', async t => {
  const { server, port, warnings } = await start(t, { backlogMax: 1_000_000 })
  const client = await openClient(t, port)
  const text = 'x'.repeat(20_000_000)
  server.publish(topic, { name: 'Test::event', args: vector([string(text)]) })
  t.equal((await client.event())?.[1].length, text.length)
  t.same(warnings, [])
})

// ws waits 30 s for the goodbye; only who is cut off by the subscriber is terminated after a second.
for (const [who, upgrade, more] of [
  ['asked for a wrong path', { at: '/nope' }, ''],
  ['has a bad name', { headers: { 'x-application-name': 'a b' } }, ''],
  ['sent too much', {}, frame('x'.repeat(20_000))]
] as const) {
  await t.test(`a client that ${who} and does not leave is gone soon`, async t => {
    const { port, sockets } = await start(t)
    const raw = await openRaw(t, port, upgradeText(port, upgrade))
    raw.socket.write(more)
    await until(() => raw.text().includes('\x88'), 'it is told to leave')
    await until(() => sockets[0]!.destroyed, 'it is gone', 3_000)
  })
}

// ws gives up on it by itself, which is right, but nobody reads why.
await t.test('a client that floods us with pings and does not read is cut off, with a line in the log', async t => {
  const { server, port, warnings, sockets } = await start(t, { backlogMax: 100_000 })
  const raw = await openRaw(t, port, upgradeText(port))
  raw.socket.write(frame(JSON.stringify([topic])))
  await until(() => raw.text().includes('"ack"'), 'it is acknowledged')
  raw.socket.pause()
  const pings = Buffer.concat(Array.from({ length: 1000 }, () => frame('x'.repeat(125), { opcode: 9 })))
  const gone = once(sockets[0]!, 'close').then(() => true)
  let isGone = false
  while (!isGone) {
    raw.socket.write(pings)
    isGone = await Promise.race([gone, new Promise<false>(resolve => setImmediate(resolve, false))])
  }
  t.equal(server.size, 0)
  t.equal(warnings.length, 1)
})
