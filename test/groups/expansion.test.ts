import fc from 'fast-check'
import t from 'tap'
import { elasticDefaults, type Group } from '../../schemas/groups.js'
import type { Topology } from '../../schemas/topology.js'
import { ClusterNode } from '../../schemas/types.js'
import { checker } from '../../schemas/validator.js'
import { validate } from '../../src/controller/cluster/validation.js'
import { invalid } from '../../src/errors.js'
import { expandGroups, type Grouped } from '../../src/groups/expansion.js'
import type { LabelledInstance } from '../../src/groups/membership.js'
import { sharing } from '../../src/sharing.js'
import { cpusOf } from '../support/machine.js'
import { runs } from '../support/runs.js'

const host: Topology = {
  cpus: cpusOf({ sockets: 1, cores: 8, threads: 2 }),
  interfaces: [
    { name: 'eth0', numa: 0, queues: 1 },
    { name: 'eth1', numa: 0, queues: 1 }
  ]
}
const group = (name: string, more: Partial<Group> = {}): Group => ({
  name,
  interface: 'af_packet::eth1',
  workers: 2,
  ...(more.instances || more.labels ? {} : { instance: 'a' }),
  ...more
})
const node = (name: string, more: Partial<ClusterNode> = {}): ClusterNode => ({
  name,
  instance: 'a',
  role: 'WORKER',
  interface: 'af_packet::eth0',
  ...more
})
const abc = [{ name: 'a' }, { name: 'b' }, { name: 'c' }]
const expand = (
  groups: Group[],
  more: Partial<Grouped> = {},
  topologyOf: (name: string) => Topology | undefined = () => host
) => expandGroups({ groups, instances: abc, nodes: [], ...more }, topologyOf)
const namesOf = (...args: Parameters<typeof expand>) => expand(...args).nodes.map(({ name }) => name)
const errorsOf = (...args: Parameters<typeof expand>) => expand(...args).errors
const id = 'AF_Packet::fanout_id'
/** The fan-out ids of the first worker of each group, by its name. */
const idsOf = (...args: Parameters<typeof expand>) =>
  Object.fromEntries(
    expand(...args).nodes.flatMap(({ name, options }) => (name.endsWith('-1') ? [[name, options?.[id]]] : []))
  )

await t.test('a group is expanded into nodes, each with what the group has', async t => {
  const { nodes, reasons, errors, warnings } = expand([
    group('w', {
      interface: 'eth1',
      cpus: 'auto',
      scripts: ['local', 'site/tap'],
      options: { 'Site::tap': 'uplink' },
      env: { TAP: 'uplink' },
      memory_max: 1 << 30,
      nice: 0
    })
  ])
  const common = {
    instance: 'a',
    role: 'WORKER',
    interface: 'eth1',
    memory_max: 1 << 30,
    nice: 0,
    scripts: ['local', 'site/tap'],
    options: { 'Site::tap': 'uplink' },
    env: { TAP: 'uplink' }
  }
  t.strictSame(nodes, [
    { name: 'w-1', cpu_affinity: 1, ...common },
    { name: 'w-2', cpu_affinity: 2, ...common }
  ])
  t.same(
    [...reasons],
    [
      ['w-1', 'CPU 1: physical core 1 of NUMA node 0, where eth1 is'],
      ['w-2', 'CPU 2: physical core 2 of NUMA node 0, where eth1 is']
    ]
  )
  t.same([errors, warnings], [[], []])
  const check = checker(ClusterNode, invalid)
  for (const node of nodes) t.doesNotThrow(() => check(node, 'node'))
  t.strictSame(expand([group('w', { interface: 'eth1', workers: 1 })]).nodes, [
    { name: 'w-1', instance: 'a', role: 'WORKER', interface: 'eth1' }
  ])
})

