import assert from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import {
  ClusterConfigurationInput,
  type ClusterConfiguration,
  type ClusterNode,
  type NodeStatus
} from '../../../schemas/types.js'
import { checker } from '../../../schemas/validator.js'
import { invalid } from '../../../src/errors.js'
import { configuration, encodeResultData, result } from '../../../src/zeek/websocket/management.js'
import { decodeData, eventOf } from '../../../src/zeek/websocket/message.js'
import { count, decodeValue, encodeValue, none, string, vector, type Value } from '../../../src/zeek/websocket/value.js'
import { altered, anyValue, nodesOf, refusal, refusedAt } from '../../support/arbitraries.js'
import { clientConversations } from '../../support/recordings.js'
import { accepts } from '../../support/nasty.js'
import { runs } from '../../support/runs.js'

const value = (type: string, data: unknown) => ({ '@data-type': type, data }) as Value
const set = (...data: Value[]) => value('set', data)
const port = (number: number) => value('port', `${number}/tcp`)
const valid = checker(ClusterConfigurationInput, invalid)

/** The configurations in a conversation: what zeek-client sent, and what Zeek's controller answered. */
function configurationsIn(command: string): Value[] {
  const { frames } = clientConversations.find(({ name }) => name.endsWith(command))!
  return frames.flatMap(({ frame }) => {
    if (frame.type !== 'data-message') return []
    const { name, args } = eventOf(decodeData(JSON.stringify(frame)).data)
    const [, argument] = args.data as any[]
    return name.endsWith('stage_configuration_request')
      ? [argument]
      : name.endsWith('get_configuration_response')
        ? [argument.data[3]]
        : []
  })
}

const nodeNamed = (nodes: readonly ClusterNode[], name: string) => nodes.find(node => node.name === name)

/** The fields of a node as zeek-client sends them, with some changed. */
function nodeFields(changed: Record<number, Value> = {}): Value {
  const fields = [
    string('w'),
    string('i'),
    value('enum-value', 'Supervisor::WORKER'),
    value('enum-value', 'Management::RUNNING'),
    none,
    none,
    none,
    none,
    none,
    value('table', []),
    none
  ]
  return vector(fields.map((field, index) => changed[index] ?? field))
}

const withNode = (node: Value) => vector([string('c'), set(), set(node)])
const withInstance = (...fields: Value[]) => vector([string('c'), set(vector(fields)), set()])
const decodeNode = (node: Value) => configuration.decode(withNode(node), 'c').nodes[0]
const decodeInstance = (...fields: Value[]) => configuration.decode(withInstance(...fields), 'c').instances[0]

await t.test('the configuration that zeek-client stages is what its file says', async t => {
  const { nodes, ...rest } = configuration.decode(configurationsIn('stage-config cluster.cfg')[0]!, 'c')
  t.strictSame(rest, { id: '93f04606-e67d-11f1-aa8b-02fc00000001', instances: [{ name: 'agent-testbox' }] })
  t.strictSame(
    [...nodes].sort((one, other) => (one.name < other.name ? -1 : 1)),
    [
      { name: 'logger', instance: 'agent-testbox', role: 'LOGGER' },
      { name: 'manager', instance: 'agent-testbox', role: 'MANAGER' },
      { name: 'proxy-01', instance: 'agent-testbox', role: 'PROXY', port: 5123 },
      {
        name: 'worker-01',
        instance: 'agent-testbox',
        role: 'WORKER',
        scripts: ['policy/tuning/json-logs'],
        interface: 'lo',
        cpu_affinity: 1,
        env: { FOO: 'BAR', MSG: 'hello world' }
      },
      { name: 'worker-02', instance: 'agent-testbox', role: 'WORKER', interface: 'lo' }
    ]
  )
})

