import fc from 'fast-check'
import t from 'tap'
import type { Labels as LabelMap } from '../../schemas/groups.js'
import type { ClusterConfiguration } from '../../schemas/types.js'
import { keyOf, Scope } from '../../src/requests/scope.js'

const Labels = fc.dictionary(fc.constantFrom('site', 'tap', 'rack'), fc.constantFrom('a', 'b', 'c'), {
  noNullPrototype: true
})
const Configuration = fc
  .array(fc.record({ labels: Labels, nodes: fc.integer({ min: 0, max: 3 }) }), { maxLength: 8 })
  .map((instances): ClusterConfiguration => ({
    id: 'x',
    instances: instances.map(({ labels }, n) => ({ name: `i${n}`, host: `10.0.0.${n % 3}`, labels })),
    nodes: instances.flatMap(({ nodes }, n) =>
      Array.from({ length: nodes }, (_, m) => ({ name: `n${n}-${m}`, instance: `i${n}`, role: 'PROXY' as const }))
    ),
    groups: [{ name: 'g', instance: 'i0', interface: 'lo', workers: 1 }]
  }))
const all = (configuration: ClusterConfiguration) =>
  JSON.stringify([
    configuration.instances.map(({ name, host }) => [name, host]),
    configuration.nodes.map(({ name }) => name)
  ])

await t.test(
  'in a scope are the instances that have all of its labels, with their nodes, and nothing else',
  async t => {
    fc.assert(
      fc.property(Labels, Configuration, (labels, deployed) => {
        const scope = new Scope(labels, () => deployed)
        const seen = deployed.instances.filter(({ labels: own }) =>
          Object.keys(labels).every(name => own?.[name] === labels[name])
        )
        const names = new Set(seen.map(({ name }) => name))
        for (const { name } of deployed.instances) if (scope.hasInstance(name) !== names.has(name)) return false
        for (const { name, instance } of deployed.nodes) if (scope.hasNode(name) !== names.has(instance)) return false
        const narrowed = scope.narrowed(deployed)
        if (narrowed === undefined) return scope.isEmpty && names.size === 0
        return (
          !('groups' in narrowed) &&
          narrowed.instances.length === names.size &&
          narrowed.nodes.every(({ instance }) => names.has(instance)) &&
          scope.othersIn(all(narrowed)).size === 0 &&
          scope.hidingOthers(all(narrowed)) === all(narrowed)
        )
      })
    )
    t.end()
  }
)

await t.test('no name of others is left in what a scope hides them in', async t => {
  fc.assert(
    fc.property(Labels, Configuration, (labels, deployed) => {
      const scope = new Scope(labels, () => deployed)
      const left = scope.hidingOthers({ deep: [{ text: all(deployed) }], n: 1, none: null }).deep[0]!.text
      return (
        deployed.instances.every(({ name }) => scope.hasInstance(name) === left.includes(`"${name}"`)) &&
        deployed.nodes.every(({ name }) => scope.hasNode(name) === left.includes(`"${name}"`))
      )
    })
  )
  t.end()
})

await t.test('without labels everything is in it, whatever is deployed', async t => {
  for (const deployed of [undefined, fc.sample(Configuration, 1)[0]!]) {
    const scope = new Scope(undefined, () => deployed)
    t.ok(scope.hasInstance('x') && scope.hasNode('x'))
    t.equal(scope.narrowed(deployed), deployed, 'the same')
    t.equal(scope.hidingOthers('i0'), 'i0')
  }
})

await t.test('what is deployed next counts at once', async t => {
  const of = (site: string): ClusterConfiguration => ({
    id: site,
    instances: [{ name: 'i', labels: { site } }],
    nodes: [{ name: 'n', instance: 'i', role: 'PROXY' }]
  })
  let deployed: ClusterConfiguration | undefined
  const scope = new Scope({ site: 'berlin' }, () => deployed)
  t.notOk(scope.hasInstance('i') || scope.hasNode('n'), 'nothing is deployed')
  for (const site of ['berlin', 'paris', 'berlin']) {
    deployed = of(site)
    t.same(
      [scope.hasInstance('i'), scope.hasNode('n'), scope.isEmpty],
      [site === 'berlin', site === 'berlin', site !== 'berlin']
    )
  }
  t.notOk(new Scope({ constructor: 'x' }, () => deployed).hasInstance('i'), 'what every object has is no label')
})

await t.test('scopes are the same when their labels are, in whatever order', async t => {
  t.equal(keyOf({ a: '1', b: '2' }), keyOf({ b: '2', a: '1' }))
  const different: (LabelMap | undefined)[] = [
    undefined,
    {},
    { a: '1' },
    { a: '1, b=2' },
    { a: '1', b: '2' },
    { a: '1","b' }
  ]
  const keys = different.map(keyOf)
  t.equal(new Set(keys).size, different.length)
})
