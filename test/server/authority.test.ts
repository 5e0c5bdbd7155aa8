import t from 'tap'
import { agentPath } from '../../schemas/agent.js'
import { startTestController } from '../support/controller.js'
import { openRaw, upgradeText } from '../support/zeek-websocket.js'

const { settings } = await startTestController(t, { 'controller-hosts': 'controller.example' })
const { controller_websocket_port: port, controller_port: agentPort } = settings
const own = `127.0.0.1:${port}`

/** Sends a request as it is written, and returns its status and body. */
async function send(text: string, to = port): Promise<{ status: number; body: string }> {
  const raw = await openRaw(t, to, text)
  const come = await raw.ended
  raw.socket.destroy()
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(come)?.[1]), body: come.slice(come.indexOf('\r\n\r\n') + 4) }
}

const get = (target: string, lines: readonly string[]) =>
  `GET ${target} HTTP/1.1\r\n${[...lines, 'Connection: close'].map(line => `${line}\r\n`).join('')}\r\n`
const hosts = (...values: string[]) => values.map(value => `Host: ${value}`)

for (const [what, lines] of [
  ['the same twice', hosts(own, own)],
  ["a stranger's after ours", hosts(own, 'evil.example')],
  ["ours after a stranger's", hosts('evil.example', own)],
  ['in other cases', [`host: ${own}`, `HOST: ${own}`]],
  ['with others in between', [`Host: ${own}`, 'Accept: */*', 'X-Forwarded-For: 10.0.0.1', 'hOST: x']],
  ['one of them empty', hosts(own, '')],
  ['three', hosts(own, own, own)]
] as const) {
  await t.test(`several Host headers are refused: ${what}`, async t => {
    for (const target of ['/healthz', '/v1/nodes', '/nowhere', `http://${own}/healthz`]) {
      const { status, body } = await send(get(target, lines))
      t.equal(status, 400, target)
      t.match(JSON.parse(body), { code: 'invalid_request', detail: 'there are several Host headers' })
    }
    // With an upgrade that is heeded, and one that is not.
    for (const upgrade of ['websocket', 'h2c']) {
      const text = upgradeText(port, { headers: { host: null, upgrade, connection: 'Upgrade, close' } })
      t.equal((await send(text.replace('\r\n', `\r\n${lines.join('\r\n')}\r\n`))).status, 400, upgrade)
    }
    const agent = upgradeText(agentPort, { at: agentPath, headers: { host: null } })
    t.equal((await send(agent.replace('\r\n', `\r\n${lines.join('\r\n')}\r\n`), agentPort)).status, 400)
    t.equal((await send(get(agentPath, lines), agentPort)).status, 400)
  })
}

await t.test('headers whose names only look like Host do not count', async t => {
  t.equal(
    (await send(get('/healthz', [`Host: ${own}`, 'X-Host: evil.example', 'Hosts: a', 'Cookie: host']))).status,
    200
  )
  t.equal((await send(get(agentPath, [`Host: ${own}`, 'X-Host: evil.example']), agentPort)).status, 426)
})

await t.test('where the target is a whole URI, its host counts, and Host does not', async t => {
  for (const [target, host, expected] of [
    [`http://${own}/healthz`, own, 200],
    [`http://${own}/healthz`, 'evil.example', 200],
    ['http://evil.example/healthz', own, 403],
    [`http://evil.example:${port}/healthz`, own, 403],
    ['http://evil.example/healthz', 'evil.example', 403],
    [`http://${own}@evil.example/healthz`, own, 403],
    ['http://localhost/healthz', '', 200],
    ['http:///healthz', own, 400],
    [`http://controller.example/healthz`, 'evil.example', 200]
  ] as const) {
    t.equal((await send(get(target, hosts(host)))).status, expected, `${target} ${host}`)
  }
})

await t.test('an Origin is compared with the host that counts', async t => {
  const ask = async (target: string, host: string, origin: string) =>
    (await send(get(target, [`Host: ${host}`, `Origin: http://${origin}`]))).status
  t.equal(await ask(`http://${own}/v1/nodes`, 'controller.example', 'controller.example'), 403)
  t.equal(await ask(`http://${own}/v1/nodes`, 'controller.example', own), 200)
})
