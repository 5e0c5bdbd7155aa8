import type { IncomingHttpHeaders } from 'node:http'
import { Forwarded } from '../../../src/server/access/forwarded.js'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { agentApiVersion, agentPath } from '../../../schemas/agent.js'
import { createAccess } from '../../../src/server/access/access.js'
import type { Audit } from '../../../src/requests/audit.js'
import { networksOf, OriginPolicy } from '../../../src/server/access/origin-policy.js'
import { Store } from '../../../src/store/store.js'
import { createAuthority } from '../../support/certificates.js'
import { getJson } from '../../support/client.js'
import { startTestController } from '../../support/controller.js'
import { directoryOf } from '../../support/directory.js'
import { settingsOf } from '../../support/settings.js'
import { until } from '../../support/until.js'
import { openRaw, upgradeText } from '../../support/zeek-websocket.js'

/** The site that settings describe. */
function siteOf(t: Test, flags: Record<string, string>): OriginPolicy {
  const store = new Store(':memory:')
  const audit = { repeated: () => {}, refused: () => {} } as unknown as Audit
  const access = createAccess({
    settings: settingsOf(flags),
    store,
    audit,
    write: async job => job(() => {}),
    onChange: () => {},
    now: Date.now
  })
  t.teardown(() => {
    access.close()
    store.close()
  })
  return access.site
}

const refuses = (site: OriginPolicy, headers: IncomingHttpHeaders) => {
  try {
    site.refuseForeigner({ headers, rawHeaders: [] })
    return false
  } catch (error: any) {
    if (error.code !== 'forbidden') throw error
    return true
  }
}

await t.test('Host names this machine, whatever the port', async t => {
  const site = await siteOf(t, {})
  for (const host of [
    '127.0.0.1',
    '127.0.0.1:2149',
    '127.8.9.1:1',
    'localhost',
    'LOCALHOST:2149',
    '[::1]',
    '[::1]:2149',
    '[0:0:0:0:0:0:0:1]:2149',
    '[::ffff:127.0.0.1]'
  ]) {
    t.notOk(refuses(site, { host }), host)
  }
  const bad = [
    '',
    ':2149',
    'evil.example',
    'evil.example:2149',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    'localhost.',
    'localhost:2149:2149',
    'localhost@evil.example',
    'evil.example#localhost',
    'localhost,evil.example',
    'evil.example, localhost',
    'localhost evil.example',
    '0.0.0.0:2149',
    '[::]:2149',
    '10.0.0.1:2149',
    '[2001:db8::1]',
    '2130706433',
    '0x7f.1',
    '127.1',
    '017700000001',
    '[evil.example]',
    '[::1',
    '::1',
    '[::1]evil.example',
    '[localhost',
    '%6cocalhost',
    'ⓛocalhost',
    '*',
    '*.example.org',
    'undefined'
  ]
  for (const host of bad) t.ok(refuses(site, { host }), host)
  t.ok(refuses(site, {}), 'none')
})

await t.test('or one of the names that clients know, and of its certificate', async t => {
  const directory = directoryOf(t)
  const { cert, key } = createAuthority(directory).issue('controller', 'ctl', {
    names: 'DNS:zeek.example.org,DNS:*.sensors.example.org,IP:192.0.2.7'
  })
  const tls = { 'controller-tls-cert': cert, 'controller-tls-key': key }
  const site = await siteOf(t, { ...tls, 'controller-hosts': 'Other.example.org, third' })
  for (const host of [
    'zeek.example.org',
    'ZEEK.example.org:443',
    'a.sensors.example.org:2149',
    'other.example.org',
    'OTHER.EXAMPLE.ORG:1',
    'third',
    'localhost'
  ]) {
    t.notOk(refuses(site, { host }), host)
  }
  for (const host of [
    'example.org',
    'a.b.sensors.example.org',
    'sensors.example.org',
    '*.sensors.example.org',
    'ctl',
    'controller',
    'zeek.example.org.evil.example',
    'evil.example',
    '10.0.0.1',
    '',
    '.example.org',
    '.',
    'a\0b',
    'x'.repeat(3000)
  ]) {
    t.ok(refuses(site, { host }), host)
  }
  const outside = await siteOf(t, {
    ...tls,
    'controller-websocket-addr': '0.0.0.0',
    'controller-authentication': 'token'
  })
  for (const host of ['192.0.2.7', '10.0.0.1:2149', '[2001:db8::1]:2149', 'zeek.example.org']) {
    t.notOk(refuses(outside, { host }), `${host}: no page can have an address as its name`)
  }
  t.ok(refuses(outside, { host: 'evil.example' }))
})