await t.test('workers on several instances have the names of these, too', async t => {
  const labelled: LabelledInstance[] = [
    { name: 'a', labels: { site: 'berlin', tap: 'uplink' } },
    { name: 'b', labels: { site: 'berlin' } },
    { name: 'c', labels: { site: 'berlin', tap: 'uplink', rack: '4' } }
  ]
  t.same(namesOf([group('w', { instances: ['c', 'a'] })]), ['w-c-1', 'w-c-2', 'w-a-1', 'w-a-2'])
  t.same(namesOf([group('w', { instances: ['b'], workers: 1 })]), ['w-b-1'], 'also on one, so that none is renamed')
  t.same(namesOf([group('w', { labels: { tap: 'uplink', site: 'berlin' } })], { instances: labelled }), [
    'w-a-1',
    'w-a-2',
    'w-c-1',
    'w-c-2'
  ])
  t.same(namesOf([group('w', { labels: {}, workers: 1 })]), ['w-a-1', 'w-b-1', 'w-c-1'], 'no label is asked for')
})

await t.test('each instance has as many workers as it has cores', async t => {
  const topologies: Record<string, Topology> = {
    a: host,
    b: { cpus: cpusOf({ sockets: 1, cores: 3, threads: 1 }), interfaces: [] }
  }
  const { nodes } = expand(
    [group('w', { instances: ['a', 'b'], workers: 'auto', cpus: 'auto' })],
    {},
    name => topologies[name]
  )
  t.same(
    nodes.map(({ name, cpu_affinity: cpu }) => `${name} ${cpu}`),
    ['w-a-1 1', 'w-a-2 2', 'w-a-3 3', 'w-a-4 4', 'w-a-5 5', 'w-a-6 6', 'w-a-7 7', 'w-b-1 1', 'w-b-2 2']
  )
})

await t.test('who names CPUs gets them before who does not, and numbers go before auto', async t => {
  const cpus = (...args: Parameters<typeof expand>) =>
    expand(...args).nodes.map(({ name, cpu_affinity: cpu }) => `${name} ${cpu}`)
  t.same(
    cpus(
      [
        group('rest', { workers: 'auto', cpus: 'auto' }),
        group('two', { cpus: 'auto' }),
        group('listed', { workers: 1, cpus: '1-2' })
      ],
      { nodes: [node('plain', { cpu_affinity: 3 }), node('elsewhere', { instance: 'b', cpu_affinity: 4 })] }
    ),
    ['rest-1 6', 'rest-2 7', 'two-1 4', 'two-2 5', 'listed-1 1'],
    'CPU 2 of the list is kept'
  )
})

await t.test('groups of no instance, or of an unknown one, are told', async t => {
  const instances: LabelledInstance[] = [
    { name: 'sensor-1', labels: { site: 'berlin' } },
    { name: 'sensor-2', labels: { tap: 'uplink' } }
  ]
  const { instance: _instance, ...nowhere } = group('w')
  const cases: [Group, string[]][] = [
    [nowhere, ["group 'w': exactly one of instance, instances and labels is needed, it has none"]],
    [
      { ...nowhere, instance: 'sensor-1', labels: { site: 'berlin' } },
      ["group 'w': exactly one of instance, instances and labels is needed, it has instance and labels"]
    ],
    [{ ...nowhere, instance: 'senor-1' }, ["group 'w' has undeclared instance name 'senor-1'; did you mean sensor-1?"]],
    [
      { ...nowhere, instances: ['sensor-1', 'ghost', 'sensor-1'] },
      ["group 'w': instance 'sensor-1' is there twice", "group 'w' has undeclared instance name 'ghost'"]
    ],
    [
      { ...nowhere, labels: { site: 'berlim' } },
      ["group 'w': no instance has the labels site=berlim; did you mean site=berlin?"]
    ],
    [
      { ...nowhere, labels: { site: 'berlin', tap: 'uplink' } },
      ["group 'w': no instance has the labels site=berlin, tap=uplink"]
    ]
  ]
  for (const [group, errors] of cases) t.same(errorsOf([group], { instances }), errors)
})

