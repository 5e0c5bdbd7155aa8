import t from 'tap'
import { refuseExposure as refuseAgentExposure } from '../../src/agent/config.js'
import { refuseExposure } from '../../src/controller/config.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { directoryOf } from '../support/directory.js'
import { startHost } from '../support/host.js'
import { freePorts } from '../support/ports.js'
import { settingsOf } from '../support/settings.js'
import { start } from '../flow/cluster.js'

const loopback = ['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1']
const outside = ['0.0.0.0', '::', '10.0.0.1', '192.168.1.1', '128.0.0.1', '2001:db8::1', '::ffff:10.0.0.1', '::2']

/** Why a start is refused; undefined when it is not. */
function why(refuse: () => void): string | undefined {
  try {
    refuse()
    return undefined
  } catch (error: any) {
    if (error.code !== 'invalid_request') throw error
    return error.message
  }
}

await t.test('a controller is reached from elsewhere with authentication and TLS only, at either port', t => {
  for (const [port, setting] of [
    ['controller-websocket-addr', 'ZEEK_CONTROLLER_WEBSOCKET_ADDR'],
    ['controller-addr', 'ZEEK_CONTROLLER_ADDR']
  ] as const) {
    for (const address of [...loopback, ...outside]) {
      for (const authentication of ['none', 'token']) {
        for (const [name, tls] of Object.entries<Record<string, string>>({
          none: {},
          ours: { 'controller-tls-cert': 'c', 'controller-tls-key': 'k' },
          "a proxy's": { 'controller-tls-by-proxy': 'true' },
          both: { 'controller-tls-cert': 'c', 'controller-tls-key': 'k', 'controller-tls-by-proxy': 'true' }
        })) {
          const message = why(() =>
            refuseExposure(settingsOf({ [port]: address, 'controller-authentication': authentication, ...tls }))
          )
          const what = `${port} ${address}, authentication ${authentication}, TLS ${name}`
          if (loopback.includes(address)) t.equal(message, undefined, what)
          else if (authentication === 'none') {
            t.equal(
              message,
              `${setting} is ${address}: whoever reaches it could do everything; set ZEEK_CONTROLLER_AUTHENTICATION=token, or a loopback address`,
              what
            )
          } else if (name === 'none') {
            t.equal(
              message,
              `${setting} is ${address}: tokens could be read on their way; set ZEEK_CONTROLLER_TLS_CERT and ZEEK_CONTROLLER_TLS_KEY, or ZEEK_CONTROLLER_TLS_BY_PROXY=true where a proxy speaks TLS`,
              what
            )
          } else t.equal(message, undefined, what)
        }
      }
    }
  }
  t.end()
})

await t.test('an agent that listens elsewhere has a certificate', t => {
  for (const address of [...loopback, ...outside]) {
    for (const tls of [{}, { 'agent-tls-ca': 'ca' }] as Record<string, string>[]) {
      const message = why(() => refuseAgentExposure(settingsOf({ 'agent-addr': address, ...tls })))
      t.equal(
        message,
        loopback.includes(address)
          ? undefined
          : `ZEEK_AGENT_ADDR is ${address}: whoever reaches it could run anything; set ZEEK_AGENT_TLS_CERT, ZEEK_AGENT_TLS_KEY and ZEEK_AGENT_TLS_CA, or a loopback address`,
        address
      )
    }
    t.equal(
      why(() =>
        refuseAgentExposure(
          settingsOf({ 'agent-addr': address, 'agent-tls-ca': 'ca', 'agent-tls-cert': 'c', 'agent-tls-key': 'k' })
        )
      ),
      undefined
    )
  }
  t.end()
})

