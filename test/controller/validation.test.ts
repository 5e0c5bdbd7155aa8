import { readFileSync } from 'node:fs'
import t from 'tap'
import type { ConfigurationInput, Node } from '../../schemas/types.js'
import { validate } from '../../src/controller/validation.js'

const rules = { controllerName: 'controller', controllerPorts: [2150, 2149], autoAssignBrokerPorts: true }
const node = (name: string, more: Partial<Node> = {}): Node => ({ name, instance: 'a', role: 'LOGGER', ...more })
const configuration = (nodes: Node[], instances: ConfigurationInput['instances'] = [{ name: 'a' }]): ConfigurationInput => ({ instances, nodes })
const errorsOf = (nodes: Node[], instances?: ConfigurationInput['instances'], more: Partial<typeof rules> = {}) => validate(configuration(nodes, instances), { ...rules, ...more }).errors
const warningsOf = (nodes: Node[], instances?: ConfigurationInput['instances']) => validate(configuration(nodes, instances), rules).warnings

await t.test('a sound configuration has neither errors nor warnings', async t => {
  t.same(validate(configuration([node('m', { role: 'MANAGER', port: 5000, metrics_port: 5001 }), node('w', { role: 'WORKER', interface: 'lo' })]), rules), { errors: [], warnings: [] })
  t.same(validate({ instances: [], nodes: [] }, rules), { errors: [], warnings: [] })
})

const texts: [title: string, nodes: Node[], instances: ConfigurationInput['instances'], errors: string[], more?: Partial<typeof rules>][] = [
  ['three instances of one name are named once', [], [{ name: 'a' }, { name: 'a' }, { name: 'a' }], ["multiple instances named 'a'"]],
  ['three nodes of one name are named once', [node('n'), node('n'), node('n')], [{ name: 'a' }], ["multiple nodes named 'n'"]],
  ['names that nodes and instances share are told in one line, sorted', [node('b'), node('a')], [{ name: 'a' }, { name: 'b' }], ['node and instance names collide: a, b']],
  ['a node that would take the place of the controller is told', [node('controller')], [{ name: 'a' }], ["node 'controller' has the name of the controller"]],
  ['a node of an unknown instance is told', [node('n', { instance: 'ghost' })], [{ name: 'a' }], ["node 'n' has undeclared instance name 'ghost'"]],
  ['a node at the port of its agent is told', [node('n', { port: 2151 })], [{ name: 'a', listen_port: 2151 }], ["node 'n' port 2151/tcp conflicts with agent port on instance 'a'"]],
  ['a node at another agent\'s port is none of our business', [node('n', { port: 2151 })], [{ name: 'a' }, { name: 'b', listen_port: 2151 }], []],
  ['a node at a port of the controller is told', [node('n', { port: 2149 })], [{ name: 'a' }], ["node 'n' port 2149/tcp conflicts with controller port"]],
  ['three nodes at one port of an instance are told once', [node('n', { port: 5000 }), node('o', { port: 5000 }), node('p', { port: 5000 })], [{ name: 'a' }], ["multiple nodes on instance 'a' using port 5000/tcp"]],
  ['the same port on two instances is no error', [node('n', { port: 5000 }), node('o', { port: 5000, instance: 'b' })], [{ name: 'a' }, { name: 'b' }], []],
  ['a port that no node needs may be missing without auto-assignment', [node('w', { role: 'WORKER', interface: 'lo' })], [{ name: 'a' }], [], { autoAssignBrokerPorts: false }],
  ['missing ports are told in one line without auto-assignment', [node('p', { role: 'PROXY' }), node('l'), node('k', { port: 5000 })], [{ name: 'a' }], ['Broker port auto-assignment disabled but nodes l, p lack ports'], { autoAssignBrokerPorts: false }]
]
for (const [title, nodes, instances, errors, more] of texts) await t.test(title, async t => t.same(errorsOf(nodes, instances, more), errors))

