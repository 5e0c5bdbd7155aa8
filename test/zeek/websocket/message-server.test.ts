import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { MessageServer, type MessageServerOptions } from '../../../src/zeek/websocket/message-server.js'
import { string, vector } from '../../../src/zeek/websocket/value.js'
import { until } from '../../support/until.js'
import {
  frame,
  openClient,
  openRaw,
  requestFrame,
  topic,
  upgradeText,
  type MessagesClient
} from '../../support/zeek-websocket.js'

/** A server on a port of its own, which publishes whatever event it gets. */
async function start(t: Test, options: Partial<MessageServerOptions> = {}) {
  const warnings: string[] = []
  /** The server's ends of connections, and what was thrown at upgrades. */
  const sockets: Socket[] = []
  const refusals: any[] = []
  let count = 0
  const server: MessageServer = new MessageServer({
    name: 'controller',
    version: '1.2.3',
    messageMax: 1_000_000,
    unansweredMax: 50,
    backlogMax: 1_000_000,
    handshakeMs: 600_000,
    idleMs: 0,
    pingMs: 600_000,
    log: { warn: message => warnings.push(message) },
    ...options,
    onEvent: (topic, event, from) => {
      count++
      if (options.onEvent) return options.onEvent(topic, event, from)
      server.publish(topic, event, from)
    }
  })
  const http = createServer()
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    sockets.push(socket as Socket)
    try {
      server.upgrade(request, socket as Socket, head, undefined)
    } catch (error) {
      refusals.push(error)
      socket.destroy()
    }
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const { port } = http.address() as AddressInfo
  t.teardown(async () => {
    await server.close()
    http.close()
  })
  return {
    server,
    port,
    warnings,
    sockets,
    refusals,
    served: () => count,
    client: (topics?: readonly string[] | null, more?: Parameters<typeof openClient>[3]) =>
      openClient(t, port, topics, more)
  }
}

const never = () => new Promise<never>(() => {})
const event = (text: string) => ({ name: 'Test::event', args: vector([string(text)]) })

/** Is served, and hears others. */
async function isWell(t: Test, server: MessageServer, client: MessagesClient): Promise<void> {
  server.publish(topic, event('well?'))
  t.same(await client.event(), ['Test::event', 'well?'])
}

/** A raw client that has subscribed. */
async function subscribedRaw(t: Test, port: number, options: { reads?: boolean } = {}) {
  const raw = await openRaw(t, port, upgradeText(port), options)
  raw.socket.write(frame(JSON.stringify([topic])))
  return raw
}

/** Of the close frame that ends what a raw client has got. */
function closeCodeOf(text: string): number {
  return Buffer.from(text, 'latin1').readUInt16BE(text.lastIndexOf('\x88') + 2)
}

await t.test('each client is told its endpoint and the version', async t => {
  const { client } = await start(t)
  const [one, two] = [await client(null), await client(null)]
  for (const each of [one, two]) each.send('[]')
  t.same(await one.next(), { type: 'ack', endpoint: 'controller-websocket-1', version: '1.2.3' })
  t.same(await two.next(), { type: 'ack', endpoint: 'controller-websocket-2', version: '1.2.3' })
})

await t.test('names of applications are as Zeek has them', async t => {
  const { client, server, warnings } = await start(t)
  for (const name of ['zeek-client/1.4.0', '-/_.=:*@aZ0']) {
    const { closed, socket } = await client([topic], { headers: { 'x-application-name': name } })
    socket.close()
    await closed
  }
  for (const name of ['a b', 'ä', 'a,b', 'x!']) {
    const { next, closed } = await client(null, {
      headers: { 'x-application-name': Buffer.from(name).toString('latin1') }
    })
    const context = 'Invalid X-Application-Name'
    t.same(await next(), { type: 'error', code: 'invalid_application_name', context }, name)
    t.same(await closed, { code: 1008, reason: context })
  }
  await until(() => server.size === 0, 'all are gone')
  t.same(warnings, [])
})