await t.test('names that are taken or too long are told', async t => {
  t.same(errorsOf([group('w'), group('w')]), ["multiple groups named 'w'"])
  t.same(errorsOf([group('w')], { nodes: [node('w-2')] }), [
    "group 'w': the configuration's nodes have a node 'w-2', too"
  ])
  t.same(errorsOf([group('w', { instances: ['a'] }), group('w-a')]), [
    "group 'w-a': the workers of group 'w' have a node 'w-a-1', too"
  ])
  const long = 'x'.repeat(60)
  t.same(namesOf([group(long, { workers: 999 })]).at(-1), `${long}-999`)
  t.same(errorsOf([group(long, { workers: 1000 })]), [
    `group '${long}': the name of its worker '${long}-1000' is longer than 64 characters`
  ])
})

await t.test('what has no place is told, and the rest is expanded', async t => {
  const { nodes, errors, obstacles } = expand(
    [group('w', { instances: ['a', 'b'], workers: 'auto' }), group('v', { workers: 17, cpus: 'auto' }), group('u')],
    {},
    name => (name === 'b' ? undefined : host)
  )
  t.same(errors, ["group 'v': 17 workers, but instance 'a' has 16 CPUs that they may use: 0-15"])
  t.same(obstacles, [
    "group 'w': workers: auto needs the CPUs of instance 'b', which it does not tell: its agent is not connected, or cannot"
  ])
  t.same([...new Set(nodes.map(({ name }) => name.replace(/-\d+$/, '')))], ['w-a', 'u'])
})

await t.test('interfaces of a host have fan-out ids of their own', async t => {
  const two = [group('x', { interface: 'af_packet::eth0' }), group('y')]
  const ids = idsOf(two)
  t.match(ids, { 'x-1': /^\d+$/, 'y-1': /^\d+$/ })
  t.not(ids['x-1'], ids['y-1'])
  t.same(sharing(expand(two).nodes), { errors: [], warnings: [] })
  t.same(idsOf([...two].reverse()), ids, 'in whatever order')
  t.equal(idsOf([two[1]!])['y-1'], ids['y-1'], 'whoever else is there')
  t.equal(idsOf([group('z', { instances: ['b'] })])['z-b-1'], ids['y-1'], 'wherever')
  t.same(new Set(Object.values(idsOf([group('y'), group('z')]))).size, 1, 'groups of one interface share its packets')
  t.same(idsOf([group('x', { interface: 'eth0' })]), { 'x-1': undefined }, 'only AF_PACKET has them')
  t.same(idsOf([group('x', { options: { 'AF_Packet::enable_fanout': 'F' } })]), { 'x-1': undefined })
})

await t.test('fan-out ids that are set stay, and no other interface gets them', async t => {
  const chosen = idsOf([group('y')])['y-1']!
  const set = { options: { [id]: chosen } }
  const beside = idsOf([group('x', { interface: 'af_packet::eth0', ...set }), group('y')])
  t.equal(beside['x-1'], chosen)
  t.not(beside['y-1'], chosen)
  t.not(idsOf([group('y')], { nodes: [node('plain', set)] })['y-1'], chosen)
  t.equal(idsOf([group('y')], { nodes: [node('plain', { instance: 'b', ...set })] })['y-1'], chosen, 'of another host')
  const own = { interface: 'af_packet::eth1', options: { [id]: '7' } }
  t.same(idsOf([group('y'), group('z', own)]), { 'y-1': '7', 'z-1': '7' }, 'the same interface, the same id')
  t.same(idsOf([group('y')], { nodes: [node('plain', own)] }), { 'y-1': '7' })
  t.same(idsOf([group('y')], { nodes: [node('plain', { interface: 'af_packet::eth1' })] }), { 'y-1': undefined })
  t.same(idsOf([group('y', { options: { [id]: '8' } }), group('z', own)]), { 'y-1': '8', 'z-1': '7' })
})

await t.test('one fan-out id for two interfaces is an error of the whole configuration', async t => {
  const options = { [id]: '7' }
  const { nodes } = expand([group('x', { interface: 'af_packet::eth0', options }), group('y', { options })])
  const { errors } = validate(
    { instances: abc, nodes },
    { controllerName: 'c', controllerPorts: [], autoAssignBrokerPorts: true, dialsSecurely: true }
  )
  t.match(errors, [/^nodes 'x-1' \(eth0\) and 'y-1' \(eth1\) on instance 'a' have the same AF_Packet::fanout_id, 7/])
})

