import t from 'tap'
import { startTestAgent } from '../support/agent.js'
import { getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import { configurationOf } from './cluster.js'

await t.test('workers that come, move or go leave the other workers alone', async t => {
  const { url, settings, ask } = await startTestController(t)
  const sensors = ['sensor-1', 'sensor-2', 'sensor-3']
  for (const name of sensors) await startTestAgent(t, name, settings.controller_port)
  await until(async () => (await getJson(`${url}/v1/instances`)).instances.length === 3, 'all are connected')
  const base = configurationOf(sensors)
  const third = { name: 'worker-3', instance: 'sensor-2', role: 'WORKER', interface: 'lo' } as const
  /** Deploys nodes, and returns the process ids of all that run then. */
  const deploy = async (nodes: (typeof base)['nodes']): Promise<Record<string, number>> => {
    t.match(await ask('stage_configuration', { config: { ...base, nodes } }), { state: 'succeeded' })
    const { state, results } = await ask('deploy')
    t.equal(state, 'succeeded', JSON.stringify(results))
    const listed = (await getJson(`${url}/v1/nodes?role=MANAGER,LOGGER,WORKER`)).nodes
    return Object.fromEntries(listed.map(({ node, pid }: { node: string; pid: number }) => [node, pid]))
  }
  const first = await deploy(base.nodes)
  const workers = ({ 'worker-1': one, 'worker-2': two }: Record<string, number>) => [one, two]

  const more = await deploy([...base.nodes, third])
  t.ok(more['worker-3'])
  t.same(workers(more), workers(first))
  t.not(more['manager'], first['manager'], 'the manager must know it')
  t.not(more['logger-1'], first['logger-1'], 'so must the logger')

  const moved = await deploy([...base.nodes, { ...third, instance: 'sensor-3' }])
  t.not(moved['worker-3'], more['worker-3'])
  t.same(workers(moved), workers(first))

  const fewer = await deploy(base.nodes)
  t.notOk(fewer['worker-3'])
  t.same(workers(fewer), workers(first))

  await ask('restart', { nodes: ['worker-1'] })
  const again = await deploy(base.nodes)
  t.not(again['worker-1'], fewer['worker-1'])
  t.equal(again['worker-2'], first['worker-2'])
})
