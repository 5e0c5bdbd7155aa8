import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { elasticDefaults, type ElasticGroup } from '../../../schemas/groups.js'
import { Cluster } from '../../../src/controller/cluster/cluster.js'
import { Shares } from '../../../src/controller/cluster/shares.js'
import { ConfigurationTable } from '../../../src/store/configurations.js'
import { feedTable } from '../../../src/store/feeds.js'
import { RevisionTable } from '../../../src/store/revisions.js'
import { runtimeOptionTable } from '../../../src/store/runtime-options.js'
import { Store } from '../../../src/store/store.js'

const names = ['w-1', 'w-2', 'w-3', 'w-4']
const group: ElasticGroup = {
  name: 'w',
  instance: 'a',
  workers: { min: 1, max: 4, ...elasticDefaults },
  nodes: names
}

function clusters(t: Test) {
  const store = new Store(':memory:')
  t.teardown(() => store.close())
  return () =>
    new Cluster(store, new ConfigurationTable(store), {
      options: runtimeOptionTable(store),
      feeds: feedTable(store),
      revisions: new RevisionTable(store)
    })
}

/** Deploys the workers, in an elastic group or not. */
async function deploy(cluster: Cluster, isElastic: boolean) {
  const configuration = {
    id: 'c',
    instances: [{ name: 'a' }],
    nodes: names.map(name => ({ name, instance: 'a', role: 'WORKER' as const, interface: 'lo' }))
  }
  const layout = { id: 'c', nodes: names.map(name => ({ name, role: 'WORKER' as const, host: '127.0.0.1' })) }
  const deployment = { configuration, layout, ...cluster.elasticIn(isElastic ? [group] : []) }
  const record = {
    configuration,
    stages: false,
    time: 1,
    who: undefined,
    comment: undefined,
    reqid: randomUUID(),
    nodes: 4
  }
  await cluster.deploy(new Shares(deployment as never), record as never)
}

const stateOf = (cluster: Cluster) => ({
  nodes: names.map(name => [cluster.desiredStateOf(name), cluster.isSpare(name)]),
  share: cluster.shareOf(cluster.shares!, 'a').nodes,
  change: cluster.lastChangeOf(group)
})

await t.test('what is known of spares is what is stored, whatever happens at one time', async t => {
  const open = clusters(t)
  const cluster = open()
  await deploy(cluster, true)
  t.same(
    names.map(name => cluster.isSpare(name)),
    [false, true, true, true]
  )
  const step = fc.record({
    what: fc.constantFrom('grow', 'shrink', 'start', 'stop', 'elastic', 'fixed'),
    node: fc.constantFrom(...names),
    waits: fc.boolean()
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async steps => {
      const under: Promise<unknown>[] = []
      for (const [time, { what, node, waits }] of steps.entries()) {
        const change = { name: 'w', instance: 'a', time, reason: what, overload: time }
        if (what === 'grow' || what === 'shrink') under.push(cluster.setSpare(node, what === 'shrink', change))
        else if (what === 'start') under.push(cluster.setDesired([node], 'RUNNING'))
        else if (what === 'stop') under.push(cluster.setDesired([node], 'STOPPED'))
        else under.push(deploy(cluster, what === 'elastic'))
        if (waits) await Promise.all(under)
      }
      await Promise.all(under)
      t.strictSame(stateOf(cluster), stateOf(open()))
      for (const { name, desired_state: desired = 'RUNNING', spare = false } of stateOf(cluster).share) {
        t.strictSame([desired, spare], [cluster.desiredStateOf(name), cluster.isSpare(name)])
      }
    }),
    { numRuns: 100 }
  )
})
