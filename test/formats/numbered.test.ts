import fc from 'fast-check'
import t from 'tap'
import { ClusterConfigurationInput, type ClusterNode } from '../../schemas/types.js'
import { checker } from '../../schemas/validator.js'
import { invalid } from '../../src/errors.js'
import { withGroups } from '../../src/formats/numbered.js'
import { expanded } from '../../src/groups/expansion.js'
import { fanOutOption } from '../../src/sharing.js'
import { compare } from '../../src/util.js'
import { runs } from '../support/runs.js'

const workers = (count: number, of: (index: number) => Partial<ClusterNode> = () => ({})): ClusterNode[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `w-${index + 1}`,
    instance: 'a',
    role: 'WORKER',
    interface: 'eth0',
    ...of(index)
  }))
const grouped = (nodes: ClusterNode[]) => withGroups(nodes, new Map([['w', nodes]])).configuration
const notesOf = (nodes: ClusterNode[]) => withGroups(nodes, new Map([['w', nodes]])).notes
const check = checker(ClusterConfigurationInput, invalid)

await t.test('workers that are alike become a group, with what each of them has', async t => {
  const more = { scripts: ['local'], options: { 'A::b': '1' }, env: { C: 'd' } }
  const common = { name: 'w', instance: 'a', interface: 'eth0', workers: 3 }
  t.strictSame(grouped(workers(3, index => ({ cpu_affinity: 4 + index, ...more }))), {
    nodes: [],
    groups: [{ ...common, cpus: '4-6', ...more }]
  })
  t.strictSame(grouped(workers(3)), { nodes: [], groups: [common] })
  t.strictSame(
    grouped(workers(3, index => ({ cpu_affinity: [9, 2, 3][index]! }))).groups,
    [{ ...common, cpus: '9,2,3' }],
    'CPUs keep the order of the workers'
  )
  t.strictSame(grouped(workers(1)), { nodes: [], groups: [{ ...common, workers: 1 }] })
})

await t.test('workers that no group has just so stay nodes, and a note says why', async t => {
  for (const [nodes, why] of [
    [workers(3, index => ({ cpu_affinity: index % 2 })), 'not each has a CPU of its own'],
    [workers(2, index => (index === 0 ? {} : { cpu_affinity: 1 })), 'not each has a CPU of its own'],
    [workers(2, index => ({ interface: `eth${index}` })), 'each has its own interface'],
    [workers(2).map(({ interface: _source, ...node }) => node), 'they have no interface'],
    [
      workers(2, index => ({ options: { A: '1', 'FileExtract::prefix': `/x/${index}` } })),
      'each has its own option FileExtract::prefix'
    ],
    [workers(2, index => ({ options: { N: `${index}` }, env: { N: '1' } })), 'each has its own option N'],
    [workers(2, index => (index === 0 ? {} : { env: { N: '1' } })), 'each has its own variable N'],
    [workers(2, index => ({ name: `w-${2 - index}` })), 'they have other names'],
    [workers(1, () => ({ name: 'w' })), 'they have other names'],
    [workers(4097), 'there are more than 4096'],
    [workers(400, index => ({ cpu_affinity: 2 * index })), 'the list of their CPUs is too long']
  ] as const) {
    t.strictSame(grouped(nodes), { nodes }, why)
    t.strictSame(notesOf(nodes), [`[w] the workers are nodes, and no group: ${why}`])
  }
  t.strictSame(notesOf(workers(4096)), [])
})

await t.test(
  'nodes beside them stay as they are, and so do workers that are more than there can be groups',
  async t => {
    const manager: ClusterNode = { name: 'manager', instance: 'a', role: 'MANAGER' }
    const sets = Array.from({ length: 1001 }, (_, n): [string, ClusterNode[]] => [
      `v${n}`,
      [{ name: `v${n}-1`, instance: 'a', role: 'WORKER', interface: `eth${n}` }]
    ])
    const nodes = [manager, ...sets.flatMap(([, own]) => own)]
    const { configuration, notes } = withGroups(nodes, new Map(sets))
    t.strictSame([configuration.nodes, configuration.groups!.length], [[manager, ...sets[1000]![1]], 1000])
    t.strictSame(notes, ['[v1000] the workers are nodes, and no group: there are 1000 groups already'])
    t.strictSame(withGroups([manager], new Map()), { configuration: { nodes: [manager] }, notes: [] })
  }
)

