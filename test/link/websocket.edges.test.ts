import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import t from 'tap'
import { dial, listen, type WebSocketTransport } from '../../src/link/websocket.js'
import { freePorts } from '../support/ports.js'
import { listenTo } from './transport-contract.js'

await t.test('a close with a long reason beyond ASCII closes', async t => {
  const [port] = await freePorts(1)
  const taken = new Promise<WebSocketTransport>((resolve, reject) => {
    listen({ host: '127.0.0.1', port: port!, path: '/link', admit: () => {}, onTransport: resolve }).then(
      listener => t.teardown(() => listener.close()),
      reject
    )
  })
  let near: WebSocketTransport | undefined
  while (!near) near = await dial(`ws://127.0.0.1:${port}/link`, new AbortController().signal).catch(() => undefined)
  const heard = listenTo(await taken)
  await t.resolves(near.close('ü'.repeat(100)))
  t.match(heard.closed[0], /^ü+/)
})

await t.test('a listener closes although someone has connected who says nothing', async t => {
  const [port] = await freePorts(1)
  const listener = await listen({
    host: '127.0.0.1',
    port: port!,
    path: '/link',
    admit: () => {},
    onTransport: () => {}
  })
  const silent = connectTcp(port!, '127.0.0.1')
  t.teardown(() => silent.destroy())
  await once(silent, 'connect')
  const closed = await Promise.race([
    listener.close().then(() => 'closed'),
    new Promise(resolve => setTimeout(resolve, 3000, 'hangs'))
  ])
  t.equal(closed, 'closed')
})