await t.test('Origin is this server, as the client sees it', async t => {
  const directory = directoryOf(t)
  const { cert, key } = createAuthority(directory).issue('controller', 'ctl')
  const host = 'localhost:2149'
  for (const [flags, scheme, other] of [
    [{}, 'http', 'https'],
    [{ 'controller-tls-by-proxy': 'true' }, 'https', 'http'],
    [{ 'controller-tls-cert': cert, 'controller-tls-key': key }, 'https', 'http']
  ] as const) {
    const site = await siteOf(t, flags)
    t.notOk(refuses(site, { host, origin: `${scheme}://${host}` }))
    for (const origin of [
      '',
      'null',
      `${other}://${host}`,
      `${scheme}://localhost`,
      `${scheme}://localhost:1`,
      `${scheme}://127.0.0.1:2149`,
      `${scheme}://evil.example`,
      `${scheme}://${host}.evil.example`,
      `${scheme}://${host}/`,
      `${scheme}://x@${host}`,
      `${scheme}://${host}, ${scheme}://${host}`,
      'file://',
      'chrome-extension://abc',
      'undefined'
    ]) {
      t.ok(refuses(site, { host, origin }), `${scheme} here: ${origin}`)
    }
  }
})

await t.test('a refusal says which setting lets a name, or a proxy, in', async t => {
  const site = await siteOf(t, {})
  for (const [headers, message] of [
    [{ host: 'controller:2149' }, 'Host controller:2149 is not this server: ZEEK_CONTROLLER_HOSTS adds a name'],
    [
      { host: 'localhost', origin: 'https://localhost' },
      'Origin https://localhost is not this server: ZEEK_CONTROLLER_TLS_BY_PROXY=true says that a proxy speaks TLS'
    ],
    [{ host: 'localhost', origin: 'https://evil.example' }, 'Origin https://evil.example is not this server']
  ] as const) {
    t.throws(() => site.refuseForeigner({ headers, rawHeaders: [] }), { code: 'forbidden', message })
  }
})

await t.test('without an Origin, Sec-Fetch-Site tells of pages of other sites', async t => {
  const site = await siteOf(t, {})
  const host = 'localhost:2149'
  for (const from of ['same-origin', 'none', undefined]) {
    t.notOk(
      refuses(site, { host, ...(from ? { 'sec-fetch-site': from } : {}), 'sec-fetch-mode': 'no-cors' }),
      String(from)
    )
  }
  for (const from of ['cross-site', 'same-site']) {
    for (const mode of ['no-cors', 'cors', 'websocket', 'same-origin', '', undefined]) {
      t.ok(
        refuses(site, { host, 'sec-fetch-site': from, ...(mode === undefined ? {} : { 'sec-fetch-mode': mode }) }),
        `${from} ${mode}`
      )
    }
    t.notOk(refuses(site, { host, 'sec-fetch-site': from, 'sec-fetch-mode': 'navigate' }), 'a link may be followed')
    t.ok(
      refuses(site, { host, 'sec-fetch-site': from, 'sec-fetch-mode': 'navigate', origin: 'null' }),
      'a form may not be sent'
    )
  }
})

await t.test('an address is what the last proxy says that is believed', t => {
  const addressOf = (
    remoteAddress: string | undefined,
    forwarded: string | undefined,
    proxies = '127.0.0.1, 10.0.0.0/8, 2001:db8::/32'
  ) =>
    new OriginPolicy({
      isNamed: () => false,
      isSecure: false,
      proxies: networksOf(proxies, 'S'),
      forwarded: new Forwarded(() => undefined, Date.now)
    }).addressOf({
      headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
      socket: { remoteAddress } as never
    })
  for (const [remote, forwarded, expected] of [
    ['127.0.0.1', undefined, '127.0.0.1'],
    ['127.0.0.1', '', '127.0.0.1'],
    ['127.0.0.1', '203.0.113.5', '203.0.113.5'],
    ['::ffff:127.0.0.1', '203.0.113.5', '203.0.113.5'],
    ['127.0.0.1', '::FFFF:203.0.113.5', '203.0.113.5'],
    ['127.0.0.1', '2001:4860::1', '2001:4860::1'],
    ['2001:db8::1', '203.0.113.5', '203.0.113.5'],
    // What a client has made up is left of what the proxy says.
    ['127.0.0.1', '1.2.3.4, 203.0.113.5', '203.0.113.5'],
    ['127.0.0.1', '10.0.0.9, 203.0.113.5', '203.0.113.5'],
    ['127.0.0.1', '1.2.3.4, 203.0.113.5, 10.0.0.2', '203.0.113.5'],
    ['127.0.0.1', '10.0.0.1,10.0.0.2', '10.0.0.1'],
    // A proxy that says something else is not to bring the client's own words forward.
    ['127.0.0.1', '1.2.3.4, 203.0.113.5:4711', '127.0.0.1'],
    ['127.0.0.1', '1.2.3.4, unknown', '127.0.0.1'],
    ['127.0.0.1', '1.2.3.4, ', '127.0.0.1'],
    ['127.0.0.1', '1.2.3.4, [2001:db8::5]', '127.0.0.1'],
    ['127.0.0.1', '203.0.113.5, fe80::1%eth0', 'fe80::1%eth0'],
    // Whoever is no proxy of ours says nothing of others.
    ['203.0.113.9', '1.2.3.4', '203.0.113.9'],
    ['203.0.113.9', '127.0.0.1', '203.0.113.9'],
    ['fe80::1%eth0', '1.2.3.4', 'fe80::1%eth0'],
    [undefined, '1.2.3.4', '']
  ] as const) {
    t.equal(addressOf(remote, forwarded), expected, `${remote}: ${forwarded}`)
  }
  t.equal(addressOf('127.0.0.1', '1.2.3.4', ''), '127.0.0.1', 'nobody is believed by default')
  t.end()
})