await t.test('the configuration that Zeek says is deployed has its addresses and ports', async t => {
  const { instances, nodes } = configuration.decode(configurationsIn('get-config --deployed --as-json')[0]!, 'c')
  t.strictSame(instances, [{ name: 'agent-testbox', host: '127.0.0.1' }])
  t.match(nodeNamed(nodes, 'manager'), { port: 2200, metrics_port: 9000 })
  t.match(nodeNamed(nodes, 'worker-02'), { port: undefined, metrics_port: 9004 })
})

await t.test('every configuration that was recorded is valid, and written as it was', async t => {
  const recorded = [
    'stage-config cluster.cfg',
    'stage-config bad.cfg',
    'stage-config fail.cfg',
    'get-config --as-json',
    'get-config --deployed --as-json'
  ].flatMap(configurationsIn)
  t.equal(recorded.length, 5)
  for (const wire of recorded) {
    const decoded = configuration.decode(wire, 'c')
    t.strictSame(valid(structuredClone(decoded), ''), decoded)
    t.equal(encodeValue(configuration.encode(decoded)), encodeValue(wire))
  }
})

await t.test('an address that says nothing is none', async t => {
  for (const host of ['0.0.0.0', '::']) {
    t.strictSame(decodeInstance(string('i'), value('address', host), none), { name: 'i' })
  }
  t.strictSame(decodeInstance(string('i'), value('address', '0.0.0.0'), port(2151)), { name: 'i', listen_port: 2151 })
  t.strictSame(decodeInstance(string('i'), value('address', '::1'), port(2151)), {
    name: 'i',
    listen_port: 2151,
    host: '::1'
  })
  t.strictSame(
    decodeInstance(string('i'), value('address', '10.0.0.1')),
    { name: 'i', host: '10.0.0.1' },
    'without a port'
  )
  t.equal(
    encodeValue(configuration.encode({ id: 'c', instances: [{ name: 'i' }], nodes: [] })),
    encodeValue(withInstance(string('i'), value('address', '0.0.0.0'), none))
  )
})

await t.test('the id of a configuration may be empty, which is none', async t => {
  t.strictSame(configuration.decode(vector([string(''), set(), set()]), 'c'), { instances: [], nodes: [] })
  t.strictSame(configuration.encode({ instances: [], nodes: [] }), vector([string(''), set(), set()]))
})

await t.test('a node of an older client, without a metrics port, and of a newer one, with a field more', async t => {
  const fields = nodeFields().data as Value[]
  t.strictSame(decodeNode(vector(fields.slice(0, 10))), { name: 'w', instance: 'i', role: 'WORKER' })
  t.strictSame(decodeNode(vector([...fields, none])), { name: 'w', instance: 'i', role: 'WORKER' })
  t.equal(
    refusedAt(() => decodeNode(vector([...fields, string('what')]))),
    'c.nodes[0][11]'
  )
  t.equal(
    refusedAt(() => decodeNode(vector(fields.slice(0, 9)))),
    'c.nodes[0].env',
    'the environment is always there'
  )
})

await t.test('each field of a node is where Zeek has it', async t => {
  const wire = nodeFields({
    4: port(5000),
    5: vector([string('b'), string('a')]),
    6: set(vector([string('Log::x'), string('1')]), vector([string('Y'), string('')])),
    7: string('eth0'),
    8: value('integer', 3),
    9: value('table', [{ key: string('K'), value: string('V') }]),
    10: port(9000)
  })
  const node: ClusterNode = {
    name: 'w',
    instance: 'i',
    role: 'WORKER',
    port: 5000,
    scripts: ['b', 'a'],
    options: { 'Log::x': '1', Y: '' },
    interface: 'eth0',
    cpu_affinity: 3,
    env: { K: 'V' },
    metrics_port: 9000
  }
  t.strictSame(decodeNode(wire), node)
  t.strictSame(configuration.encode({ id: 'c', instances: [], nodes: [node] }), withNode(wire))
})

