import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t from 'tap'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { connect as connectTo } from '../../src/client/connection.js'
import { refuseAuthority } from '../../src/controller/authority-config.js'
import { startController } from '../../src/controller/main.js'
import { certificatesIn } from '../../src/security/fingerprint.js'
import { createAuthority } from '../support/certificates.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { startHost } from '../support/host.js'
import { silent } from '../support/log.js'
import { freePorts } from '../support/ports.js'
import { childrenOf } from '../support/running.js'
import { settingsOf } from '../support/settings.js'
import { until } from '../support/until.js'

const own = (directory: string, flags: Record<string, string> = {}) => ({
  'management-state-dir': directory,
  'controller-authentication': 'token',
  'controller-authority': 'own',
  ...flags
})

/** The certificate that is shown at a port to who trusts these authorities. */
async function shownAt(port: number, ca: string, host = 'localhost'): Promise<X509Certificate> {
  const socket = connect({ port, host: '127.0.0.1', servername: host, ca })
  await once(socket, 'secureConnect')
  const { raw } = socket.getPeerCertificate()
  socket.destroy()
  return new X509Certificate(raw)
}

await t.test('a controller makes an authority once, and shows a certificate of it at both ports', async t => {
  const directory = directoryOf(t)
  const first = await startTestController(t, own(directory, { 'controller-hosts': 'zeek.example.org' }))
  const [authority, controller] = ['authority.pem', 'controller.pem'].map(file => join(directory, file)) as [
    string,
    string
  ]
  for (const file of [authority, controller]) t.equal(statSync(file).mode & 0o777, 0o600, file)
  const text = readFileSync(authority, 'utf8')
  const ca = certificatesIn(text)[0]!
  const { controller_websocket_port: clients, controller_port: agents } = first.settings
  const shown = await shownAt(clients, ca, 'zeek.example.org')
  t.equal(shown.subject, 'O=controller\nCN=controller')
  t.ok((await shownAt(agents, ca)).raw.equals(shown.raw))
  await first.close()
  const second = await startTestController(t, own(directory, { 'controller-hosts': 'zeek.example.org' }))
  t.equal(readFileSync(authority, 'utf8'), text)
  t.ok((await shownAt(second.settings.controller_port, ca)).raw.equals(shown.raw), 'and keeps it while it is good')
  await second.close()
  const third = await startTestController(t, own(directory, { 'controller-hosts': 'other.example.org' }))
  const renamed = await shownAt(third.settings.controller_port, ca, 'other.example.org')
  t.notOk(renamed.raw.equals(shown.raw), 'unless it has other names')
  await third.close()
  writeFileSync(controller, 'nonsense')
  const fourth = await startTestController(t, own(directory))
  t.ok(await shownAt(fourth.settings.controller_port, ca), 'or is damaged')
})

await t.test('its certificate is renewed while it runs, and shown to new connections', async t => {
  const directory = directoryOf(t)
  const { settings } = await startTestController(t, own(directory, { 'controller-certificate-lifetime': '5' }))
  const ca = certificatesIn(readFileSync(join(directory, 'authority.pem'), 'utf8'))[0]!
  for (const port of [settings.controller_port, settings.controller_websocket_port]) {
    const before = await shownAt(port, ca)
    const after = await until(async () => {
      const now = await shownAt(port, ca)
      return !now.raw.equals(before.raw) && now
    }, 'another one is shown')
    t.ok(Date.parse(after.validTo) > Date.parse(before.validTo))
  }
})

await t.test(
  'one that was to last for less long is renewed before it ends, though others are to last for longer',
  async t => {
    const directory = directoryOf(t)
    const first = await startTestController(t, own(directory, { 'controller-certificate-lifetime': '15' }))
    await first.close()
    const ca = certificatesIn(readFileSync(join(directory, 'authority.pem'), 'utf8'))[0]!
    const file = join(directory, 'controller.pem')
    const before = new X509Certificate(readFileSync(file))
    const { settings } = await startTestController(t, own(directory))
    const after = await until(async () => {
      const now = await shownAt(settings.controller_port, ca)
      return now.serialNumber !== before.serialNumber && now
    }, 'another one is shown')
    t.ok(Date.parse(after.validTo) > Date.now() + 86_400_000)
  }
)