await t.test('what is no list of networks is refused, with the name of the setting', t => {
  for (const text of [
    'x',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '2001:db8::/129',
    '10.0.0.0/-1',
    '10.0.0.0/1e1',
    'example.org'
  ]) {
    t.throws(() => networksOf(text, 'ZEEK_X'), {
      code: 'invalid_request',
      message: `ZEEK_X: ${text} is neither an address nor a network`
    })
  }
  t.ok(networksOf('2001:DB8::/32', 'ZEEK_X').check('2001:db8::9', 'ipv6'))
  t.end()
})

await t.test('both ports believe the proxy: limits count its clients, and agents are where they are', async t => {
  const { url, settings, controller } = await startTestController(
    t,
    { 'controller-trusted-proxies': '127.0.0.1', 'controller-requests-rate-max': '1' },
    { now: () => 0 }
  )
  const status = async (forwarded: string) =>
    (await fetch(`${url}/healthz`, { headers: { 'x-forwarded-for': forwarded } })).status
  t.same([await status('203.0.113.5'), await status('203.0.113.5'), await status('203.0.113.5')], [200, 200, 429])
  t.equal(await status('1.2.3.4, 203.0.113.5'), 429, 'a client does not get away with another name')
  t.equal(await status('203.0.113.6'), 200)
  const socket = new WebSocket(`ws://127.0.0.1:${settings.controller_port}${agentPath}`, {
    headers: { 'x-forwarded-for': '203.0.113.7' }
  })
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  socket.send(
    JSON.stringify({
      ask: 1,
      timeout: 1000,
      method: 'hello',
      params: { name: 'agent-a', api_version: agentApiVersion, version: '1', machine: 'm', nodes: [] }
    })
  )
  t.match(JSON.parse(String((await once(socket, 'message'))[0])), { answer: 1, result: {} })
  t.match(controller.instances(), [{ name: 'agent-a', host: '203.0.113.7' }])
})

await t.test('pages of other sites are counted, and told of once, however many names they have', async t => {
  const clock = { now: 0 }
  const { url, settings } = await startTestController(
    t,
    { 'controller-requests-rate-max': '5' },
    { now: () => clock.now }
  )
  const status = async (n: number) =>
    /^HTTP\/1.1 (\d+)/.exec(
      await (
        await openRaw(
          t,
          settings.controller_websocket_port,
          `GET /healthz HTTP/1.1\r\nHost: evil-${n}.example\r\nConnection: close\r\n\r\n`
        )
      ).ended
    )?.[1]
  const answers = []
  for (let n = 0; n < 12; n++) answers.push(await status(n))
  t.same(answers, [...Array(10).fill('403'), '429', '429'])
  t.equal((await fetch(`${url}/healthz`)).status, 429)
  clock.now += 2000
  const refused = async () =>
    (await getJson(`${url}/v1/audit`)).entries.filter(({ outcome }: any) => outcome === 'refused')
  await until(async () => (await refused()).length > 0, 'it is told')
  t.match(await refused(), [{ detail: 'Host evil-0.example is not this server: ZEEK_CONTROLLER_HOSTS adds a name' }])
  t.equal((await refused()).length, 1)
})

await t.test('Host and Origin are looked at on every way in', async t => {
  const {
    settings: { controller_websocket_port: port }
  } = await startTestController(t)
  for (const bad of [
    { host: 'evil.example' },
    { host: `127.0.0.1:${port}`, origin: 'http://evil.example' },
    { host: `127.0.0.1:${port}`, 'sec-fetch-site': 'cross-site' }
  ] as Record<string, string>[]) {
    for (const line of [
      'GET /healthz',
      'GET /v1/events',
      'HEAD /v1/events',
      'GET /docs/',
      'GET /openapi.yaml',
      'GET /nope',
      'POST /v1/requests/deploy',
      'OPTIONS /v1/requests/deploy',
      'GET /metrics',
      'DELETE /v1/session',
      'POST /v1/session',
      'GET http://evil.example/healthz'
    ]) {
      const text = await (
        await openRaw(
          t,
          port,
          `${line} HTTP/1.1\r\n${Object.entries(bad)
            .map(([name, value]) => `${name}: ${value}\r\n`)
            .join('')}content-length: 0\r\nconnection: close\r\n\r\n`
        )
      ).ended
      t.match(text, /^HTTP\/1.1 403 /, `${line} ${JSON.stringify(bad)}`)
      t.notMatch(text, /access-control/i)
    }
    t.match(await (await openRaw(t, port, upgradeText(port, { headers: bad }))).ended, /^HTTP\/1.1 403 /)
  }
  const twice = await (
    await openRaw(
      t,
      port,
      `GET /healthz HTTP/1.1\r\nHost: evil.example\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`
    )
  ).ended
  t.match(twice, /^HTTP\/1.1 400 /)
})
