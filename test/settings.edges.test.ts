import { join } from 'node:path'
import t from 'tap'
import { agentSettings } from '../src/agent/config.js'
import { controllerSettings } from '../src/controller/config.js'
import { loadSettings, managementSettings } from '../src/settings.js'

const properties = { ...managementSettings, ...controllerSettings, ...agentSettings }

await t.test('a name without a value in the file is unset, or an error, and not false or 0', async t => {
  const file = join(
    t.testdir({ 'settings.yaml': 'controller_auto_assign_metrics_ports:\nagent_restart_max:\n' }),
    'settings.yaml'
  )
  try {
    t.match(loadSettings(properties, { flags: {}, env: {}, file }), {
      controller_auto_assign_metrics_ports: true,
      agent_restart_max: 10
    })
  } catch (error) {
    t.match(error, { code: 'invalid_request' })
  }
})

await t.test('a blank is no number', async t => {
  t.throws(() => loadSettings(properties, { flags: {}, env: { ZEEK_CONTROLLER_CONNECT_GRACE: ' ' } }), {
    code: 'invalid_request'
  })
})

await t.test('no setting is longer than a timer can be', async t => {
  const tooLong = [
    'management_heartbeat',
    'agent_stop_timeout',
    'controller_timeout_max',
    'controller_timeout_deploy',
    'controller_events_heartbeat',
    'agent_restart_delay_max'
  ].filter(name => {
    try {
      loadSettings(properties, { flags: { [name.replaceAll('_', '-')]: '2147484' }, env: {} })
      return true
    } catch {
      return false
    }
  })
  t.same(tooLong, [])
})

await t.test('a server can listen on every address', async t => {
  t.equal(loadSettings(properties, { flags: { 'controller-addr': '0.0.0.0' }, env: {} }).controller_addr, '0.0.0.0')
})
