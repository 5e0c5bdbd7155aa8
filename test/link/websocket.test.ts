import { once } from 'node:events'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { Link } from '../../src/link/link.js'
import { dial, listen, maxFrameBytes, type Intake, type WebSocketTransport } from '../../src/link/websocket.js'
import { freePorts } from '../support/ports.js'
import { until } from '../support/until.js'
import { holdContract, listenTo } from './transport-contract.js'

const never = new AbortController().signal

/** A listener on a port of its own. */
async function serve(
  t: Test,
  onTransport: (transport: WebSocketTransport, peer: string) => void,
  more: { intake?: Intake } = {}
) {
  const [port] = await freePorts(1)
  const listener = await listen({
    host: '127.0.0.1',
    port: port!,
    path: '/link',
    admit: () => {},
    onTransport,
    ...more
  })
  t.teardown(() => listener.close())
  return { port: port!, url: `ws://127.0.0.1:${port}/link`, listener }
}

/** Both ends of one connection. */
async function connect(t: Test): Promise<[WebSocketTransport, WebSocketTransport]> {
  let taken: (transport: WebSocketTransport) => void
  const far = new Promise<WebSocketTransport>(resolve => {
    taken = resolve
  })
  const { url } = await serve(t, transport => taken(transport))
  return [await dial(url, never), await far]
}

await holdContract('WebSocket', async t => {
  const [near, far] = await connect(t)
  far.receive({ message: text => far.send(`echo ${text}`), closed: () => {} })
  return {
    near,
    leave: () => {
      void far.close('left')
    }
  }
})

await t.test('what the listening end says in the tick in which the socket opens is not lost', async t => {
  const { url } = await serve(t, transport => {
    transport.send('first')
    transport.send('second')
  })
  const transport = await dial(url, never)
  // The receiver comes late, too.
  await new Promise(resolve => setTimeout(resolve, 50))
  const heard = listenTo(transport)
  await until(() => heard.texts.length === 2, 'both are here')
  t.same(heard.texts, ['first', 'second'])
})

await t.test(
  'what the dialling end says in the tick in which the socket opens is not lost, its end neither',
  async t => {
    const [near, far] = await connect(t)
    near.send('first')
    await near.close('that is all')
    const heard = listenTo(far)
    await until(() => heard.closed.length, 'it has left')
    t.same(heard, { texts: ['first'], closed: ['that is all'] })
  }
)

await t.test('a close lets what was sent before it arrive, however much', async t => {
  const [near, far] = await connect(t)
  const heard = listenTo(far)
  for (let n = 0; n < 2000; n++) near.send(`${n} ${'x'.repeat(1000)}`)
  await near.close('done')
  await until(() => heard.closed.length, 'it has left')
  t.equal(heard.texts.length, 2000)
})

await t.test('dialling fails where nobody listens, at another path, and when the signal aborts', async t => {
  const [free] = await freePorts(1)
  await t.rejects(dial(`ws://127.0.0.1:${free}/link`, never), { code: 'ECONNREFUSED' })
  const { port, url } = await serve(t, () => t.fail('nobody connects'))
  await t.rejects(dial(`ws://127.0.0.1:${port}/other`, never), /400/)
  await t.rejects(dial(url, AbortSignal.abort()), { name: 'AbortError' })
  const mute = createServer().listen(0, '127.0.0.1')
  await once(mute, 'listening')
  t.teardown(() => mute.close())
  const abort = new AbortController()
  mute.once('connection', () => abort.abort())
  await t.rejects(dial(`ws://127.0.0.1:${(mute.address() as { port: number }).port}/link`, abort.signal), {
    name: 'AbortError'
  })
})

await t.test('listening on a port that is taken is refused as unavailable, with the address', async t => {
  const { port } = await serve(t, () => {})
  await t.rejects(listen({ host: '127.0.0.1', port, path: '/link', admit: () => {}, onTransport: () => {} }), {
    code: 'unavailable',
    message: new RegExp(`cannot listen on 127.0.0.1:${port}`)
  })
})

await t.test('a page in a browser cannot connect', async t => {
  const { url } = await serve(t, () => t.fail('it is connected'))
  const page = new WebSocket(url, { origin: 'http://example.com' })
  const [error] = await once(page, 'error')
  t.match(error.message, '403')
})

await t.test('the listener says where a connection comes from, and its close ends it', async t => {
  let peer = ''
  const { url, listener } = await serve(t, (transport, address) => {
    peer = address
    listenTo(transport)
  })
  const heard = listenTo(await dial(url, never))
  await until(() => peer, 'it is connected')
  t.equal(peer, '127.0.0.1')
  await listener.close()
  await until(() => heard.closed.length, 'it is closed')
})

await t.test('a frame that is too large ends only its own connection', async t => {
  const ends: ReturnType<typeof listenTo>[] = []
  const { url } = await serve(t, transport => {
    ends.push(listenTo(transport))
  })
  const [large, small] = [await dial(url, never), await dial(url, never)]
  listenTo(large)
  listenTo(small)
  large.send('x'.repeat(maxFrameBytes + 1))
  await until(() => ends[0]!.closed.length, 'the flood is cut off')
  small.send('still here')
  await until(() => ends[1]!.texts.length, 'the other goes on')
  t.match(ends[0]!.closed[0], /Max payload/)
})

await t.test('who sends faster than is read waits, and nothing is lost', async t => {
  let heard: ReturnType<typeof listenTo> | undefined
  const intake = { frameBytes: 1_000_000, bytesPerSecond: 500_000 }
  const { url } = await serve(
    t,
    transport => {
      heard = listenTo(transport)
    },
    { intake }
  )
  const transport = await dial(url, never)
  listenTo(transport)
  const start = performance.now()
  // What is read in ten seconds, of which eight are read at once.
  for (let n = 0; n < 10; n++) transport.send(String(n).repeat(500_000))
  await until(() => heard?.texts.length === 10, 'all is there')
  t.ok(performance.now() - start > 1000, 'not at once')
  t.same(
    heard?.texts.map(text => text[0]),
    [...'0123456789']
  )
})

await t.test('frames that are no WebSocket frames end only their own connection', async t => {
  const heard: ReturnType<typeof listenTo>[] = []
  const { url } = await serve(t, transport => {
    heard.push(listenTo(transport))
  })
  const socket = new WebSocket(url)
  await once(socket, 'open')
  const closed = once(socket, 'close')
  ;(socket as any)._socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))
  await until(() => heard[0]?.closed.length, 'it is cut off')
  await closed
  const good = await dial(url, never)
  good.send('hello')
  await until(() => heard[1]?.texts.length, 'the next one works')
  t.match(heard[0]!.closed[0], /Invalid WebSocket frame/)
})

await t.test('questions go both ways over a WebSocket', async t => {
  const [near, far] = await connect(t)
  const a = new Link(near, { name: () => 'a' })
  const b = new Link(far, { name: () => 'b' })
  t.equal(await a.ask('name', {}, { timeoutMs: 5000 }), 'b')
  t.equal(await b.ask('name', {}, { timeoutMs: 5000 }), 'a')
  await a.close('tired')
  t.equal(a.closed.reason, 'tired')
  await until(() => b.closed.aborted, 'the other end knows')
  t.equal(b.closed.reason, 'tired')
})
