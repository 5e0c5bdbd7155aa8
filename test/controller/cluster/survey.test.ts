import t, { type Test } from 'tap'
import type { Handlers } from '../../../src/link/link.js'
import { getJson } from '../../support/client.js'
import { startTestController } from '../../support/controller.js'
import { configurationOf, fakeAgent, manager, never, small, stateDir, worker } from '../fake-agent.js'

const flags = {
  'controller-auto-assign-broker-start-port': '2200',
  'controller-auto-assign-metrics-start-port': '9000',
  'controller-auto-assign-zeromq-start-port': '5555'
}

/** A controller, and an agent on whose host strangers hold these ports, until they go. */
async function start(t: Test, handler?: Handlers[string], directory = stateDir(t)) {
  const strangers = new Set([9001])
  const controller = await startTestController(t, { 'management-state-dir': directory, ...flags })
  const handlers = { get_taken_ports: handler ?? (() => ({ ports: [...strangers] })) }
  const agent = await fakeAgent(t, controller.settings.controller_port, { handlers })
  const ports = async (state = 'deployed') => {
    const { configuration } = await getJson(`${controller.url}/v1/configurations/${state}`)
    return Object.fromEntries(configuration.nodes.map(({ name, metrics_port: port }: any) => [name, port]))
  }
  return { ...controller, agent, strangers, ports, directory }
}

await t.test('a deployment skips ports that strangers hold, and keeps what nodes have when they go', async t => {
  const { ask, agent, strangers, ports, directory, close } = await start(t)
  await ask('stage_configuration', { config: small() })
  t.equal((await ask('deploy')).state, 'succeeded')
  t.same(await ports(), { manager: 9000, 'worker-1': 9002 })
  t.match(await agent.question('get_taken_ports'), { host: '127.0.0.1', processes: [] })
  strangers.clear()
  t.equal((await ask('deploy')).state, 'succeeded')
  t.same(
    [await ports(), await ports('ready')],
    [
      { manager: 9000, 'worker-1': 9002 },
      { manager: 9000, 'worker-1': 9002 }
    ]
  )
  await agent.close()
  await close()
  const again = await start(t, () => ({ ports: [] }), directory)
  t.equal((await again.ask('deploy')).state, 'succeeded')
  t.same(await again.ports(), { manager: 9000, 'worker-1': 9002 }, 'by another controller, too')
})

await t.test('a check of what is staged skips them, too', async t => {
  const { ask, agent } = await start(t)
  await ask('stage_configuration', { config: small() })
  t.equal((await ask('check')).state, 'succeeded')
  const { share } = await agent.question('check')
  t.same(
    share.nodes.map(({ name, metrics_port: port }: any) => [name, port]),
    [
      ['manager', 9000],
      ['worker-1', 9002]
    ]
  )
})

await t.test('of an agent that does not answer nothing is known, and it costs no more than a moment', async t => {
  const { ask, ports } = await start(t, never)
  await ask('stage_configuration', { config: small() })
  t.equal((await ask('deploy')).state, 'succeeded')
  t.same(await ports(), { manager: 9000, 'worker-1': 9001 })
})

await t.test('of several agents at a host, none counts the nodes of another among strangers', async t => {
  const { ask, settings, ports } = await start(t, () => ({ ports: [9000, 9001] }))
  await fakeAgent(t, settings.controller_port, {
    name: 'agent-b',
    handlers: { get_taken_ports: () => ({ ports: [9000] }) }
  })
  await ask('stage_configuration', {
    config: configurationOf(['agent-a', 'agent-b'], [manager(), worker('worker-1', 'agent-b')])
  })
  t.equal((await ask('deploy')).state, 'succeeded')
  t.same(await ports(), { manager: 9002, 'worker-1': 9001 })
})