await t.test('an authority of yours gives certificates as well, beside a certificate of your own', async t => {
  const directory = directoryOf(t)
  const yours = createAuthority(directory, 'yours')
  const flags = {
    'management-state-dir': directory,
    'controller-authentication': 'token',
    'controller-authority-cert': yours.ca,
    'controller-authority-key': yours.ca.replace('.pem', '.key')
  }
  const { settings, close } = await startTestController(t, flags)
  const ca = readFileSync(yours.ca, 'utf8')
  t.equal((await shownAt(settings.controller_port, ca)).subject, 'O=controller\nCN=controller')
  t.notOk(existsSync(join(directory, 'authority.pem')), 'it makes none')
  await close()
  const other = createAuthority(directory, 'other')
  const issued = other.issue('controller', 'mine')
  const { settings: again } = await startTestController(t, {
    ...flags,
    'controller-tls-cert': issued.cert,
    'controller-tls-key': issued.key
  })
  t.match((await shownAt(again.controller_port, readFileSync(other.ca, 'utf8'))).subject, /CN=mine/)
})

await t.test('an agent in the same zeek-cluster knows the controller whose certificate is renewed', async t => {
  const directory = directoryOf(t)
  const token = await tokenCommand(['create'], { role: 'viewer' }, directory)
  const [clients, agents] = (await freePorts(2)) as [number, number]
  const host = await startHost(t, {
    ...own(directory, { 'controller-certificate-lifetime': '5', 'agent-name': 'agent-a' }),
    'controller-websocket-port': String(clients),
    'controller-port': String(agents)
  })
  const ca = certificatesIn(readFileSync(join(directory, 'authority.pem'), 'utf8'))[0]!
  const api = await connectTo({ urls: [`https://127.0.0.1:${clients}`], token, ca })
  const since = async () => (await api.GET('/v1/instances').catch(() => undefined))?.data?.instances[0]?.connected_at
  const before = await until(since, 'the agent is connected')
  const shown = await shownAt(agents, ca)
  await until(async () => !(await shownAt(agents, ca)).raw.equals(shown.raw), 'the certificate is renewed')
  t.equal(await since(), before, 'which the agent does not notice')
  for (const role of childrenOf(host.pid)) process.kill(role, 'SIGKILL')
  await until(async () => ![undefined, before].includes(await since()), 'it connects again, and knows the new one')
})

await t.test('settings of an authority that cannot work are refused by their names', async t => {
  const directory = directoryOf(t)
  const token = { 'controller-authentication': 'token', 'management-state-dir': directory }
  const yours = createAuthority(directory, 'yours')
  const files = { 'controller-authority-cert': yours.ca, 'controller-authority-key': yours.ca.replace('.pem', '.key') }
  const cases: [Record<string, string>, RegExp][] = [
    [{ 'controller-authority': 'own' }, /needs ZEEK_CONTROLLER_AUTHENTICATION=token/],
    [{ ...token, 'controller-authority-cert': yours.ca }, /_CERT and ZEEK_CONTROLLER_AUTHORITY_KEY need each other/],
    [{ ...token, ...files, 'controller-authority': 'own' }, /names another one/],
    [{ ...token, ...files, 'controller-tls-by-proxy': 'true' }, /excludes ZEEK_CONTROLLER_TLS_BY_PROXY/],
    [{ ...token, 'controller-authority': 'own', 'controller-nats': 'a' }, /an authority of its own: give all of them/]
  ]
  for (const [flags, message] of cases) {
    t.throws(() => refuseAuthority(settingsOf(flags)), { code: 'invalid_request', message })
  }
  t.doesNotThrow(() => refuseAuthority(settingsOf({})))
  const leaf = yours.issue('controller', 'controller')
  const starting = async (flags: Record<string, string>) =>
    await startController({ settings: settingsOf({ ...token, ...flags }), log: silent })
  await t.rejects(starting({ ...files, 'controller-authority-cert': leaf.cert }), {
    code: 'invalid_request',
    message: /ZEEK_CONTROLLER_AUTHORITY_CERT: .*is not the certificate of an authority/
  })
  await t.rejects(starting({ ...files, 'controller-authority-key': leaf.key }), {
    message: /ZEEK_CONTROLLER_AUTHORITY_CERT: .*the key is not that of its certificate/
  })
  await t.rejects(starting({ ...files, 'controller-authority-key': join(directory, 'none') }), {
    message: /ZEEK_CONTROLLER_AUTHORITY_KEY: .*none/
  })
})
