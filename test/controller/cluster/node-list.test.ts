import fc from 'fast-check'
import t from 'tap'
import type { InstanceNode } from '../../../schemas/api.js'
import { pageOf } from '../../../src/controller/cluster/node-list.js'
import { compare } from '../../../src/util.js'

const node = (instance: string, name: string, more: Partial<InstanceNode> = {}): InstanceNode => ({
  instance,
  node: name,
  state: 'RUNNING',
  mgmt_role: 'NODE',
  cluster_role: 'WORKER',
  ...more
})
const nodes = [
  node('a', 'a', { mgmt_role: 'AGENT' }),
  node('a', 'manager', { cluster_role: 'MANAGER' }),
  node('a', 'w1', { state: 'UNKNOWN' }),
  node('a-b', 'w0'),
  node('b', 'w2', { state: 'CRASHED' })
]
delete nodes[0]!.cluster_role
const names = (...args: Parameters<typeof pageOf> extends [unknown, infer F] ? [F] : never) =>
  pageOf(nodes, ...args).nodes.map(({ node: name }) => name)

await t.test('without a filter and a limit there is one page, with all', async t => {
  t.same(pageOf(nodes, {}), { nodes })
  t.same(pageOf([], { limit: 1 }), { nodes: [] })
})

await t.test('a node is listed when it fits every list that is given', async t => {
  t.same(names({ instances: ['a'] }), ['a', 'manager', 'w1'])
  t.same(names({ roles: ['WORKER'] }), ['w1', 'w0', 'w2'])
  t.same(names({ roles: ['WORKER', 'MANAGER'], instances: ['a', 'b'] }), ['manager', 'w1', 'w2'])
  t.same(names({ states: ['UNKNOWN', 'CRASHED'] }), ['w1', 'w2'])
  t.same(names({ states: ['UNKNOWN'], instances: ['ghost'] }), [])
})

await t.test('the last page has no next, be it as long as it may', async t => {
  t.same(pageOf(nodes, { limit: 2 }).next, 'a/manager')
  t.same(pageOf(nodes, { limit: 5 }).next, undefined)
  t.same(pageOf(nodes, { limit: 1, after: 'a-b/w0' }), { nodes: [nodes[4]] })
})

await t.test('pages together are the whole, whatever comes and goes between them', async t => {
  const name = fc.constantFrom('a', 'a-b', 'a.b', 'a_', 'b', 'B', '0')
  const list = fc.uniqueArray(fc.tuple(name, name), { selector: pair => pair.join('/') })
  const sorted = (pairs: [string, string][]) =>
    pairs
      .map(([instance, name]) => node(instance, name))
      .sort((a, b) => compare(a.instance, b.instance) || compare(a.node, b.node))
  fc.assert(
    fc.property(list, list, fc.integer({ min: 1, max: 9 }), (stay, go, limit) => {
      const all = sorted([...stay, ...go.filter(pair => !stay.some(other => other.join() === pair.join()))])
      const left = sorted(stay)
      const seen: InstanceNode[] = []
      let next: string | undefined
      do {
        const page = pageOf(seen.length === 0 ? all : left, { after: next, limit })
        seen.push(...page.nodes)
        next = page.next
      } while (next !== undefined)
      const keys = seen.map(({ instance, node: name }) => `${instance}/${name}`)
      return (
        new Set(keys).size === keys.length &&
        left.every(({ instance, node: name }) => keys.includes(`${instance}/${name}`))
      )
    })
  )
})
