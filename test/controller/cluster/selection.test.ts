import fc from 'fast-check'
import t from 'tap'
import { type ClusterConfiguration, clusterRoles } from '../../../schemas/types.js'
import { stepsOf } from '../../../src/controller/rollout/steps.js'
import { select } from '../../../src/controller/cluster/selection.js'

const configuration: ClusterConfiguration = {
  id: 'c',
  instances: [{ name: 'a' }, { name: 'b' }],
  nodes: [
    { name: 'worker-2', instance: 'b', role: 'WORKER' },
    { name: 'worker-1', instance: 'a', role: 'WORKER' },
    { name: 'manager', instance: 'a', role: 'MANAGER' },
    { name: 'logger', instance: 'b', role: 'LOGGER' }
  ]
}
const namesOf = (selector: Parameters<typeof select>[0]) =>
  select(selector, configuration).selected.map(({ name }) => name)

await t.test('without a list, or with empty ones, all nodes are meant, sorted by name', async t => {
  t.same(namesOf({}), ['logger', 'manager', 'worker-1', 'worker-2'])
  t.same(namesOf({ nodes: [], roles: [], instances: [] }), ['logger', 'manager', 'worker-1', 'worker-2'])
})

await t.test('each list that is given narrows', async t => {
  t.same(namesOf({ nodes: ['worker-2', 'manager', 'manager'] }), ['manager', 'worker-2'])
  t.same(namesOf({ roles: ['WORKER'] }), ['worker-1', 'worker-2'])
  t.same(namesOf({ instances: ['b'] }), ['logger', 'worker-2'])
  t.same(namesOf({ roles: ['WORKER', 'LOGGER'], instances: ['a', 'b'], nodes: ['worker-2', 'logger', 'manager'] }), [
    'logger',
    'worker-2'
  ])
})

await t.test('names that nobody knows are told, each once', async t => {
  const { selected, unknown } = select(
    { nodes: ['ghost', 'manager', 'ghost'], instances: ['nowhere', 'a'] },
    configuration
  )
  t.same(
    selected.map(({ name }) => name),
    ['manager']
  )
  t.same(unknown, [
    { success: false, node: 'ghost', error: 'unknown cluster node' },
    { success: false, instance: 'nowhere', error: 'unknown instance' }
  ])
})

await t.test('a selection that is empty is told, but not where there are no nodes', async t => {
  t.same(select({ roles: ['PROXY'] }, configuration), {
    selected: [],
    unknown: [{ success: false, error: 'no node is selected' }]
  })
  t.same(select({ roles: ['PROXY'], nodes: ['ghost'] }, configuration).unknown, [
    { success: false, node: 'ghost', error: 'unknown cluster node' }
  ])
  t.same(select({}, { ...configuration, nodes: [] }), { selected: [], unknown: [] })
})

await t.test('steps have every node once, one role, no more than so many, and go in the order of roles', async t => {
  const nodes = fc
    .array(fc.constantFrom(...clusterRoles))
    .map(roles => roles.map((role, n) => ({ name: `n${n}`, instance: 'a', role })))
  fc.assert(
    fc.property(nodes, fc.integer({ min: 1, max: 5 }), (nodes, max) => {
      const groups = stepsOf(nodes, { most: () => max })
      const ranks = groups.map(group => clusterRoles.indexOf(group[0]!.role))
      return (
        groups.every(
          group => group.length > 0 && group.length <= max && group.every(({ role }) => role === group[0]!.role)
        ) &&
        ranks.every((rank, n) => n === 0 || rank >= ranks[n - 1]!) &&
        groups
          .flat()
          .map(({ name }) => name)
          .sort()
          .join() ===
          nodes
            .map(({ name }) => name)
            .sort()
            .join()
      )
    })
  )
  t.same(
    stepsOf(configuration.nodes, { most: () => 1 }).map(group => group.map(({ name }) => name)),
    [['manager'], ['logger'], ['worker-2'], ['worker-1']]
  )
})
