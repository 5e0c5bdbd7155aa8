import fc from 'fast-check'
import t from 'tap'
import type { Deployment } from '../../../src/store/configurations.js'
import { mixtureOf } from '../../../src/controller/rollout/mixture.js'

const names = ['n1', 'n2', 'n3', 'n4', 'n5']
const anyName = fc.constantFrom(...names)
const anyInstance = fc.constantFrom('a', 'b', 'c')

/** Any deployment, with the instances that its nodes need and others; `side` tells it from another one. */
const anyDeployment = (side: string): fc.Arbitrary<Deployment> =>
  fc
    .record({
      nodes: fc.uniqueArray(fc.record({ name: anyName, instance: anyInstance }), { selector: ({ name }) => name }),
      more: fc.subarray(['a', 'b', 'c']),
      located: fc.subarray(['a', 'b', 'c'])
    })
    .map(({ nodes, more, located }) => {
      const instances = [...new Set([...nodes.map(({ instance }) => instance), ...more])]
      return {
        configuration: {
          id: side,
          instances: instances.map(name => ({ name, host: side })),
          nodes: nodes.map(node => ({ ...node, role: 'WORKER' as const, env: { SIDE: side } }))
        },
        layout: { backend: 'zeromq', nodes: [] },
        located: located.filter(name => instances.includes(name))
      }
    })

const sorted = <T extends { name: string }>(all: readonly T[]): T[] =>
  [...all].sort((a, b) => Number(a.name > b.name) - Number(a.name < b.name))
const property = (check: (before: Deployment, after: Deployment, changed: Set<string>) => void) =>
  fc.assert(
    fc.property(anyDeployment('before'), anyDeployment('after'), fc.subarray(names), (before, after, changed) =>
      check(before, after, new Set(changed))
    )
  )
const nodesOf = ({ configuration }: Deployment) => sorted(configuration.nodes)

await t.test(
  'with no node changed it has the nodes of before, all held; with all changed it is the one after',
  async t =>
    property((before, after) => {
      const none = mixtureOf(before, after, new Set())
      t.strictSame(nodesOf(none), nodesOf(before))
      t.strictSame(new Set(none.held), new Set(nodesOf(before).map(({ name }) => name)))
      const all = mixtureOf(before, after, new Set(names))
      t.strictSame(nodesOf(all), nodesOf(after))
      t.strictSame(all.held, [])
      t.strictSame(all.configuration.instances, after.configuration.instances)
    })
)

await t.test('each node is from one side, whole, and once', async t =>
  property((before, after, changed) => {
    const mixture = mixtureOf(before, after, changed)
    for (const name of names) {
      const found = mixture.configuration.nodes.filter(node => node.name === name)
      const side = changed.has(name) ? after : before
      t.strictSame(
        found,
        side.configuration.nodes.filter(node => node.name === name)
      )
      t.equal(mixture.held?.includes(name), !changed.has(name) && found.length === 1)
    }
  })
)

await t.test('the instances that its nodes name are in it, each once, as they are to be', async t =>
  property((before, after, changed) => {
    const { configuration, located = [] } = mixtureOf(before, after, changed)
    const places = configuration.instances.map(({ name }) => name)
    t.equal(new Set(places).size, places.length)
    for (const { instance } of configuration.nodes) t.ok(places.includes(instance))
    for (const instance of after.configuration.instances) t.strictSame(configuration.instances.includes(instance), true)
    const known = after.configuration.instances.map(({ name }) => name)
    for (const place of places) {
      const side = known.includes(place) ? after : before
      t.equal(located.includes(place), side.located?.includes(place), `whether ${place} is where its agent is`)
    }
  })
)

await t.test('it has the layout, the id and the bundle of what is to be', async t => {
  const [before, after] = [fc.sample(anyDeployment('before'), 1)[0]!, fc.sample(anyDeployment('after'), 1)[0]!]
  const bundled = { ...after, configuration: { ...after.configuration, bundle: 'sha256-new' } }
  t.match(mixtureOf(before, bundled, new Set()), {
    layout: after.layout,
    configuration: { id: 'after', bundle: 'sha256-new' }
  })
})