await t.test(
  'the state of a node in a configuration is taken from no one, and sent as zeek-client sends it',
  async t => {
    for (const state of ['PENDING', 'RUNNING', 'STOPPED', 'FAILED', 'CRASHED', 'UNKNOWN']) {
      const decoded = decodeNode(nodeFields({ 3: value('enum-value', `Management::${state}`) }))!
      t.strictSame(decoded, { name: 'w', instance: 'i', role: 'WORKER' })
      t.strictSame(configuration.encode({ id: 'c', instances: [], nodes: [decoded] }), withNode(nodeFields()))
    }
  }
)

await t.test('a role that no node can have is left to the schema', async t => {
  const decoded = configuration.decode(withNode(nodeFields({ 2: value('enum-value', 'Supervisor::NONE') })), 'c')
  t.equal(decoded.nodes[0]?.role, 'NONE')
  t.match(
    refusal(() => configuration.decode(withNode(nodeFields({ 2: value('enum-value', 'Supervisor::BOSS') })), 'c')),
    { message: /c\.nodes\[0\]\.role must be one of Supervisor::NONE, Supervisor::MANAGER/ }
  )
  t.throws(() => valid(decoded, ''), { code: 'invalid_request', errors: [{ field: '/nodes/0/role' }] })
})

await t.test('a refusal names the field of the configuration', async t => {
  const places: [Value, string][] = [
    [none, 'c'],
    [vector([]), 'c.id'],
    [vector([string('c')]), 'c.instances'],
    [vector([string('c'), vector([]), set()]), 'c.instances'],
    [vector([string('c'), set()]), 'c.nodes'],
    [vector([string('c'), set(), set(), string('x')]), 'c[3]'],
    [withInstance(string('i')), 'c.instances[0].host'],
    [withInstance(string('i'), string('127.0.0.1')), 'c.instances[0].host'],
    [withInstance(string('i'), value('address', '::1'), count(2150)), 'c.instances[0].listen_port'],
    [withNode(none), 'c.nodes[0]'],
    [vector([string('c'), set(), set(nodeFields(), nodeFields({ 4: count(1) }))]), 'c.nodes[1].port'],
    [withNode(nodeFields({ 0: none })), 'c.nodes[0].name'],
    [withNode(nodeFields({ 2: value('enum-value', 'Management::NONE') })), 'c.nodes[0].role'],
    [withNode(nodeFields({ 3: value('enum-value', 'Management::BROKEN') })), 'c.nodes[0].state'],
    [withNode(nodeFields({ 5: set() })), 'c.nodes[0].scripts'],
    [withNode(nodeFields({ 5: vector([string('a'), count(1)]) })), 'c.nodes[0].scripts[1]'],
    [withNode(nodeFields({ 6: set(vector([string('a')])) })), 'c.nodes[0].options[0].value'],
    [withNode(nodeFields({ 7: count(1) })), 'c.nodes[0].interface'],
    [withNode(nodeFields({ 8: count(1) })), 'c.nodes[0].cpu_affinity'],
    [withNode(nodeFields({ 9: value('table', [{ key: string('K'), value: count(1) }]) })), 'c.nodes[0].env["K"]'],
    [withNode(nodeFields({ 9: none })), 'c.nodes[0].env'],
    [withNode(nodeFields({ 10: string('9000') })), 'c.nodes[0].metrics_port']
  ]
  for (const [wire, place] of places) {
    t.equal(
      refusedAt(() => configuration.decode(wire, 'c')),
      place
    )
  }
})

const name = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/)
const portNumber = fc.integer({ min: 1, max: 65535 })
const mapOf = (names: RegExp, minKeys = 0) =>
  fc.dictionary(
    fc.oneof(fc.stringMatching(names), fc.constantFrom('__proto__', 'constructor')),
    fc.string({ unit: 'grapheme' }),
    { maxKeys: 4, minKeys, noNullPrototype: true }
  )
