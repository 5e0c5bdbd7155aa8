import t from 'tap'
import { ConfigurationTable } from '../../src/store/configurations.js'
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
    table.deploy(deployment)
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
