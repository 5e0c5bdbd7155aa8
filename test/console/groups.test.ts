import t from 'tap'
import { groupHas, groupsOf, labelsText, nodesOf, pinnings } from '../../console/model/groups.js'
import type { Node, Schema } from '../../console/model/types.js'

type Document = Schema['ConfigurationDocument']
type ConfigurationNode = Document['configuration']['nodes'][number]

const worker = (name: string, instance: string, cpu?: number, source = 'eth1'): ConfigurationNode => ({
  name,
  instance,
  role: 'WORKER',
  interface: source,
  ...(cpu === undefined ? {} : { cpu_affinity: cpu })
})
const groups: Schema['Group'][] = [
  { name: 'uplink', labels: { tap: 'uplink' }, interface: 'eth1', workers: 'auto', cpus: 'auto' },
  { name: 'lab', instance: 'c', interface: 'eth1', workers: 2 }
]
const document = (state: Document['state'], id: string, nodes: ConfigurationNode[], more: object = {}): Document => ({
  state,
  configuration: { id, instances: [{ name: 'a' }, { name: 'b' }, { name: 'c' }], nodes },
  event_cursor: 'e.1',
  ...more
})
const staged = (nodes: ConfigurationNode[] = []): Document => {
  const { configuration, ...rest } = document('staged', 'x', nodes)
  return { ...rest, configuration: { ...configuration, groups } }
}
const planned = [
  worker('uplink-a-1', 'a', 4),
  worker('uplink-a-2', 'a', 5),
  worker('uplink-b-1', 'b', 4),
  worker('lab-1', 'c'),
  worker('lab-2', 'c')
]
const placements = planned.map(({ name: node, cpu_affinity: cpu }) => ({ node, reason: `CPU ${cpu}` }))
const ready = document('ready', 'x', planned, { placements })
const namesOf = (found: ReturnType<typeof groupsOf>) =>
  Object.fromEntries(found.groups.map(({ group, workers }) => [group.name, workers.map(({ node }) => node)]))

await t.test('of groups that are staged the workers are those that would be', async t => {
  const found = groupsOf(staged(), ready, document('deployed', 'another', [worker('uplink-a-1', 'a', 9)]))
  t.equal(found.isDeployed, false)
  t.same(namesOf(found), { lab: ['lab-1', 'lab-2'], uplink: ['uplink-a-1', 'uplink-a-2', 'uplink-b-1'] })
  t.match(found.groups[1], { added: 0, removed: 0, workers: [{ cpu: 4, reason: 'CPU 4', instead: undefined }, {}, {}] })
  t.same(groupsOf(staged(), undefined, undefined).groups[1]!.workers, [])
})

await t.test('of those that are deployed it is told what a deployment now would make otherwise', async t => {
  const deployed = [
    worker('uplink-a-1', 'a', 4),
    worker('uplink-a-2', 'a', 7),
    worker('uplink-a-3', 'a', 8),
    worker('lab-1', 'c'),
    worker('lab-2', 'c')
  ]
  const { isDeployed, groups } = groupsOf(staged(), ready, document('deployed', 'x', deployed))
  t.equal(isDeployed, true)
  t.match(groups[0], { added: 0, removed: 0 })
  t.match(groups[1], { added: 1, removed: 1 })
  t.same(
    groups[1]!.workers.map(({ cpu, reason, instead }) => [cpu, reason, instead]),
    [
      [4, 'CPU 4', undefined],
      [7, undefined, 'CPU 5'],
      [8, undefined, undefined]
    ]
  )
  // Its host does not tell of its CPUs: that is no reason to say that its workers go.
  const away = groupsOf(staged(), document('ready', 'x', []), document('deployed', 'x', deployed))
  t.match(away.groups[1], { removed: 0, workers: [{ reason: undefined }, {}, {}] })
})

await t.test('only those that have its names are workers of a group', async t => {
  const others = [
    worker('uplink-a-9', 'a'),
    worker('uplink-1', 'a'),
    worker('uplink-a-0', 'a'),
    worker('uplink-b-2', 'a'),
    worker('lab-3', 'a'),
    worker('lab-c-1', 'c'),
    worker('uplink-a-4', 'a', 4, 'eth7'),
    { name: 'manager', instance: 'a', role: 'MANAGER' as const }
  ]
  const found = groupsOf(
    staged([worker('uplink-a-9', 'a')]),
    document('ready', 'x', [...planned, ...others]),
    undefined
  )
  t.same(namesOf(found), { lab: ['lab-1', 'lab-2'], uplink: ['uplink-a-1', 'uplink-a-2', 'uplink-b-1'] })
})

await t.test('CPUs are told as ranges, those of most hosts first', async t => {
  const of = (instance: string, ...cpus: (number | undefined)[]) =>
    cpus.map((cpu, n) => ({ node: `${instance}-${n}`, instance, cpu, reason: undefined, instead: undefined }))
  t.same(pinnings([...of('a', 9, 2, 3, 4), ...of('b', 2, 3), ...of('c', 3, 2), ...of('d', undefined)]), [
    { cpus: '2-3', instances: ['b', 'c'] },
    { cpus: '2-4,9', instances: ['a'] },
    { cpus: '', instances: ['d'] }
  ])
})

await t.test('a group is found by what it has, and knows its nodes', async t => {
  const [lab, uplink] = groupsOf(staged(), ready, undefined).groups
  t.same(
    ['UPL', ' eth1 ', 'b', 'd', ''].map(text => groupHas(uplink!, text)),
    [true, true, true, false, true]
  )
  t.same([labelsText(uplink!.group), labelsText(lab!.group)], ['tap=uplink', undefined])
  t.equal(labelsText({ ...uplink!.group, labels: {} }), 'all instances')
  const node = (name: string, instance: string): Node => ({ node: name, instance, state: 'RUNNING', mgmt_role: 'NODE' })
  const nodes = new Map([
    ['a', [node('manager', 'a'), node('uplink-a-1', 'a')]],
    ['c', [node('lab-2', 'c')]]
  ])
  t.same(
    nodesOf(uplink!, nodes).map(({ node }) => node),
    ['uplink-a-1']
  )
})