await t.test('a configuration with groups can be staged, and its groups become the same nodes', async t => {
  const few = <T>(...values: T[]) => fc.constantFrom(...values)
  const set = fc.record({
    name: few('v', 'w', 'w-1', 'worker-1'),
    count: fc.integer({ min: 1, max: 5 }),
    cpus: few<(index: number) => number | undefined>(
      () => undefined,
      index => index,
      index => 9 - index,
      index => index % 3,
      index => (index > 2 ? undefined : index)
    ),
    sources: few<(index: number) => string | undefined>(
      () => 'eth0',
      () => 'af_packet::eth1',
      () => 'af_packet::eth2',
      index => `zc:eth0@${index}`,
      () => undefined
    ),
    more: few<(index: number) => Partial<ClusterNode>>(
      () => ({}),
      () => ({ scripts: ['local', 'a'], env: { A: 'b' } }),
      () => ({ options: { [fanOutOption]: '7', 'A::b': 'c' } }),
      index => ({ options: { 'FileExtract::prefix': `/x/${index}` } })
    )
  })
  const single: ClusterNode = { name: 'x-1', instance: 'a', role: 'WORKER', interface: 'af_packet::eth2' }
  // Where the file sets no id for AF_PACKET, a group gives one.
  const withoutId = (node: ClusterNode, before: ClusterNode): ClusterNode => {
    const { [fanOutOption]: id, ...options } = node.options ?? {}
    if (id === undefined || before.options?.[fanOutOption] !== undefined) return node
    t.ok(node.interface!.startsWith('af_packet::'))
    const { options: _options, ...rest } = node
    return before.options ? { ...rest, options } : rest
  }
  const seen = { groups: 0, nodes: 0 }
  fc.assert(
    fc.property(
      fc.uniqueArray(set, { selector: ({ name }) => name, maxLength: 4 }).filter(sets => {
        const names = sets.flatMap(({ name, count }) => Array.from({ length: count }, (_, n) => `${name}-${n + 1}`))
        return new Set(names).size === names.length
      }),
      sets => {
        const numbered = sets.map(({ name, count, cpus, sources, more }) =>
          workers(count, index => ({ ...more(index), name: `${name}-${index + 1}` })).map((node, index) => {
            const { interface: _source, ...rest } = node
            const [source, cpu] = [sources(index), cpus(index)]
            return {
              ...rest,
              ...(source !== undefined && { interface: source }),
              ...(cpu !== undefined && { cpu_affinity: cpu })
            }
          })
        )
        const nodes = [single, ...numbered.flat()]
        const sections = new Map(sets.map(({ name }, index) => [name, numbered[index]!]))
        const configuration = { instances: [{ name: 'a' }], ...withGroups(nodes, sections).configuration }
        check(configuration, 'config')
        const { configuration: after, errors, obstacles } = expanded(configuration, () => undefined)
        t.same([errors, obstacles], [[], []])
        const sorted = [...after.nodes].sort((a, b) => compare(a.name, b.name))
        const before = [...nodes].sort((a, b) => compare(a.name, b.name))
        t.same(
          sorted.map((node, index) => withoutId(node, before[index]!)),
          before
        )
        seen.groups += configuration.groups?.length ?? 0
        seen.nodes += configuration.nodes.length - 1
      }
    ),
    { numRuns: runs(300) }
  )
  t.ok(seen.groups > 0 && seen.nodes > 0, `${seen.groups} groups, ${seen.nodes} nodes that were none`)
})
