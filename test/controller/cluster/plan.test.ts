import { readFileSync } from 'node:fs'
import t from 'tap'
import type { ClusterConfiguration, ClusterNode } from '../../../schemas/types.js'
import { plan } from '../../../src/controller/cluster/plan.js'
import type { PortRules } from '../../../src/controller/cluster/ports.js'
import { Shares } from '../../../src/controller/cluster/shares.js'
import { digestOf } from '../../../src/protocol/packed-layout.js'
import { fixture } from '../../support/environment.js'

const rules: PortRules = { controllerPorts: [2150], brokerStart: 2200, metricsStart: 9000, zeromqStart: 5555 }
const recorded = (name: string): any => {
  const { instances, nodes, id } = JSON.parse(readFileSync(fixture(`zeek-client-${name}.json`), 'utf8'))
  const strip = (node: object) => Object.fromEntries(Object.entries(node).filter(([, value]) => value !== null))
  return { id, instances, nodes: nodes.map(strip) }
}
const byName = (nodes: readonly ClusterNode[]) => [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1))
const known = (places: Record<string, string>) =>
  new Map(Object.entries(places).map(([name, host]) => [name, { host }]))
const two = (hosts: { a?: string; b?: string } = {}): ClusterConfiguration => ({
  id: 'c1',
  instances: [
    { name: 'a', ...(hosts.a ? { host: hosts.a } : {}) },
    { name: 'b', ...(hosts.b ? { host: hosts.b } : {}) }
  ],
  nodes: [
    { name: 'manager', instance: 'a', role: 'MANAGER' },
    { name: 'worker', instance: 'b', role: 'WORKER' }
  ]
})

await t.test('the recorded configuration becomes the recorded deployment', async t => {
  const { configuration, errors } = plan(recorded('staged'), known({ 'agent-testbox': '127.0.0.1' }), rules, 'zeromq')
  const expected = recorded('deployed')
  t.same(errors, [])
  t.same(configuration.instances, expected.instances)
  t.same(byName(configuration.nodes), byName(expected.nodes))
})

await t.test('an address of the configuration wins over that of the agent', async t => {
  const { layout, configuration } = plan(
    two({ a: '10.0.0.9' }),
    known({ a: '10.0.0.1', b: '10.0.0.2' }),
    rules,
    'zeromq'
  )
  t.same(
    layout.nodes.map(({ name, host }) => [name, host]),
    [
      ['manager', '10.0.0.9'],
      ['worker', '10.0.0.2']
    ]
  )
  t.same(configuration.instances, [
    { name: 'a', host: '10.0.0.9' },
    { name: 'b', host: '10.0.0.2' }
  ])
  t.match(layout.hub, { node: 'manager', host: '10.0.0.9', xpub_port: 5555, xsub_port: 5556 })
})

await t.test('an instance without an address is left out of the layout, and gets no nodes', async t => {
  const planned = plan(two(), known({ a: '10.0.0.1' }), rules, 'zeromq')
  t.same(
    planned.layout.nodes.map(({ name }) => name),
    ['manager']
  )
  t.same(planned.configuration.instances, [{ name: 'a', host: '10.0.0.1' }, { name: 'b' }])
  t.same(planned.errors, [])
  const shares = new Shares(planned)
  t.same(
    shares.names.map(name => [name, shares.of(name, new Set()).nodes.length, shares.nodes(name).length]),
    [
      ['a', 1, 1],
      ['b', 0, 1]
    ]
  )
})

await t.test('a hub whose address nobody knows is none', async t => {
  t.equal(plan(two(), known({ b: '10.0.0.1' }), rules, 'zeromq').layout.hub, undefined)
})

await t.test('there is a hub for ZeroMQ only', async t => {
  t.equal(plan(two(), known({ a: '10.0.0.1', b: '10.0.0.2' }), rules, 'broker').layout.hub, undefined)
})