await t.test('an event reaches its subscribers, but not the one that it is from', async t => {
  const { client, server, served } = await start(t)
  const [from, other, elsewhere, silent] = [
    await client(),
    await client([topic, topic, '']),
    await client(['elsewhere']),
    await client(null)
  ]
  from.send(requestFrame('x', 'first'))
  t.same(await other.event(), ['x_request', 'first'])
  server.publish(topic, event('next'))
  for (const each of [from, other]) t.same(await each.event(), ['Test::event', 'next'])
  server.publish('elsewhere', event('there'))
  for (const each of [elsewhere, other]) t.same(await each.event(), ['Test::event', 'there'])
  silent.send('[]')
  t.match(await silent.next(), { type: 'ack' })
  t.equal(served(), 1)
})

const valid = requestFrame('get_instances', 'r')
const floods: Record<string, { sent: string; isSubscribed: boolean; served: number }> = {
  'valid messages': { sent: valid, isSubscribed: true, served: 5 },
  junk: { sent: '{', isSubscribed: true, served: 0 },
  'messages before the handshake': { sent: valid, isSubscribed: false, served: 0 }
}

for (const [what, { sent, isSubscribed, served: expected }] of Object.entries(floods)) {
  await t.test(`a flood of ${what} is cut off, and others are unaffected`, async t => {
    const { client, port, server, warnings, served } = await start(t, { unansweredMax: 5, onEvent: never })
    const other = await client()
    const reason = 'more than 5 messages wait for their answer'
    const flooder = await openRaw(t, port, upgradeText(port))
    if (isSubscribed) {
      flooder.socket.write(frame(JSON.stringify([topic])))
      await until(() => flooder.text().includes('"ack"'), 'it is acknowledged')
    }
    // In one write: the server must not be able to answer in between.
    flooder.socket.write(Buffer.concat(Array.from({ length: 500 }, () => frame(sent))))
    await until(() => flooder.text().endsWith(reason), 'it is told')
    t.equal(closeCodeOf(flooder.text()), 1008)
    flooder.socket.destroy()
    await until(() => server.size === 1, 'it is gone')
    t.same(warnings, [`client controller-websocket-2 (no name) is cut off: ${reason}`])
    t.equal(served(), expected)
    await isWell(t, server, other)
  })
}

await t.test('who waits for each answer may send any number of messages', async t => {
  const { client, server, warnings } = await start(t, {
    unansweredMax: 1,
    onEvent: async (topic, event) => {
      server.publish(topic, event)
    }
  })
  const one = await client(null)
  for (let n = 0; n < 20; n++) {
    one.send('{')
    t.match(await one.next(), { context: 'subscriptions not an array' })
  }
  one.send(JSON.stringify([topic]))
  t.match(await one.next(), { type: 'ack' })
  for (let n = 0; n < 20; n++) {
    one.send(n % 2 === 0 ? valid : 'junk')
    t.ok(await one.next())
  }
  t.same(warnings, [])
})

await t.test('messages that are being served count until they are, whatever becomes of them', async t => {
  const waiting: (() => void)[] = []
  const { client, warnings, served } = await start(t, {
    unansweredMax: 3,
    onEvent: () => new Promise(resolve => waiting.push(resolve))
  })
  const one = await client()
  for (let round = 0; round < 3; round++) {
    one.send(valid, valid, valid)
    await until(() => waiting.length === 3, 'all are served')
    for (const done of waiting.splice(0)) done()
  }
  t.equal(served(), 9)
  one.send(valid, valid, valid, valid)
  t.same(await one.closed, { code: 1008, reason: 'more than 3 messages wait for their answer' })
  t.equal(served(), 12)
  t.equal(warnings.length, 1)
})