await t.test('metrics ports that clash are errors', async t => {
  t.same(errorsOf([node('n', { metrics_port: 9000 }), node('o', { metrics_port: 9000 })]), ["multiple nodes on instance 'a' using metrics port 9000/tcp"])
  t.same(errorsOf([node('n', { metrics_port: 5000 }), node('o', { port: 5000 })]), ["node 'n' metrics port 5000/tcp conflicts with port of node 'o'"])
  t.same(errorsOf([node('n', { metrics_port: 5000, port: 5000 })]).length, 1, 'a node with itself')
  t.same(errorsOf([node('n', { metrics_port: 2150 })]), ["node 'n' metrics port 2150/tcp conflicts with controller port"])
  t.same(errorsOf([node('n', { metrics_port: 2151 })], [{ name: 'a', listen_port: 2151 }]), ["node 'n' metrics port 2151/tcp conflicts with agent port on instance 'a'"])
  t.same(errorsOf([node('n', { metrics_port: 9000 }), node('o', { metrics_port: 9000, instance: 'b' })], [{ name: 'a' }, { name: 'b' }]), [])
})

await t.test('everything is told at once, sorted by text, each once', async t => {
  const errors = errorsOf([
    node('x', { port: 2150 }), node('x', { port: 2150 }), node('a', { port: 2151 }), node('y', { instance: 'ghost' }), node('z', { instance: 'ghost' })
  ], [{ name: 'a', listen_port: 2151 }, { name: 'b' }, { name: 'b' }])
  t.same(errors, [
    "multiple instances named 'b'",
    "multiple nodes named 'x'",
    "multiple nodes on instance 'a' using port 2150/tcp",
    "node 'a' port 2151/tcp conflicts with agent port on instance 'a'",
    "node 'x' port 2150/tcp conflicts with controller port",
    "node 'y' has undeclared instance name 'ghost'",
    "node 'z' has undeclared instance name 'ghost'",
    'node and instance names collide: a'
  ])
})

await t.test('the recorded bad.cfg has the four errors that Zeek gave', async t => {
  const expected = [
    "multiple nodes on instance 'agent-testbox' using port 5000/tcp",
    "node 'agent-testbox' port 2150/tcp conflicts with controller port",
    "node 'c' has undeclared instance name 'ghost'",
    'node and instance names collide: agent-testbox'
  ]
  const { errors } = JSON.parse(readFileSync(new URL('../fixtures/zeek-client-bad.json', import.meta.url), 'utf8'))
  t.same(errors, expected, 'the fixture is as it was recorded')
  const instance = 'agent-testbox'
  t.same(errorsOf([
    node('agent-testbox', { instance, role: 'MANAGER', port: 2150 }), node('a', { instance, port: 5000 }),
    node('b', { instance, role: 'PROXY', port: 5000 }), node('c', { instance: 'ghost', role: 'WORKER', interface: 'lo' })
  ], [{ name: instance }]), errors)
})

await t.test('what is odd but works in Zeek is only a warning', async t => {
  const worker = node('w', { role: 'WORKER', interface: 'lo' })
  const one = node('m', { role: 'MANAGER' })
  t.same(warningsOf([one, node('m2', { role: 'MANAGER' })]), ['there are 2 managers'])
  t.same(warningsOf([worker]), ['there are workers, but no manager'])
  t.same(warningsOf([one, node('w', { role: 'WORKER' })]), ["worker 'w' has no interface"])
  t.same(warningsOf([{ ...one, interface: 'lo' }]), ["node 'm' is no worker but has an interface"])
  t.same(warningsOf([], [{ name: 'a', listen_port: 2151 }]).length, 1)
  t.same(errorsOf([one, node('m2', { role: 'MANAGER' }), node('w', { role: 'WORKER' })]), [])
})

await t.test('validating changes nothing of what it is given', async t => {
  const given = configuration([node('b', { port: 5000 }), node('a')])
  const before = structuredClone(given)
  validate(given, { ...rules, autoAssignBrokerPorts: false })
  t.same(given, before)
})