await t.test('loopback and other addresses cannot be mixed', async t => {
  t.same(
    plan(two(), known({ a: '127.0.0.1', b: '10.0.0.2' }), rules, 'zeromq').errors.map(error => error.split(';')[0]),
    ["loopback and other addresses cannot be mixed: instance 'a' is at 127.0.0.1, instance 'b' at 10.0.0.2"]
  )
  t.equal(plan(two({ a: '::ffff:127.0.0.1', b: '10.0.0.2' }), new Map(), rules, 'zeromq').errors.length, 1)
  t.equal(plan(two(), known({ a: '::1', b: 'fd00::2' }), rules, 'zeromq').errors.length, 1)
  t.same(plan(two(), known({ a: '127.0.0.1', b: '127.0.0.2' }), rules, 'zeromq').errors, [])
  t.same(plan(two(), known({ a: '::1', b: '127.0.0.1' }), rules, 'zeromq').errors, [])
  t.same(
    plan({ ...two(), nodes: two().nodes.slice(0, 1) }, known({ a: '127.0.0.1', b: '10.0.0.2' }), rules, 'zeromq')
      .errors,
    [],
    'an instance without nodes is at no place in the layout'
  )
})

await t.test('IPv6 addresses are kept as they are', async t => {
  t.same(
    plan(two({ a: 'fd00::1', b: 'fd00::2' }), new Map(), rules, 'zeromq').layout.nodes.map(({ host }) => host),
    ['fd00::1', 'fd00::2']
  )
})

await t.test('one host by two spellings is one place, whose ports are given once', async t => {
  const { layout } = plan(two({ a: 'FD00:0::1', b: 'fd00::1' }), new Map(), rules, 'zeromq')
  t.same(
    layout.nodes.map(node => [node.host, node.metrics_port]),
    [
      ['fd00::1', 9000],
      ['fd00::1', 9001]
    ]
  )
})

await t.test('two instances on one host share its ports', async t => {
  const { layout } = plan(two(), known({ a: '10.0.0.1', b: '10.0.0.1' }), rules, 'zeromq')
  t.same(
    layout.nodes.map(node => node.metrics_port),
    [9000, 9001]
  )
})

await t.test("a share names the layout, and holds the instance's own nodes with their ports", async t => {
  const planned = plan(two(), known({ a: '10.0.0.1', b: '10.0.0.2' }), rules, 'zeromq')
  t.same(new Shares(planned).of('b', new Set()), {
    config_id: 'c1',
    layout: digestOf(planned.layout),
    nodes: [{ name: 'worker', instance: 'b', role: 'WORKER', metrics_port: 9000 }]
  })
})

await t.test('a node may have the name of a property of every object', async t => {
  const nodes: ClusterNode[] = ['__proto__', 'constructor', 'toString'].map(name => ({
    name,
    instance: 'a',
    role: 'WORKER'
  }))
  const planned = plan({ id: 'c', instances: [{ name: 'a' }], nodes }, known({ a: '10.0.0.1' }), rules, 'zeromq')
  const stored = JSON.parse(JSON.stringify(planned))
  t.same(
    new Shares(stored).of('a', new Set()).nodes.map(node => node.metrics_port),
    [9000, 9001, 9002]
  )
})

await t.test('planning does not change the configuration', async t => {
  const given = two()
  plan(given, known({ a: '10.0.0.1' }), rules, 'zeromq')
  t.same(given, two())
})

await t.test(
  'the ports of an instance that goes are given to no other of its host: its nodes may end later',
  async t => {
    const addresses = known({ a: '10.0.0.1', b: '10.0.0.1' })
    const { errors: _errors, ...deployed } = plan(two(), addresses, rules, 'zeromq')
    const ports = ({ configuration }: Pick<typeof deployed, 'configuration'>) =>
      configuration.nodes.map(({ name, metrics_port: port }) => [name, port])
    t.same(ports(deployed), [
      ['manager', 9000],
      ['worker', 9001]
    ])
    const moved: ClusterConfiguration = {
      id: 'c2',
      instances: [{ name: 'a' }],
      nodes: [
        { name: 'manager', instance: 'a', role: 'MANAGER' },
        { name: 'other', instance: 'a', role: 'WORKER' }
      ]
    }
    t.same(ports(plan(moved, addresses, { ...rules, deployed }, 'zeromq')), [
      ['manager', 9000],
      ['other', 9002]
    ])
  }
)
