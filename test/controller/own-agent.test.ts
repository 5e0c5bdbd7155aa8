import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { agentInNeed, ownController, refuseClash } from '../../src/controller/own-agent.js'
import { loadSettings } from '../../src/settings.js'
import { createAuthority } from '../support/certificates.js'
import { start } from '../flow/cluster.js'
import { startTestAgent } from '../support/agent.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { startHost } from '../support/host.js'
import { freePorts, portFlags } from '../support/ports.js'
import { allSettings } from '../support/settings.js'
import { until } from '../support/until.js'

const own = (flags: Record<string, string>) =>
  loadSettings(allSettings, { flags: { 'management-state-dir': '/state', ...flags }, env: {} }, ownController)
const tls = { 'controller-tls-cert': '/c.pem', 'controller-tls-key': '/c.key' }
const token = { 'controller-authentication': 'token' }

await t.test('an agent with a controller in one zeek-cluster dials that one, where it listens', async t => {
  for (const [flags, expected] of [
    [{}, '127.0.0.1:2150'],
    [{ 'controller-port': '14150' }, '127.0.0.1:14150'],
    [{ 'controller-addr': '0.0.0.0' }, '127.0.0.1:2150'],
    [{ 'controller-addr': '192.0.2.7', 'controller-port': '1' }, '192.0.2.7:1'],
    [{ 'controller-addr': '127.0.0.9' }, '127.0.0.9:2150'],
    [{ 'controller-addr': '::' }, '[::1]:2150'],
    [{ 'controller-addr': '0:0:0:0:0:0:0:0' }, '[::1]:2150'],
    [{ 'controller-addr': '2001:db8::1' }, '[2001:db8::1]:2150'],
    [{ 'controller-port': '14150', 'agent-controller': 'none' }, 'none'],
    [{ 'controller-port': '14150', 'agent-controller': '127.0.0.1:2150' }, '127.0.0.1:2150']
  ] as const) {
    t.equal(own(flags).agent_controller, expected, JSON.stringify(flags))
  }
})

await t.test('and knows it by its certificate, and shows what it asks for, unless somebody has said what', async t => {
  const of = (flags: Record<string, string>) => {
    const { agent_tls_pin: pin, agent_token_file: file } = own(flags)
    return { pin, file }
  }
  t.same(of({}), { pin: undefined, file: undefined })
  t.same(of(tls), { pin: '/c.pem', file: undefined })
  t.same(of(token), { pin: undefined, file: '/state/agent.token' })
  t.same(of({ ...tls, ...token, 'agent-tls-pin': '/p.pem', 'agent-token-file': '/t' }), { pin: '/p.pem', file: '/t' })
  t.same(
    of({ ...tls, ...token, 'agent-tls-cert': '/a.pem', 'agent-tls-key': '/a.key' }),
    { pin: '/c.pem', file: undefined },
    'a certificate is enough'
  )
  t.same(
    of({ ...tls, ...token, 'agent-controller': 'other.example.org:2150' }),
    { pin: undefined, file: undefined },
    'of another one nothing follows'
  )
  t.same(agentInNeed(own({ ...token, 'agent-name': 'a' })), { name: 'a', tokenFile: '/state/agent.token' })
  t.same(
    [{}, { ...token, 'agent-token-file': '/t' }].map(flags => agentInNeed(own(flags))),
    [undefined, undefined]
  )
  t.throws(() => refuseClash(own({ 'controller-name': 'x', 'agent-name': 'x' })), {
    code: 'invalid_request',
    message: 'ZEEK_CONTROLLER_NAME and ZEEK_AGENT_NAME are both x: they need names of their own'
  })
})

/** What both in one zeek-cluster say when they are ready, and whether they are connected. */
async function together(t: Test, flags: Record<string, string>) {
  const directory = directoryOf(t)
  const [http, agents] = await freePorts(2)
  const host = await startHost(
    t,
    {
      'management-state-dir': directory,
      'controller-websocket-port': String(http),
      'agent-name': 'agent-1',
      ...portFlags(),
      ...flags
    },
    [],
    { ZEEK_CONTROLLER_PORT: String(agents) }
  )
  await until(() => /connected with/.test(host.output.stderr), 'the agent is connected')
  return { host, agents, directory }
}

await t.test('one setting is enough: the agent of the same zeek-cluster follows it', async t => {
  const { host, agents } = await together(t, {})
  t.match(host.output.stdout, `agent-1 is an agent of 127.0.0.1:${agents}`)
})

await t.test('with TLS and tokens it needs no setting either, whatever names the certificate has', async t => {
  const { cert, key } = createAuthority(directoryOf(t)).issue('controller', 'controller', {
    names: 'DNS:controller.example.org'
  })
  const { host, directory } = await together(t, { ...token, 'controller-tls-cert': cert, 'controller-tls-key': key })
  const file = join(directory, 'agent.token')
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.match(readFileSync(file, 'utf8'), /^zcc_/)
  t.notMatch(host.output.stderr, readFileSync(file, 'utf8').trim())
})

await t.test('the certificate that is expected is taken, and no other of the same authority', async t => {
  const directory = directoryOf(t)
  const authority = createAuthority(directory)
  const [shown, expected] = ['DNS:a.example.org', 'IP:127.0.0.1'].map(names =>
    authority.issue('controller', 'controller', { names })
  )
  const { controller, settings } = await startTestController(t, {
    'controller-tls-cert': shown!.cert,
    'controller-tls-key': shown!.key
  })
  const connected = () => controller.instances().flatMap(({ name, connected }) => (connected ? name : []))
  await startTestAgent(t, 'other', settings.controller_port, { 'agent-tls-pin': expected!.cert })
  await startTestAgent(t, 'authority', settings.controller_port, { 'agent-tls-pin': authority.ca })
  await startTestAgent(t, 'right', settings.controller_port, { 'agent-tls-pin': shown!.cert })
  await until(() => connected().length > 0, 'one is connected')
  t.same(connected(), ['right'])
})

await t.test('each start gives the agent another token, and the one before is good no more', async t => {
  const directory = directoryOf(t)
  const tokenFile = join(directory, 'agent.token')
  const tokens: string[] = []
  for (let starts = 0; starts < 2; starts++) {
    const { close, settings } = await startTestController(
      t,
      { 'management-state-dir': directory, ...token },
      { agent: { name: 'agent-1', tokenFile } }
    )
    const text = readFileSync(tokenFile, 'utf8').trim()
    tokens.push(text)
    const status = async (bearer: string) =>
      (
        await fetch(`http://127.0.0.1:${settings.controller_websocket_port}/v1/session`, {
          headers: { authorization: `Bearer ${bearer}` }
        })
      ).status
    t.not(await status(text), 401, 'it is known')
    if (starts === 1) t.equal(await status(tokens[0]!), 401)
    await close()
  }
  t.not(tokens[0], tokens[1])
})

await t.test('two of one name do not start, and say which settings name them', async t => {
  const { status, stderr } = start([
    '--controller-name',
    'x',
    '--agent-name',
    'x',
    '--management-state-dir',
    join(directoryOf(t), 'state')
  ])
  t.same(
    [status, stderr],
    [2, 'zeek-cluster: ZEEK_CONTROLLER_NAME and ZEEK_AGENT_NAME are both x: they need names of their own\n']
  )
})
