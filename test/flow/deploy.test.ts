import t from 'tap'
import { startTestAgent, startTestController, until } from '../helper.js'

await t.test('a staged configuration is deployed to an agent', async t => {
  const { ask, settings, controller } = await startTestController(t)
  await startTestAgent(t, 'agent-a', settings.controller_port)
  await until(() => controller.instances().length === 1, 'the agent is connected')
  const staged = await ask('stage_configuration', { config: { instances: [{ name: 'agent-a' }], nodes: [{ name: 'manager', instance: 'agent-a', role: 'MANAGER' }, { name: 'worker-1', instance: 'agent-a', role: 'WORKER', interface: 'lo' }] } })
  t.equal(staged.state, 'succeeded')
  const deployed = await ask('deploy')
  t.match(deployed, { state: 'succeeded', results: [{ node: 'manager', success: true }, { node: 'worker-1', success: true }, { success: true, data: { id: staged.results[0]?.data?.id ?? '' } }] })
})
