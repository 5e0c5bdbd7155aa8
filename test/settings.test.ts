import { join } from 'node:path'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { agentSettings } from '../src/agent/config.js'
import { controllerSettings } from '../src/controller/config.js'
import { environmentName, flagName, loadSettings, managementSettings, type Sources } from '../src/settings.js'
import { allSettings, settingsOf } from './support/settings.js'

const properties = { ...managementSettings, ...controllerSettings, ...agentSettings }
const load = (sources: Partial<Sources> = {}) => loadSettings(properties, { flags: {}, env: {}, ...sources })
const write = (t: Test, text: string) => join(t.testdir({ 'settings.yaml': text }), 'settings.yaml')

await t.test('without anything there are the defaults, and what has none is absent', async t => {
  t.match(load(), {
    controller_port: 2150,
    controller_websocket_port: 2149,
    controller_addr: '127.0.0.1',
    management_state_dir: './var',
    agent_controller: '127.0.0.1:2150',
    bin: 'zeek'
  })
  t.notOk('agent_advertise_addr' in load())
})

await t.test('flags win over the environment, that over the file, that over the default', async t => {
  const file = write(t, 'controller_port: 1001\ncontroller_websocket_port: 1002\nagent_port: 1003\n')
  const env = { ZEEK_CONTROLLER_PORT: '2001', ZEEK_CONTROLLER_WEBSOCKET_PORT: '2002', PATH: '/bin' }
  const flags = { 'controller-port': '3001' }
  t.match(load({ flags, env, file }), {
    controller_port: 3001,
    controller_websocket_port: 2002,
    agent_port: 1003,
    management_heartbeat: 5
  })
})

await t.test('an empty variable is none', async t => {
  t.equal(load({ env: { ZEEK_CONTROLLER_PORT: '', ZEEK_MANAGEMENT_STATE_DIR: '' } }).controller_port, 2150)
  const file = write(t, 'controller_port: 1001')
  t.equal(load({ env: { ZEEK_CONTROLLER_PORT: '' }, file }).controller_port, 1001)
})

await t.test('texts become what the setting is', async t => {
  t.match(
    load({
      env: {
        ZEEK_CONTROLLER_AUTO_ASSIGN_METRICS_PORTS: 'false',
        ZEEK_MANAGEMENT_HEARTBEAT: '0.5',
        ZEEK_CONTROLLER_NAME: '7'
      },
      file: write(t, 'agent_name: 8')
    }),
    {
      controller_auto_assign_metrics_ports: false,
      management_heartbeat: 0.5,
      controller_name: '7',
      agent_name: '8'
    }
  )
})

await t.test('what is no setting stops the start, with where it is', async t => {
  const file = write(t, 'controller_porte: 1')
  const cases: [Partial<Sources>, string][] = [
    [{ flags: { 'controller-porte': '1' } }, '--controller-porte is not a setting'],
    [{ flags: { controller_port: '1' } }, '--controller_port is not a setting'],
    [{ flags: { constructor: '1' } }, '--constructor is not a setting'],
    [{ env: { ZEEK_CONTROLLER_PORTE: '1' } }, 'ZEEK_CONTROLLER_PORTE is not a setting'],
    [{ env: { ZEEK_AGENT_X: '' } }, 'ZEEK_AGENT_X is not a setting'],
    [{ file }, `${file}: controller_porte is not a setting`]
  ]
  for (const [sources, message] of cases) t.throws(() => load(sources), { code: 'invalid_request', message })
  t.doesNotThrow(
    () =>
      load({
        env: { ZEEK_PLUGIN_PATH: 'x', ZEEKPATH: 'y', ZEEK_MANAGEMENT_NODE: 'AGENT', ZEEK_MANAGEMENT_TESTING: '1' }
      }),
    'these are not ours'
  )
})

await t.test('what is wrong stops the start, with where it is and what it is', async t => {
  const file = write(t, 'controller_port: [1]')
  const cases: [Partial<Sources>, RegExp][] = [
    [{ flags: { 'controller-port': 'abc' } }, /^--controller-port must be integer \(it is "abc"\)$/],
    [{ flags: { 'controller-port': '0' } }, /^--controller-port must be >= 1/],
    [{ flags: { 'controller-port': '65536' } }, /^--controller-port must be <= 65535/],
    [{ env: { ZEEK_CONTROLLER_PORT: '1.5' } }, /^ZEEK_CONTROLLER_PORT must be integer/],
    [{ env: { ZEEK_CONTROLLER_ADDR: 'localhost' } }, /^ZEEK_CONTROLLER_ADDR must be an IP address/],
    [{ env: { ZEEK_AGENT_NAME: '../x' } }, /^ZEEK_AGENT_NAME must be a name of 1 to 64 letters/],
    [{ env: { ZEEK_MANAGEMENT_LOG_LEVEL: 'loud' } }, /^ZEEK_MANAGEMENT_LOG_LEVEL must be one of debug, info/],
    [{ env: { ZEEK_AGENT_CONTROLLER: 'host' } }, /^ZEEK_AGENT_CONTROLLER must match pattern/],
    [{ env: { ZEEK_AGENT_CONTROLLER: 'a:1,none' } }, /^ZEEK_AGENT_CONTROLLER must match pattern/],
    [{ env: { ZEEK_AGENT_CONTROLLER: 'a:1,' } }, /^ZEEK_AGENT_CONTROLLER must match pattern/],
    [
      { env: { ZEEK_CONTROLLER_AUTO_ASSIGN_METRICS_PORTS: 'maybe' } },
      /^ZEEK_CONTROLLER_AUTO_ASSIGN_METRICS_PORTS must be boolean/
    ],
    [{ file }, /settings.yaml: controller_port must be integer \(it is \[1\]\)$/]
  ]
  for (const [sources, message] of cases) t.throws(() => load(sources), { code: 'invalid_request', message })
})

await t.test('a file that is not there, or holds something else, is named', async t => {
  t.throws(() => load({ file: '/nowhere/settings.yaml' }), {
    code: 'invalid_request',
    message: /^\/nowhere\/settings.yaml: ENOENT/
  })
  for (const text of ['- a\n- b', 'just a text', '5', '{', 'a: b: c']) {
    const file = write(t, text)
    t.throws(() => load({ file }), { code: 'invalid_request', message: new RegExp(`^${file}: `) }, text)
  }
  t.equal(load({ file: write(t, '') }).controller_port, 2150, 'an empty one holds nothing')
  t.equal(load({ file: write(t, '{"controller_port": 7}') }).controller_port, 7, 'JSON is YAML')
})

await t.test('each setting has a name for flags and one for the environment', async t => {
  t.equal(flagName('controller_websocket_port'), '--controller-websocket-port')
  t.equal(environmentName('controller_websocket_port'), 'ZEEK_CONTROLLER_WEBSOCKET_PORT')
  t.match(loadSettings({ bin: Type.String() }, { flags: {}, env: { ZEEK_BIN: '/x' } }), { bin: '/x' })
})

await t.test('every default is one that could be given', async t => {
  for (const [key, { default: value }] of Object.entries(allSettings as Record<string, { default?: unknown }>)) {
    if (value !== undefined && value !== '') {
      t.equal((settingsOf({ [key.replaceAll('_', '-')]: String(value) }) as Record<string, unknown>)[key], value, key)
    }
  }
})