await t.test('an agent dials a controller elsewhere over TLS only', t => {
  const places = [...loopback, ...outside, 'localhost', 'controller.example.org'].map(host =>
    host.includes(':') ? `[${host}]` : host
  )
  const safe: Record<string, string>[] = [
    { 'agent-tls-ca': 'ca' },
    { 'agent-tls-pin': 'pin' },
    { 'agent-tls-by-proxy': 'true' }
  ]
  for (const host of places) {
    const controller = { 'agent-controller': `${host}:2150` }
    const isHere = host === 'localhost' || loopback.some(address => host.replace(/[[\]]/g, '') === address)
    for (const tls of [{}, { 'agent-token-file': 't' }] as Record<string, string>[]) {
      t.equal(
        why(() => refuseAgentExposure(settingsOf({ ...controller, ...tls }))),
        isHere
          ? undefined
          : `ZEEK_AGENT_CONTROLLER is ${host}:2150: whoever answers there could run anything; set ZEEK_AGENT_TLS_CA or ZEEK_AGENT_TLS_PIN, or ZEEK_AGENT_TLS_BY_PROXY=true where something else encrypts the way`,
        host
      )
    }
    for (const tls of safe) {
      t.equal(
        why(() => refuseAgentExposure(settingsOf({ ...controller, ...tls }))),
        undefined
      )
    }
  }
  t.end()
})

await t.test('of several controllers each address is looked at', t => {
  const of = (controllers: string, more = {}) =>
    why(() => refuseAgentExposure(settingsOf({ 'agent-controller': controllers, ...more })))
  t.equal(of('127.0.0.1:2150,[::1]:2150, localhost:2151'), undefined)
  for (const controllers of ['127.0.0.1:2150,10.0.0.1:2150', '10.0.0.1:2150, localhost:2150']) {
    t.match(of(controllers), /^ZEEK_AGENT_CONTROLLER names 10\.0\.0\.1:2150: whoever answers there/)
    t.equal(of(controllers, { 'agent-tls-ca': 'ca' }), undefined)
  }
  t.end()
})

await t.test('the command says in one line what to do, and each role heeds its own rules', async t => {
  const directory = directoryOf(t)
  const state = `--management-state-dir=${directory}/state`
  for (const [roles, env, message] of [
    [
      ['--controller'],
      { ZEEK_CONTROLLER_WEBSOCKET_ADDR: '0.0.0.0' },
      /^zeek-cluster: ZEEK_CONTROLLER_WEBSOCKET_ADDR is 0\.0\.0\.0: [^\n]*set ZEEK_CONTROLLER_AUTHENTICATION=token[^\n]*\n$/
    ],
    [
      [],
      { ZEEK_CONTROLLER_ADDR: '::', ZEEK_CONTROLLER_AUTHENTICATION: 'token' },
      /^zeek-cluster: ZEEK_CONTROLLER_ADDR is ::: [^\n]*set ZEEK_CONTROLLER_TLS_CERT[^\n]*\n$/
    ],
    [
      ['--agent'],
      { ZEEK_AGENT_ADDR: '10.0.0.1' },
      /^zeek-cluster: ZEEK_AGENT_ADDR is 10\.0\.0\.1: [^\n]*set ZEEK_AGENT_TLS_CERT[^\n]*\n$/
    ],
    [
      ['--agent'],
      { ZEEK_AGENT_CONTROLLER: '10.0.0.1:2150' },
      /^zeek-cluster: ZEEK_AGENT_CONTROLLER is 10\.0\.0\.1:2150: [^\n]*set ZEEK_AGENT_TLS_CA[^\n]*\n$/
    ]
  ] as const) {
    const { status, stdout, stderr } = start([...roles, state], env)
    t.equal(status, 2, stderr)
    t.equal(stdout, '')
    t.match(stderr, message)
  }
  const [port] = await freePorts(1)
  const agent = { 'agent-name': 'agent-a', 'agent-controller': `127.0.0.1:${port}` }
  for (const env of [{}, { ZEEK_CONTROLLER_ADDR: '0.0.0.0', ZEEK_CONTROLLER_WEBSOCKET_ADDR: '0.0.0.0' }]) {
    const host = await startHost(t, { 'management-state-dir': `${directory}/agent`, ...agent }, ['--agent'], env)
    t.match(host.output.stdout, /is ready/, host.output.stderr)
    await host.stop()
  }
  const controller = await startHost(
    t,
    {
      'management-state-dir': `${directory}/controller`,
      'controller-port': String(port),
      'controller-websocket-port': String((await freePorts(1))[0])
    },
    ['--controller'],
    { ZEEK_AGENT_ADDR: '10.0.0.1' }
  )
  t.match(controller.output.stdout, /is ready/, controller.output.stderr)
  t.match(await tokenCommand(['list'], {}, `${directory}/controller`), '')
})
