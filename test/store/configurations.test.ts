import t from 'tap'
import { elasticDefaults } from '../../schemas/groups.js'
import { ConfigurationTable, type Deployment } from '../../src/store/configurations.js'
import { openStore } from './open.js'

await t.test('each state of the configuration is kept on its own, the latest of each, and after a restart', async t => {
  const { store, directory, close } = openStore(t)
  const table = new ConfigurationTable(store)
  t.same([table.staged, table.staging, table.deployment], [undefined, undefined, undefined])
  const configuration = (id: string) => ({ id, instances: [], nodes: [] })
  const deployment = { configuration: configuration('d'), layout: { backend: 'zeromq' as const, nodes: [] } }
  await store.write('synced', () => {
    table.stage(configuration('s1'), { time: 1000, who: 'ops' })
    table.stage(configuration('s2'), { time: 2000 })
    table.deploy(deployment, [])
  })
  close()
  const again = new ConfigurationTable(openStore(t, directory).store)
  t.same([again.staged?.id, again.staging, again.deployment], ['s2', { time: 2000, who: undefined }, deployment])
})

await t.test('the last address of each instance is kept', async t => {
  const { store } = openStore(t)
  const table = new ConfigurationTable(store)
  await store.write('written', () => {
    table.setAddress('a', { host: '10.0.0.1', machine: 'm' })
    table.setAddress('__proto__', { host: '10.0.0.2', machine: 'n' })
    table.setAddress('a', { host: '10.0.0.3', machine: 'm' })
  })
  t.same(
    [...table.addresses()],
    [
      ['a', { host: '10.0.0.3', machine: 'm' }],
      ['__proto__', { host: '10.0.0.2', machine: 'n' }]
    ].sort()
  )
})

await t.test("spares are told from what operators have stopped, and neither takes the other's back", async t => {
  const { store } = openStore(t)
  const table = new ConfigurationTable(store)
  const worker = (name: string) => ({ name, instance: 'a', role: 'WORKER' as const })
  const nodes = ['w-1', 'w-2', 'w-3']
  const limits = { min: 1, max: 3, ...elasticDefaults }
  const deployment = (elastic: string[], more: Partial<Deployment> = {}): Deployment => ({
    configuration: { id: 'd', instances: [], nodes: nodes.map(worker) },
    layout: { backend: 'zeromq', nodes: [] },
    elastic: elastic.length > 0 ? [{ name: 'w', instance: 'a', workers: limits, nodes: elastic }] : [],
    ...more
  })
  const stopped = () => {
    const { spares, byOperators } = table.stopped()
    return [[...spares].join(' '), [...byOperators].join(' ')]
  }
  const change = { name: 'w', instance: 'a', time: 7, reason: 'why', overload: 2.5 }
  await store.write('written', () => table.deploy(deployment(nodes), ['w-2', 'w-3']))
  t.same(stopped(), ['w-2 w-3', ''])
  await store.write('written', () => {
    table.setStopped(['w-3'], true)
    table.setSpare('w-3', true)
    table.setSpare('w-3', false)
    table.setElasticChange({ ...change, time: 6 })
    table.setElasticChange(change)
  })
  t.same(stopped(), ['w-2', 'w-3'], "it is the operator's")
  t.same(table.elasticChanges(), [change])
  await store.write('written', () => {
    table.setStopped(['w-3'], false)
    table.setSpare('w-3', true)
    table.setSpare('w-2', false)
  })
  t.same(stopped(), ['w-3', ''])

  const rollout = { step: 1, of: 2 }
  await store.write('written', () => table.deploy(deployment([], { rollout }), []))
  t.same([stopped(), table.elasticChanges()], [['w-3', ''], [change]], 'until the end of a rollout it may come back')
  await store.write('written', () => table.deploy(deployment([]), []))
  t.same([stopped(), table.elasticChanges()], [['', ''], []])
})
