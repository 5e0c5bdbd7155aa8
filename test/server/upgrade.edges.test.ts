import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { takeUpgrades } from '../../src/server/upgrade.js'
import { AppError } from '../../src/errors.js'
import { startTestController } from '../support/controller.js'
import { silent } from '../support/log.js'
import { until } from '../support/until.js'
import { openClient, openRaw, path, upgradeText } from '../support/zeek-websocket.js'

const wish = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n'

/** Sends requests in one go, and returns the statuses of the answers. */
async function pipelined(t: Test, ...requests: string[]) {
  const {
    settings: { controller_websocket_port: port }
  } = await startTestController(t)
  const text = requests.map(request => request.replace('\r\n', `\r\nHost: 127.0.0.1:${port}\r\n`)).join('')
  const raw = await openRaw(t, port, text)
  await Promise.race([raw.ended, sleep(3_000, undefined, { ref: false })])
  raw.socket.destroy()
  return raw.text().match(/(?<=HTTP\/1\.1 )\d+/g)
}

// With "Connection: close" in its place llhttp refuses what comes after: Node answers 400 in place of the answer to a
// request that it has begun to serve.
await t.test('requests that are pipelined behind one with another wish than a WebSocket are all answered', async t => {
  t.same(
    await pipelined(
      t,
      `GET /healthz HTTP/1.1\r\n${wish}\r\n`,
      'POST /v1/requests/get_instances HTTP/1.1\r\nContent-Length: 0\r\n\r\n',
      'GET /nope HTTP/1.1\r\nConnection: close\r\n\r\n'
    ),
    ['200', '202', '404']
  )
})

// Each time the server takes the connection anew it forgets the answers that are still to come on it.
await t.test('requests with another wish are answered behind one whose answer is still to come', async t => {
  const last = `GET /nope HTTP/1.1\r\n${wish.replace('Upgrade,', 'close, Upgrade,')}\r\n`
  t.same(await pipelined(t, 'GET /healthz HTTP/1.1\r\n\r\n', last), ['200', '404'])
  t.same(await pipelined(t, `GET /healthz HTTP/1.1\r\n${wish}\r\n`, last), ['200', '404'])
})

// Node leaves a connection that asks for an upgrade to whoever takes it, also one that is ended but not closed.
await t.test('a refused upgrade leaves no connection, even when the client does not close its end', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  takeUpgrades(
    server,
    () => {
      throw new AppError('forbidden', 'no')
    },
    silent
  )
  const raw = await openRaw(t, port, upgradeText(port))
  t.match(await raw.ended, /^HTTP\/1\.1 403 .*"forbidden"/s)
  const connections = () =>
    new Promise<number>((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
    )
  const outcome = await until(async () => (await connections()) === 0, 'it is gone', 2_000).catch(
    error => error.message
  )
  raw.socket.destroy()
  t.equal(outcome, true)
})

await t.test('closing does not wait for a client that was refused and stays', async t => {
  const {
    settings: { controller_websocket_port: port },
    close
  } = await startTestController(t)
  const raw = await openRaw(t, port, upgradeText(port, { headers: { host: 'evil.example' } }))
  await raw.ended
  const outcome = await Promise.race([close().then(() => 'closed'), sleep(4_000, 'waits', { ref: false })])
  raw.socket.destroy()
  t.equal(outcome, 'closed')
})

// Those who are connected are told to leave once; the server takes upgrades until it does not listen any more.
await t.test('nobody comes in by an upgrade while the controller closes', async t => {
  const {
    settings: { controller_websocket_port: port },
    close
  } = await startTestController(t)
  const first = await openClient(t, port)
  // It does not say goodbye: the others are waited for meanwhile.
  const deaf = await openRaw(t, port, upgradeText(port), { reads: false })
  const waiting = await openRaw(t, port)
  const closing = close()
  await first.closed
  waiting.socket.write(upgradeText(port))
  const outcome = await Promise.race([closing.then(() => 'closed'), sleep(4_000, 'waits', { ref: false })])
  t.notMatch(waiting.text(), /^HTTP\/1\.1 101/)
  deaf.socket.destroy()
  waiting.socket.destroy()
  t.equal(outcome, 'closed')
  const late = new WebSocket(`ws://127.0.0.1:${port}${path}`)
  await once(late, 'error')
})