const required = { noNullPrototype: true }
const configurations = fc
  .record(
    {
      id: fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/),
      instances: fc.array(
        fc.record(
          {
            name,
            host: fc.oneof(fc.ipV4(), fc.ipV6()).filter(host => host !== '0.0.0.0' && host !== '::'),
            listen_port: portNumber
          },
          { ...required, requiredKeys: ['name'] }
        ),
        { maxLength: 4 }
      ),
      nodes: fc.array(
        fc.record(
          {
            name,
            instance: name,
            role: fc.constantFrom('MANAGER', 'LOGGER', 'PROXY', 'WORKER'),
            port: portNumber,
            metrics_port: portNumber,
            interface: fc.stringMatching(/^[A-Za-z0-9_./][!-~]{0,20}$/),
            cpu_affinity: fc.nat(4095),
            scripts: fc.array(fc.stringMatching(/^[A-Za-z0-9_./@+~][!-<>-~]{0,20}$/), { maxLength: 4 }),
            options: mapOf(/^[A-Za-z_][A-Za-z0-9_]{0,5}(::[A-Za-z_][A-Za-z0-9_]{0,5}){0,2}$/),
            // An empty environment and none are the same.
            env: mapOf(/^[A-Za-z_][A-Za-z0-9_]{0,10}$/, 1)
          },
          { ...required, requiredKeys: ['name', 'instance', 'role'] }
        ),
        { maxLength: 5 }
      )
    },
    { ...required, requiredKeys: ['instances', 'nodes'] }
  )
  .filter(accepts(ClusterConfigurationInput)) as fc.Arbitrary<ClusterConfigurationInput>

await t.test('any configuration that the schema takes comes back from its record', async t => {
  fc.assert(
    fc.property(configurations, given => {
      const text = encodeValue(configuration.encode(given))
      assert.deepStrictEqual(configuration.decode(decodeValue(JSON.parse(text), 'x'), 'c'), given)
    }),
    { numRuns: runs(500) }
  )
  t.pass('they did')
})

await t.test('an empty environment is none, empty options are some', async t => {
  const node: ClusterNode = { name: 'w', instance: 'i', role: 'WORKER' }
  const back = (node: ClusterNode) =>
    configuration.decode(configuration.encode({ instances: [], nodes: [node] }), 'c').nodes[0]
  t.strictSame(back({ ...node, env: {} }), node)
  t.strictSame(back({ ...node, options: {}, scripts: [] }), { ...node, options: {}, scripts: [] })
})

await t.test('any value is a configuration or is refused', async t => {
  let refused = 0
  const read = (wire: Value) => {
    const error = refusal(() => configuration.decode(wire, 'c'))
    if (!error) return
    refused++
    assert.match(error.errors![0]!.field, /^c/)
  }
  fc.assert(
    fc.property(anyValue, anyValue, anyValue, (one, two, three) => {
      read(one)
      read(vector([string('c'), set(one), set(two, three)]))
      read(withNode(nodeFields({ 5: one, 6: two, 9: three })))
    }),
    { numRuns: runs(200) }
  )
  t.ok(refused > 200, `${refused} were refused`)
  // Every place of a recorded one, with every type.
  const recorded = configurationsIn('stage-config cluster.cfg')[0]!
  const others = [
    none,
    string('x'),
    count(1),
    value('enum-value', 'Management::RUNNING'),
    port(1),
    vector([]),
    set(),
    value('table', [])
  ]
  const before = refused
  for (let at = 0; at < nodesOf(recorded); at++) {
    for (const other of others) {
      let wire: Value | undefined
      // Where the format itself is broken, there is nothing to read.
      if (
        !refusal(() => {
          wire = decodeValue(altered(recorded, at, other), 'x')
        })
      ) {
        read(wire!)
      }
    }
  }
  t.ok(refused - before > 100, `${refused - before} were refused`)
})

const status: NodeStatus = {
  node: 'worker-01',
  state: 'RUNNING',
  mgmt_role: 'NODE',
  cluster_role: 'WORKER',
  pid: 1382,
  metrics_port: 9003
}