await t.test('a client that never reads costs no more than the backlog, and is cut off', async t => {
  const backlogMax = 100_000
  const { client, port, server, sockets, warnings } = await start(t, { backlogMax })
  const other = await client()
  const deaf = await subscribedRaw(t, port)
  await until(() => deaf.text().includes('"ack"'), 'it is acknowledged')
  deaf.socket.pause()
  const [, socket] = sockets
  const text = 'x'.repeat(50_000)
  let most = 0
  // More than the machine itself takes for a connection.
  for (let n = 0; n < 500; n++) {
    server.publish(topic, event(text))
    most = Math.max(most, socket!.writableLength)
    t.equal((await other.event())?.[1].length, text.length)
  }
  t.equal(warnings.length, 1)
  t.match(
    warnings[0],
    /^client controller-websocket-2 \(no name\) is cut off: it does not read: \d+ bytes are waiting$/
  )
  t.ok(most > backlogMax && most < backlogMax + 2 * 51_000, `${most} bytes`)
  await until(() => server.size === 1, 'it is gone', 3_000)
  t.ok(socket!.destroyed)
  await isWell(t, server, other)
})

await t.test('a message that is larger than may be is told so, at its first bytes', async t => {
  const { client, server, warnings, served } = await start(t, { messageMax: 10_000 })
  const [one, other, third] = [await client(), await client(), await client(null)]
  one.send('x'.repeat(10_001))
  t.match(await one.closed, { code: 1009 })
  third.send(JSON.stringify(['x'.repeat(10_000)]))
  t.match(await third.closed, { code: 1009 })
  t.same(
    warnings.sort(),
    [1, 3].map(n => `client controller-websocket-${n} (no name) is cut off: Max payload size exceeded`)
  )
  await until(() => server.size === 1, 'they are gone')
  other.send('x'.repeat(10_000))
  t.match(await other.next(), { context: 'failed to decode JSON object' })
  t.equal(served(), 0)
  await isWell(t, server, other)
})

await t.test('a message of 100 MB in fragments is not gathered', async t => {
  const { client, port, server, sockets, warnings } = await start(t, { messageMax: 1_000_000 })
  const other = await client()
  const raw = await subscribedRaw(t, port)
  await until(() => raw.text().includes('"ack"'), 'it is acknowledged')
  const fragment = Buffer.alloc(100_000, 'x')
  const read = () => sockets[1]!.bytesRead
  raw.socket.write(frame(fragment, { fin: false }))
  for (let n = 0; n < 1000 && !raw.socket.destroyed && !raw.socket.readableEnded; n++) {
    if (!raw.socket.write(frame(fragment, { opcode: 0, fin: false }))) {
      await Promise.race([once(raw.socket, 'drain').catch(() => {}), raw.ended])
    }
  }
  t.equal(closeCodeOf(await raw.ended), 1009)
  raw.socket.destroy()
  t.same(warnings, ['client controller-websocket-2 (no name) is cut off: Max payload size exceeded'])
  t.ok(read() < 100_000_000, `${read()} bytes were read`)
  await until(() => server.size === 1, 'it is gone')
  await isWell(t, server, other)
})

await t.test('many small fragments, frames that are none, and a mask that is missing are cut off', async t => {
  const { client, port, server, warnings } = await start(t)
  const other = await client()
  const bad: [Buffer, number][] = [
    [
      Buffer.concat([
        frame('x', { fin: false }),
        ...Array.from({ length: 20_000 }, () => frame('x', { opcode: 0, fin: false }))
      ]),
      1008
    ],
    [frame('x', { opcode: 3 }), 1002],
    [frame('x', { opcode: 0 }), 1002],
    [Buffer.from('\x81\x01x', 'latin1'), 1002],
    [Buffer.from('\xf1\x80\0\0\0\0', 'latin1'), 1002],
    [frame('x'.repeat(126), { opcode: 9 }), 1002],
    [frame(Buffer.from([0xff])), 1007],
    [Buffer.from('GET / HTTP/1.1\r\n\r\n'), 1002]
  ]
  for (const [index, [bytes, code]] of bad.entries()) {
    const raw = await subscribedRaw(t, port)
    raw.socket.write(bytes)
    t.equal(closeCodeOf(await raw.ended), code, `${index}`)
    t.equal(warnings.length, index + 1)
    raw.socket.destroy()
  }
  await until(() => server.size === 1, 'they are gone')
  await isWell(t, server, other)
})

