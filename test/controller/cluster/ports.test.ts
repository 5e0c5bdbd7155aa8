import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { type ClusterNode, clusterRoles, type Instance } from '../../../schemas/types.js'
import {
  assignPorts,
  inPortOrder,
  needsPort,
  type Assignment,
  type PortRules
} from '../../../src/controller/cluster/ports.js'

const rules: PortRules = { controllerPorts: [2150, 2149], brokerStart: 2200, metricsStart: 9000, zeromqStart: 5555 }
const node = (
  name: string,
  role: ClusterNode['role'] = 'LOGGER',
  instance = 'a',
  more: Partial<ClusterNode> = {}
): ClusterNode => ({
  name,
  role,
  instance,
  ...more
})
const oneHost = () => '10.0.0.1'
const apart = (name: string) => `host ${name}`
const assign = (
  nodes: ClusterNode[],
  {
    instances = [{ name: 'a' }, { name: 'b' }],
    hostOf = apart,
    more = {}
  }: { instances?: Instance[]; hostOf?: (name: string) => string; more?: Partial<PortRules> } = {}
) => assignPorts(instances, nodes, hostOf, { ...rules, ...more })
const portsOf = ({ nodes }: Assignment) => Object.fromEntries(nodes.map(({ name, port }) => [name, port]))
const metricsOf = ({ nodes }: Assignment) =>
  Object.fromEntries(nodes.map(({ name, metrics_port: port }) => [name, port]))

await t.test('only workers need no port', async t => {
  t.same(
    clusterRoles.filter(role => needsPort(node('n', role))),
    ['MANAGER', 'LOGGER', 'PROXY']
  )
})

await t.test('the recorded deployment gets the recorded ports', async t => {
  const assigned = assign([
    node('worker-02', 'WORKER'),
    node('proxy-01', 'PROXY', 'a', { port: 5123 }),
    node('worker-01', 'WORKER'),
    node('logger'),
    node('manager', 'MANAGER')
  ])
  t.same(portsOf(assigned), {
    manager: 2200,
    logger: 2201,
    'proxy-01': 5123,
    'worker-01': undefined,
    'worker-02': undefined
  })
  t.same(metricsOf(assigned), { manager: 9000, logger: 9001, 'proxy-01': 9002, 'worker-01': 9003, 'worker-02': 9004 })
})

await t.test('broker ports have one count over all instances', async t => {
  t.same(portsOf(assign([node('m', 'MANAGER', 'b'), node('l', 'LOGGER', 'a'), node('p', 'PROXY', 'a')])), {
    l: 2200,
    p: 2201,
    m: 2202
  })
})

await t.test('broker ports of agents, of the controller and those that are given are skipped', async t => {
  const nodes = [node('m', 'MANAGER'), node('l', 'LOGGER', 'b', { port: 2201 }), node('p', 'PROXY')]
  t.same(
    portsOf(
      assign(nodes, { instances: [{ name: 'a', listen_port: 2200 }, { name: 'b' }], more: { controllerPorts: [2202] } })
    ),
    { m: 2203, p: 2204, l: 2201 }
  )
})

await t.test('metrics ports count on each host', async t => {
  const nodes = [node('m', 'MANAGER', 'a'), node('w', 'WORKER', 'b'), node('v', 'WORKER', 'b')]
  t.same(metricsOf(assign(nodes)), { m: 9000, v: 9000, w: 9001 })
  t.same(metricsOf(assign(nodes, { hostOf: oneHost })), { m: 9000, v: 9001, w: 9002 })
})

await t.test('metrics ports skip what is known on the host', async t => {
  const nodes = [
    node('m', 'MANAGER', 'a', { port: 9000 }),
    node('w', 'WORKER', 'a'),
    node('v', 'WORKER', 'a', { metrics_port: 9002 }),
    node('l', 'LOGGER', 'b')
  ]
  t.same(
    metricsOf(
      assign(nodes, { instances: [{ name: 'a', listen_port: 9001 }, { name: 'b' }], more: { controllerPorts: [9003] } })
    ),
    { m: 9004, w: 9005, v: 9002, l: 9000 }
  )
})

