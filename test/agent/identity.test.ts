import { X509Certificate } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Identity, identityIn } from '../../src/agent/identity.js'
import { connect } from '../../src/client/connection.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { CertificateAuthority, createKey, publicKeyOf, readRequest } from '../../src/security/certificate-authority.js'
import { certificatesIn } from '../../src/security/fingerprint.js'
import { startTestAgent } from '../support/agent.js'
import { runCommand } from '../support/command.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { silent } from '../support/log.js'
import { freePorts } from '../support/ports.js'
import { until } from '../support/until.js'

const authorityText = await CertificateAuthority.create('ca', Date.now())
const authority = await CertificateAuthority.read(authorityText, authorityText)
const issue = async (publicKey: string, { name = 'a', lifetimeMs = 3_600_000 } = {}) =>
  (await authority.issue({ publicKey, subject: { role: 'agent', name }, lifetimeMs, now: Date.now() })).certificate

await t.test('a key and a certificate are written only if they belong together, and to the agent', async t => {
  const directory = directoryOf(t)
  const identity = new Identity(identityIn(directory))
  const [key, other] = [await createKey(), await createKey()]
  const good = await issue(publicKeyOf(key))
  await identity.write(key, good, 'a')
  const before = readFileSync(identity.path, 'utf8')
  for (const [certificate, name, message] of [
    [await issue(publicKeyOf(other)), 'a', /is for another key/],
    [good, 'b', /is not of agent b/],
    [certificatesIn(authorityText)[0]!, 'a', /is for another key/]
  ] as const) {
    await t.rejects(identity.write(key, certificate, name), { code: 'invalid_request', message })
  }
  await t.rejects(identity.write(key, 'nonsense', 'a'))
  t.equal(readFileSync(identity.path, 'utf8'), before)
  t.same(readdirSync(directory), ['identity.pem'])
})

await t.test('a renewal that fails is tried again, and leaves what there is', async t => {
  const identity = new Identity(identityIn(directoryOf(t)))
  const key = await createKey()
  // To be renewed at once: of an hour, less than a third is left.
  const { certificate: old } = await authority.issue({
    publicKey: publicKeyOf(key),
    subject: { role: 'agent', name: 'a' },
    lifetimeMs: 30_000,
    now: Date.now() - 22_000
  })
  await identity.write(key, old, 'a')
  const closing = new AbortController()
  const asked: string[] = []
  let renewals = 0
  const answers: ((request: string) => Promise<string>)[] = [
    async () => {
      throw new Error('no controller is connected')
    },
    async () => 'nonsense',
    async () => await issue(publicKeyOf(await createKey())),
    async request => {
      t.equal((await identity.certificate()).serialNumber, new X509Certificate(old).serialNumber)
      return await issue((await readRequest(request)).publicKey)
    }
  ]
  const keeping = identity.keep({
    name: 'a',
    ask: async request => {
      asked.push((await readRequest(request)).fingerprint)
      return await answers[asked.length - 1]!(request)
    },
    renewed: async patienceMs => {
      renewals++
      t.ok(patienceMs > 0 && patienceMs < 8000)
    },
    log: silent,
    signal: closing.signal
  })
  await until(() => renewals === 1, 'it is renewed')
  closing.abort()
  await keeping
  t.equal(new Set(asked).size, 4, 'each time with another key')
  t.not((await identity.certificate()).serialNumber, new X509Certificate(old).serialNumber)
})

await t.test('an agent that is dialled renews over its link, too, and can be forgotten', async t => {
  const directory = directoryOf(t)
  const admin = await tokenCommand(['create'], { role: 'admin' }, directory)
  const { url, settings, controller } = await startTestController(t, {
    'management-state-dir': directory,
    'controller-authentication': 'token',
    'controller-authority': 'own',
    'controller-certificate-lifetime': '12',
    'management-retry-max': '0.2'
  })
  const api = await connect({ urls: [url], token: admin, tls: { rejectUnauthorized: false } })
  const { data } = await api.POST('/v1/tokens', { body: { role: 'join', join: { accept: true } } })
  const state = join(directory, 'agent')
  mkdirSync(state, { mode: 0o700 })
  const joined = await runCommand([
    ...['join', url, '--token', data!.token, '--fingerprint', data!.fingerprint!],
    ...['--name', 'sensor-1', '--state-dir', state]
  ])
  t.equal(joined.code, 0, joined.stderr)
  const [port] = (await freePorts(1)) as [number]
  const agent = {
    'agent-controller': 'none',
    'agent-port': String(port),
    'agent-tls-cert': identityIn(state),
    'agent-tls-key': identityIn(state),
    'agent-tls-ca': join(state, 'controller-ca.pem')
  }
  const first = await new Identity(identityIn(state)).certificate()
  await startTestAgent(t, 'sensor-1', settings.controller_port, agent, state)
  const by = { name: 'test', role: 'admin', address: '127.0.0.1', client: 'test' } as const
  const config = {
    id: 'c',
    instances: [{ name: 'sensor-1', host: '127.0.0.1', listen_port: port }],
    nodes: [{ name: 'manager', instance: 'sensor-1', role: 'MANAGER' as const }]
  }
  for (const [type, args] of [
    ['stage_configuration', { config }],
    ['deploy', { check: false }]
  ] as const) {
    const { request } = await controller.request(type, args as never, { by })
    t.match(await controller.waitForRequest(request.reqid, 30), { state: 'succeeded' }, type)
  }
  const isConnected = () => controller.instances()[0]?.connected === true
  await until(
    async () => (await new Identity(identityIn(state)).certificate()).serialNumber !== first.serialNumber,
    'it is renewed'
  )
  await until(() => Date.now() > Date.parse(first.validTo), 'the first one has ended')
  await until(isConnected, 'it is connected')
  await api.DELETE('/v1/instances/{instance}', {
    params: { path: { instance: 'sensor-1' }, query: { force: true } }
  })
  await until(async () => {
    const { data } = await api.GET('/v1/events/history', { params: { query: { types: ['notify_error'] } } })
    return JSON.stringify(data!.events).includes('sensor-1 was forgotten')
  }, 'it is dialled again, and not taken')
  t.notOk(isConnected())
})
