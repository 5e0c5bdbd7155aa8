import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { elasticDefaults, type ElasticGroup } from '../../../schemas/groups.js'
import { Cluster } from '../../../src/controller/cluster/cluster.js'
import { Shares } from '../../../src/controller/cluster/shares.js'
import { mixtureOf } from '../../../src/controller/rollout/mixture.js'
import { ConfigurationTable, type Deployment } from '../../../src/store/configurations.js'
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

/** How many workers there are, and whether as many of them must run, or all. */
interface Size {
  min: number | undefined
  max: number
}

/** What is deployed when this is. */
function planned(cluster: Cluster, { min, max }: Size): Deployment {
  const nodes = names.slice(0, max)
  const groups = min === undefined ? [] : [{ ...group, workers: { ...group.workers, min, max }, nodes }]
  const configuration = {
    id: 'c',
    instances: [{ name: 'a' }],
    nodes: nodes.map(name => ({ name, instance: 'a', role: 'WORKER' as const, interface: 'lo' }))
  }
  const layout = {
    backend: 'zeromq' as const,
    nodes: nodes.map(name => ({ name, role: 'WORKER' as const, host: '127.0.0.1' }))
  }
  return { configuration, layout, ...cluster.elasticIn(groups) }
}

async function deploy(cluster: Cluster, deployment: Deployment) {
  const { configuration } = deployment
  const record = { configuration, stages: false, time: 1, reqid: randomUUID(), nodes: configuration.nodes.length }
  await cluster.deploy(new Shares(deployment), { ...record, who: undefined, comment: undefined })
}

const stateOf = (cluster: Cluster) => ({
  nodes: names.map(name => [cluster.desiredStateOf(name), cluster.isSpare(name)]),
  share: cluster.shareOf(cluster.shares!, 'a').nodes,
  change: cluster.lastChangeOf(group)
})

await t.test('what is known of spares is what is stored, whatever happens at one time', async t => {
  const open = clusters(t)
  const cluster = open()
  await deploy(cluster, planned(cluster, { min: 1, max: 4 }))
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
        else under.push(deploy(cluster, planned(cluster, { min: what === 'elastic' ? 1 : undefined, max: 4 })))
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

const size = fc
  .record({ min: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }), max: fc.integer({ min: 1, max: 4 }) })
  .filter(({ min = 1, max }) => min <= max)
const saying = fc.record({
  node: fc.constantFrom(...names),
  state: fc.constantFrom('RUNNING' as const, 'STOPPED' as const)
})

await t.test(
  'in steps, to their end or back, what runs goes on, and nothing is left for the next deployment',
  async t => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          sizes: fc.tuple(size, size, size),
          said: fc.array(saying, { maxLength: 2 }),
          order: fc.shuffledSubarray(names, { minLength: 2 }),
          end: fc.constantFrom('complete' as const, 'revert' as const, 'interrupt' as const),
          meanwhile: fc.option(saying, { nil: undefined })
        }),
        async ({ sizes: [first, second, third], said, order, end, meanwhile }) => {
          const open = clusters(t)
          let cluster = open()
          await deploy(cluster, planned(cluster, first))
          for (const { node, state } of said) if (cluster.shares!.has(node)) await cluster.setDesired([node], state)
          const states = () => names.map(name => cluster.desiredStateOf(name))
          const areRunning = () => names.filter(name => cluster.desiredStateOf(name) === 'RUNNING')
          const atFirst = states()
          const ran = areRunning()

          const before = { ...cluster.deployment!, ...cluster.elasticIn(cluster.deployment!.elastic) }
          const after = planned(cluster, second)
          for (const n of order.keys()) {
            const changed = new Set(order.slice(0, n + 1))
            await deploy(cluster, { ...mixtureOf(before, after, changed), rollout: { step: n + 1, of: 4 } })
            if (n === 1 && meanwhile && cluster.shares!.has(meanwhile.node)) {
              await cluster.setDesired([meanwhile.node], meanwhile.state)
            }
          }
          const goOn = async (then: Deployment, those: readonly string[]) => {
            await deploy(cluster, then)
            for (const name of those) {
              if (!cluster.shares!.has(name) || (meanwhile?.node === name && meanwhile.state === 'STOPPED')) continue
              t.equal(cluster.desiredStateOf(name), 'RUNNING', `${name} ran`)
            }
          }
          if (end === 'complete') await goOn(after, ran)
          else if (end === 'interrupt') {
            cluster = open()
            await goOn(planned(cluster, third), areRunning())
          } else {
            await deploy(cluster, before)
            const hadEnough = ran.length >= (first.min ?? 0)
            if (!meanwhile && hadEnough) t.strictSame(states(), atFirst)
          }
          const { elastic = [] } = cluster.deployment!
          const isMoved = meanwhile !== undefined && end !== 'interrupt'
          const spares = names.filter(name => cluster.isSpare(name))
          if (!isMoved) t.strictSame(cluster.elasticIn(elastic).spares ?? [], spares)
          t.strictSame(stateOf(open()), stateOf(cluster))
        }
      ),
      { numRuns: 300 }
    )
  }
)