await t.test('with a switch off ports stay as they are', async t => {
  const nodes = [node('m', 'MANAGER'), node('l', 'LOGGER', 'a', { port: 5000, metrics_port: 5001 })]
  const assigned = assign(nodes, { more: { brokerStart: undefined, metricsStart: undefined } })
  t.same(assigned.nodes, inPortOrder(nodes))
})

await t.test('the hub is the manager, or else the first node', async t => {
  t.match(assign([node('a-logger', 'LOGGER', 'a'), node('m', 'MANAGER', 'b')]).hub, {
    node: 'm',
    xpub_port: 5555,
    xsub_port: 5556
  })
  t.match(assign([node('w', 'WORKER', 'b'), node('z', 'PROXY', 'a'), node('y', 'WORKER', 'a')]).hub, { node: 'z' })
  t.equal(assign([]).hub, undefined)
})

await t.test('the two ports of the hub are not used otherwise on its host', async t => {
  const assigned = assign([node('m', 'MANAGER', 'a', { port: 5555 }), node('w', 'WORKER', 'b', { metrics_port: 5556 })])
  t.same(assigned.hub, { node: 'm', xpub_port: 5556, xsub_port: 5557 })
})

const takenAt = (host: string, ...ports: number[]) => ({ taken: new Map([[host, new Set(ports)]]) })

await t.test(
  'a port that a stranger holds is replaced by one above all others, and nobody else is renumbered',
  async t => {
    const nodes = [node('m', 'MANAGER'), node('l', 'LOGGER'), node('w', 'WORKER'), node('v', 'WORKER', 'b')]
    const assigned = assign(nodes, { more: takenAt('host a', 2200, 5555, 9001, 9004) })
    t.same(portsOf(assigned), { m: 2202, l: 2201, w: undefined, v: undefined })
    t.same(metricsOf(assigned), { m: 9000, l: 9003, w: 9002, v: 9000 })
    t.same(assigned.hub, { node: 'm', xpub_port: 5557, xsub_port: 5556 })
    t.same(assigned.skipped, { 'host a': [2200, 5555, 9001] }, 'only what has mattered')
    const { skipped } = assigned
    const later = assign(nodes, { more: takenAt('host a', ...skipped['host a']!) })
    t.same(
      [portsOf(later), metricsOf(later), later.hub],
      [portsOf(assigned), metricsOf(assigned), assigned.hub],
      'it stays so when they have gone'
    )
  }
)

await t.test('a port that is given is kept, whoever holds it', async t => {
  const assigned = assign([node('m', 'MANAGER', 'a', { port: 2200, metrics_port: 9000 })], {
    more: takenAt('host a', 2200, 9000)
  })
  t.match([portsOf(assigned), metricsOf(assigned), assigned.skipped], [{ m: 2200 }, { m: 9000 }, {}])
})

await t.test('when the ports are used up that is said', async t => {
  t.throws(() => assign([node('m', 'MANAGER'), node('l')], { more: { brokerStart: 65535 } }), {
    code: 'unavailable',
    message: 'there are no free ports left'
  })
})

await t.test('what is given is not changed', async t => {
  const nodes = [node('m', 'MANAGER')]
  assign(nodes)
  t.same(nodes, [node('m', 'MANAGER')])
})

// Explicit ports are drawn each from a pool of its own: clashes of those are for the validation to find.
const clusters = fc
  .uniqueArray(
    fc.record({
      name: fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', '-'), minLength: 1, maxLength: 3 }),
      role: fc.constantFrom(...clusterRoles),
      instance: fc.constantFrom('a', 'b', 'c'),
      wantsPort: fc.boolean(),
      wantsMetrics: fc.boolean()
    }),
    { selector: ({ name }) => name, maxLength: 12 }
  )
  .map(drafts =>
    drafts.map(({ wantsPort, wantsMetrics, ...draft }, index): ClusterNode => ({
      ...draft,
      ...(wantsPort ? { port: 2200 + index * 2 } : {}),
      ...(wantsMetrics ? { metrics_port: 9000 + index * 2 } : {})
    }))
  )
const instances = [{ name: 'a', listen_port: 2201 }, { name: 'b', listen_port: 9001 }, { name: 'c' }]
const placement = fc
  .record({ a: fc.constantFrom('h1', 'h2'), b: fc.constantFrom('h1', 'h2'), c: fc.constantFrom('h1', 'h2') })
  .map(hosts => (name: string) => hosts[name as 'a'])