/** The status records that Zeek's controller answered. */
function recordedStatuses(): Value[] {
  return clientConversations
    .filter(({ name }) => name.endsWith('get-nodes'))
    .flatMap(({ frames }) => frames)
    .filter(({ from, frame }) => from === 'controller' && frame.type === 'data-message')
    .map(({ frame }) => (eventOf(decodeData(JSON.stringify(frame)).data).args as any).data[1].data[0].data[3])
}

await t.test('the status of each process is written as Zeek has it', async t => {
  const [before, after] = recordedStatuses()
  t.strictSame(
    encodeResultData({
      nodes: [
        { node: 'controller', state: 'RUNNING', mgmt_role: 'CONTROLLER', pid: 1234, port: 2151 },
        { node: 'agent-testbox', state: 'RUNNING', mgmt_role: 'AGENT', pid: 1235 }
      ]
    }),
    before
  )
  t.strictSame(
    encodeResultData({
      nodes: [
        {
          node: 'proxy-01',
          state: 'RUNNING',
          mgmt_role: 'NODE',
          cluster_role: 'PROXY',
          pid: 1383,
          port: 5123,
          metrics_port: 9002
        },
        status
      ]
    }),
    vector([(after as any).data[0], (after as any).data[4]])
  )
})

await t.test('a node of the cluster has no management role for Zeek', async t => {
  const fields = (encodeResultData({ nodes: [status] }) as any).data[0].data
  t.strictSame(fields.slice(2, 4), [value('enum-value', 'Management::NONE'), value('enum-value', 'Supervisor::WORKER')])
  for (const role of ['NONE', 'AGENT', 'CONTROLLER'] as const) {
    t.strictSame(
      (encodeResultData({ nodes: [{ node: 'x', state: 'PENDING', mgmt_role: role }] }) as any).data[0].data.slice(1, 4),
      [
        value('enum-value', 'Management::PENDING'),
        value('enum-value', `Management::${role}`),
        value('enum-value', 'Supervisor::NONE')
      ]
    )
  }
})

await t.test('every kind of data has its form', async t => {
  const full: ClusterConfiguration = {
    id: 'c',
    instances: [{ name: 'i', host: '10.0.0.1', listen_port: 2151 }],
    nodes: []
  }
  t.strictSame(encodeResultData({ id: 'c' }), string('c'))
  t.strictSame(
    encodeResultData({ configuration: full }),
    vector([string('c'), set(vector([string('i'), value('address', '10.0.0.1'), port(2151)])), set()])
  )
  t.strictSame(
    encodeResultData({ instances: [{ name: 'i', host: '::1' }, { name: 'j' }] }),
    vector([
      vector([string('i'), value('address', '::1'), none]),
      vector([string('j'), value('address', '0.0.0.0'), none])
    ])
  )
  t.strictSame(encodeResultData({ instances: [] }), vector([]))
  t.strictSame(encodeResultData({ nodes: [] }), vector([]))
  t.strictSame(encodeResultData({ value: '"manager"' }), string('"manager"'))
  t.strictSame(encodeResultData({ value: '' }), string(''))
  t.strictSame(encodeResultData({ stdout: 'o', stderr: 'e' }), vector([string('o'), string('e')]))
  t.strictSame(encodeResultData({ stderr: 'e' }), vector([string(''), string('e')]))
  t.strictSame(encodeResultData({ stdout: '' }), vector([string(''), string('')]))
  t.strictSame(encodeResultData({}), undefined)
})

await t.test('the data of a result is any value, and absent when it is none', async t => {
  t.strictSame(
    result.encode({ reqid: 'r', success: true }),
    vector([string('r'), value('boolean', true), none, none, none, none])
  )
  const full = { reqid: 'r', success: false, instance: 'i', data: vector([count(1)]), error: 'e', node: 'n' }
  t.strictSame(result.decode(result.encode(full), 'r'), full)
  t.strictSame(result.decode(vector([string('r'), value('boolean', true)]), 'r'), { reqid: 'r', success: true })
})