await t.test('any number of interfaces has as many fan-out ids', async () => {
  const devices = fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,4}$/), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(devices, fc.array(fc.integer({ min: 1024, max: 65_535 }), { maxLength: 20 }), (devices, said) => {
      const nodes = said.map((number, index) =>
        node(`n-${index}`, { interface: `af_packet::Z${index}`, options: { [id]: String(number) } })
      )
      const groups = devices.map(device => group(`g${device}`, { interface: `af_packet::${device}`, workers: 1 }))
      const ids = Object.values(idsOf(groups, { nodes })).map(Number)
      return new Set(ids).size === devices.length && ids.every(own => own < 65_536 && own !== 23 && !said.includes(own))
    }),
    { numRuns: runs(200) }
  )
})

await t.test('where all fan-out ids are used, none is given', async t => {
  const nodes = Array.from({ length: 65_536 }, (_, number) =>
    node(`n-${number}`, { options: { [id]: String(number) } })
  )
  t.same(idsOf([group('y')], { nodes }), { 'y-1': undefined })
})

await t.test('few words do not become as much as they like', async t => {
  const instances = Array.from({ length: 100 }, (_, index) => ({ name: `i${index}` }))
  const names = instances.map(({ name }) => name)
  t.same(errorsOf([group('w', { instances: names, workers: 1001 })], { instances }), [
    'the groups have more than 100000 workers'
  ])
  const everywhere = Array.from({ length: 1001 }, (_, index) => group(`w${index}`, { instances: names, workers: 1 }))
  t.same(errorsOf(everywhere, { instances }), ['the groups have more than 100000 workers'])
  const env = { BIG: 'x'.repeat(8000) }
  t.same(errorsOf([group('w', { instances: names, workers: 50, env })], { instances }), [
    'the groups have too many workers for what each of them has'
  ])
})

await t.test('more workers, instances and groups rename and move none', async () => {
  const places = (groups: Group[], instances = abc) =>
    new Map(expand(groups, { instances }).nodes.map(({ name, ...rest }) => [name, JSON.stringify(rest)]))
  const anyGroup = fc.record({
    workers: fc.integer({ min: 1, max: 7 }),
    cpus: fc.constantFrom<'auto' | undefined>('auto', undefined)
  })
  fc.assert(
    fc.property(anyGroup, anyGroup, fc.integer({ min: 1, max: 3 }), (first, second, more) => {
      const of = (name: string, { workers, cpus }: typeof first, instances = ['a', 'b']) =>
        group(name, { instances, workers, ...(cpus && { cpus }) })
      const before = places([of('v', first)])
      return [
        places([of('v', { ...first, workers: first.workers + more })]),
        places([of('v', first, ['c', 'a', 'b'])]),
        places([of('v', first), of('w', second)])
      ].every(after => [...before].every(([name, place]) => after.get(name) === place))
    }),
    { numRuns: runs(100) }
  )
})

await t.test(
  'an elastic group has all of its workers on their CPUs, and says on each instance which are its',
  async t => {
    const { nodes, elastic, errors } = expand([
      group('w', { instances: ['a', 'b'], workers: { min: 1, max: 2 }, cpus: '4-5' }),
      group('v', { workers: 1 })
    ])
    t.same(errors, [])
    t.same(
      nodes.map(({ name, cpu_affinity: cpu }) => [name, cpu]),
      [
        ['w-a-1', 4],
        ['w-a-2', 5],
        ['w-b-1', 4],
        ['w-b-2', 5],
        ['v-1', undefined]
      ]
    )
    const workers = { min: 1, max: 2, ...elasticDefaults }
    t.strictSame(elastic, [
      { name: 'w', instance: 'a', workers, nodes: ['w-a-1', 'w-a-2'] },
      { name: 'w', instance: 'b', workers, nodes: ['w-b-1', 'w-b-2'] }
    ])
    t.same(errorsOf([group('w', { instances: ['a', 'b'], workers: { min: 2, max: 1 } })]), [
      "group 'w': workers.min is 2, which is more than workers.max, 1"
    ])
  }
)