await t.test('ports do not depend on the order of the input', async () => {
  fc.assert(
    fc.property(clusters, placement, fc.nat(), (nodes, hostOf, turn) => {
      const turned = [...nodes.slice(turn % (nodes.length + 1)), ...nodes.slice(0, turn % (nodes.length + 1))].reverse()
      const [one, other] = [nodes, turned].map(list => assignPorts(instances, list, hostOf, rules))
      return JSON.stringify([one!.nodes, one!.hub]) === JSON.stringify([other!.nodes, other!.hub])
    })
  )
})

/** Returns what is deployed, once these ports are. */
const deployedAs = ({ nodes, hub }: Assignment): NonNullable<PortRules['deployed']> => ({
  configuration: { id: 'before', instances, nodes },
  layout: { backend: 'zeromq', nodes: [], ...(hub && { hub: { ...hub, host: '10.0.0.1' } }) }
})

await t.test('nodes that come or go leave the ports of the others as they were', async () => {
  fc.assert(
    fc.property(clusters, fc.nat(), placement, (nodes, some, hostOf) => {
      const chosen = nodes.filter((_node, index) => (some >> index) % 2 === 0)
      const free = (list: ClusterNode[]) =>
        list.map(({ port: _port, metrics_port: _metricsPort, ...node }) => node as ClusterNode)
      for (const [before, after] of [
        [chosen, nodes],
        [nodes, chosen]
      ] as const) {
        const first = assignPorts(instances, free(before), hostOf, rules)
        const then = assignPorts(instances, free(after), hostOf, { ...rules, deployed: deployedAs(first) })
        const ports = new Map(first.nodes.map(node => [node.name, node]))
        for (const node of then.nodes) {
          const had = ports.get(node.name)
          if (had) assert.deepEqual(node, had)
        }
        if (first.hub?.node === then.hub?.node) assert.deepEqual(then.hub, first.hub)
      }
    })
  )
})

await t.test('a port that a node had is not kept where it moves, or another one is to have it', async t => {
  const first = assign([node('m', 'MANAGER'), node('l', 'LOGGER')])
  const more = { deployed: deployedAs(first) }
  const [manager, logger] = first.nodes
  t.same(assign([node('m', 'MANAGER'), node('l', 'LOGGER')], { more }).nodes, first.nodes)
  const taking = assign([{ ...node('x', 'PROXY'), port: manager!.port! }, node('m', 'MANAGER'), node('l', 'LOGGER')], {
    more
  })
  t.not(taking.nodes.find(({ name }) => name === 'm')!.port, manager!.port)
  t.equal(taking.nodes.find(({ name }) => name === 'l')!.port, logger!.port)
  const moved = assign([node('m', 'MANAGER', 'b'), node('l', 'LOGGER')], { more })
  t.equal(moved.nodes.find(({ name }) => name === 'l')!.port, logger!.port)
})

await t.test('no port is used twice on a host', async t => {
  fc.assert(
    fc.property(clusters, clusters, placement, fc.constantFrom(2200, 9000), (earlier, nodes, hostOf, start) => {
      // All ranges start in the same place, so that they would meet.
      const close = { ...rules, brokerStart: 2200, metricsStart: start, zeromqStart: start }
      const deployed = deployedAs(assignPorts(instances, earlier, hostOf, close))
      const assigned = assignPorts(instances, nodes, hostOf, { ...close, deployed })
      const used = new Map<string, number[]>()
      const use = (instance: string, ...ports: (number | undefined)[]) => {
        const host = hostOf(instance)
        used.set(host, [...(used.get(host) ?? []), ...ports.flatMap(port => port ?? [])])
      }
      for (const { name, listen_port: port } of instances) use(name, port)
      for (const { instance, port, metrics_port: metricsPort } of assigned.nodes) use(instance, port, metricsPort)
      const hub = assigned.nodes.find(({ name }) => name === assigned.hub?.node)
      if (hub) use(hub.instance, assigned.hub?.xpub_port, assigned.hub?.xsub_port)
      for (const [host, ports] of used) {
        if (new Set(ports).size !== ports.length) throw new Error(`twice on ${host}: ${ports}`)
      }
      return ![...used.values()].flat().some(port => rules.controllerPorts.includes(port))
    })
  )
  t.pass()
})