await t.test('who leaves by itself is not called cut off', async t => {
  const { client, server, warnings } = await start(t)
  for (const leave of ['close', 'terminate'] as const) {
    const one = await client()
    one.socket[leave]()
    await one.closed
  }
  await until(() => server.size === 0, 'they are gone')
  t.same(warnings, [])
})

await t.test('who does not subscribe in time is closed, whatever else it says', async t => {
  const { client, server, warnings } = await start(t, { handshakeMs: 50 })
  const one = await client(null)
  const reason = 'it has not subscribed within 0.05 s'
  one.send('junk', '{}')
  t.same(await one.closed, { code: 1008, reason })
  await until(() => server.size === 0, 'it is gone')
  t.same(warnings, [`client controller-websocket-1 (no name) is cut off: ${reason}`])
})

await t.test('who says nothing for long is closed, even if it answers pings and is sent much', async t => {
  const { client, server } = await start(t, { idleMs: 300, pingMs: 200 })
  const one = await client()
  let pings = 0
  one.socket.on('ping', () => {
    pings++
    server.publish(topic, event('hear'))
  })
  t.same(await one.closed, { code: 1008, reason: 'it has said nothing for 0.3 s' })
  t.ok(pings > 0)
})

for (const [what, say] of [
  ['messages', (one: MessagesClient) => one.send(valid)],
  ['pings', (one: MessagesClient) => one.socket.ping()]
] as const) {
  await t.test(`who sends ${what} stays`, async t => {
    const { client, server } = await start(t, { idleMs: 1000 })
    const silent = await client()
    const one = await client()
    // Often enough on a slow machine, too.
    const saying = setInterval(say, 50, one)
    t.teardown(() => clearInterval(saying))
    await silent.closed
    await isWell(t, server, one)
  })
}

await t.test('who waits for an answer is neither idle nor pinged', async t => {
  let answer = () => {}
  const { client } = await start(t, {
    idleMs: 300,
    pingMs: 200,
    onEvent: () => new Promise(resolve => (answer = resolve))
  })
  const [one, other] = [await client(), await client()]
  let pings = 0
  one.socket.on('ping', () => pings++)
  one.send(valid)
  await other.closed
  t.equal(pings, 0)
  t.equal(one.socket.readyState, one.socket.OPEN)
  answer()
  t.same(await one.closed, { code: 1008, reason: 'it has said nothing for 0.3 s' })
})

await t.test('who does not answer a ping is closed', async t => {
  const { client } = await start(t, { pingMs: 300 })
  const [live, dead] = [await client(), await client([topic], { autoPong: false })]
  t.same(await dead.closed, { code: 1008, reason: 'it does not answer pings' })
  t.equal(live.socket.readyState, live.socket.OPEN)
})

await t.test('close says goodbye to all, whether they answer or not', async t => {
  const { client, server, port, sockets, warnings } = await start(t)
  const [one, two] = [await client(), await client(null)]
  await subscribedRaw(t, port, { reads: false })
  const wrong = await openRaw(t, port, upgradeText(port, { at: '/nope' }))
  await until(() => sockets.length === 4 && wrong.text().includes('invalid_uri'), 'all are there')
  await server.close()
  t.equal(server.size, 0)
  t.ok(sockets.every(({ destroyed }) => destroyed))
  for (const { closed } of [one, two]) t.same(await closed, { code: 1001, reason: 'Terminating' })
  t.same(warnings, [])
  // Nobody hears it, and nobody minds.
  server.publish(topic, event('late'))
  await server.close()
})
