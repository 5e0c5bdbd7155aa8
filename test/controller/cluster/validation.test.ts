import { readFileSync } from 'node:fs'
import t from 'tap'
import type { ClusterConfigurationInput, ClusterNode } from '../../../schemas/types.js'
import { validate } from '../../../src/controller/cluster/validation.js'
import { fixture } from '../../support/environment.js'

const rules = {
  controllerName: 'controller',
  controllerPorts: [2150, 2149],
  autoAssignBrokerPorts: true,
  dialsSecurely: true
}
const node = (name: string, more: Partial<ClusterNode> = {}): ClusterNode => ({
  name,
  instance: 'a',
  role: 'LOGGER',
  ...more
})
const configuration = (
  nodes: ClusterNode[],
  instances: ClusterConfigurationInput['instances'] = [{ name: 'a' }]
): ClusterConfigurationInput => ({ instances, nodes })
const errorsOf = (
  nodes: ClusterNode[],
  instances?: ClusterConfigurationInput['instances'],
  more: Partial<typeof rules> = {}
) => validate(configuration(nodes, instances), { ...rules, ...more }).errors
const warningsOf = (nodes: ClusterNode[], instances?: ClusterConfigurationInput['instances']) =>
  validate(configuration(nodes, instances), rules).warnings

await t.test('a sound configuration has neither errors nor warnings', async t => {
  t.same(
    validate(
      configuration([
        node('m', { role: 'MANAGER', port: 5000, metrics_port: 5001 }),
        node('w', { role: 'WORKER', interface: 'lo' })
      ]),
      rules
    ),
    { errors: [], warnings: [] }
  )
  t.same(validate({ instances: [], nodes: [] }, rules), { errors: [], warnings: [] })
})

const texts: [
  title: string,
  nodes: ClusterNode[],
  instances: ClusterConfigurationInput['instances'],
  errors: string[],
  more?: Partial<typeof rules>
][] = [
  [
    'three instances of one name are named once',
    [],
    [{ name: 'a' }, { name: 'a' }, { name: 'a' }],
    ["multiple instances named 'a'"]
  ],
  [
    'three nodes of one name are named once',
    [node('n'), node('n'), node('n')],
    [{ name: 'a' }],
    ["multiple nodes named 'n'"]
  ],
  [
    'names that nodes and instances share are told in one line, sorted',
    [node('b'), node('a')],
    [{ name: 'a' }, { name: 'b' }],
    ['node and instance names collide: a, b']
  ],
  [
    'a node that would take the place of the controller is told',
    [node('controller')],
    [{ name: 'a' }],
    ["node 'controller' has the name of the controller"]
  ],
  [
    'a node of an unknown instance is told',
    [node('n', { instance: 'ghost' })],
    [{ name: 'a' }],
    ["node 'n' has undeclared instance name 'ghost'"]
  ],
  [
    'a node at the port of its agent is told',
    [node('n', { port: 2151 })],
    [{ name: 'a', listen_port: 2151 }],
    ["node 'n' port 2151/tcp conflicts with agent port on instance 'a'"]
  ],
  [
    "a node at another agent's port is none of our business",
    [node('n', { port: 2151 })],
    [{ name: 'a' }, { name: 'b', listen_port: 2151 }],
    []
  ],
  [
    'a node at a port of the controller is told',
    [node('n', { port: 2149 })],
    [{ name: 'a' }],
    ["node 'n' port 2149/tcp conflicts with controller port"]
  ],
  [
    'three nodes at one port of an instance are told once',
    [node('n', { port: 5000 }), node('o', { port: 5000 }), node('p', { port: 5000 })],
    [{ name: 'a' }],
    ["multiple nodes on instance 'a' using port 5000/tcp"]
  ],
  [
    'the same port on two instances is no error',
    [node('n', { port: 5000 }), node('o', { port: 5000, instance: 'b' })],
    [{ name: 'a' }, { name: 'b' }],
    []
  ],
  [
    'a port that no node needs may be missing without auto-assignment',
    [node('w', { role: 'WORKER', interface: 'lo' })],
    [{ name: 'a' }],
    [],
    { autoAssignBrokerPorts: false }
  ],
  [
    'missing ports are told in one line without auto-assignment',
    [node('p', { role: 'PROXY' }), node('l'), node('k', { port: 5000 })],
    [{ name: 'a' }],
    ['Broker port auto-assignment disabled but nodes l, p lack ports'],
    { autoAssignBrokerPorts: false }
  ],
  [
    'nodes that lack ports are sorted by name, whatever their roles',
    [node('proxy-1', { role: 'PROXY' }), node('manager', { role: 'MANAGER' }), node('logger-01')],
    [{ name: 'a' }],
    ['Broker port auto-assignment disabled but nodes logger-01, manager, proxy-1 lack ports'],
    { autoAssignBrokerPorts: false }
  ]
]
for (const [title, nodes, instances, errors, more] of texts) {
  await t.test(title, async t => t.same(errorsOf(nodes, instances, more), errors))
}

await t.test('metrics ports that clash are errors', async t => {
  t.same(errorsOf([node('n', { metrics_port: 9000 }), node('o', { metrics_port: 9000 })]), [
    "multiple nodes on instance 'a' using metrics port 9000/tcp"
  ])
  t.same(errorsOf([node('n', { metrics_port: 5000 }), node('o', { port: 5000 })]), [
    "node 'n' metrics port 5000/tcp conflicts with port of node 'o'"
  ])
  t.same(errorsOf([node('n', { metrics_port: 5000, port: 5000 })]).length, 1, 'a node with itself')
  t.same(errorsOf([node('n', { metrics_port: 2150 })]), [
    "node 'n' metrics port 2150/tcp conflicts with controller port"
  ])
  t.same(errorsOf([node('n', { metrics_port: 2151 })], [{ name: 'a', listen_port: 2151 }]), [
    "node 'n' metrics port 2151/tcp conflicts with agent port on instance 'a'"
  ])
  t.same(
    errorsOf(
      [node('n', { metrics_port: 9000 }), node('o', { metrics_port: 9000, instance: 'b' })],
      [{ name: 'a' }, { name: 'b' }]
    ),
    []
  )
})

await t.test('everything is told at once, sorted by text, each once', async t => {
  const errors = errorsOf(
    [
      node('x', { port: 2150 }),
      node('x', { port: 2150 }),
      node('a', { port: 2151 }),
      node('y', { instance: 'ghost' }),
      node('z', { instance: 'ghost' })
    ],
    [{ name: 'a', listen_port: 2151 }, { name: 'b' }, { name: 'b' }]
  )
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
  const { errors } = JSON.parse(readFileSync(fixture('zeek-client-bad.json'), 'utf8'))
  t.same(errors, expected, 'the fixture is as it was recorded')
  const instance = 'agent-testbox'
  t.same(
    errorsOf(
      [
        node('agent-testbox', { instance, role: 'MANAGER', port: 2150 }),
        node('a', { instance, port: 5000 }),
        node('b', { instance, role: 'PROXY', port: 5000 }),
        node('c', { instance: 'ghost', role: 'WORKER', interface: 'lo' })
      ],
      [{ name: instance }]
    ),
    errors
  )
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

const hub = node('m', { role: 'MANAGER' })
const worker = (name: string, source: string, fanout?: string, more: Partial<ClusterNode> = {}) =>
  node(name, {
    role: 'WORKER',
    interface: source,
    ...(fanout === undefined ? {} : { options: { 'AF_Packet::fanout_id': fanout } }),
    ...more
  })
/** Those about nodes that share something. */
const sharedBy = (...nodes: ClusterNode[]) =>
  validate(configuration([hub, ...nodes], [{ name: 'a' }, { name: 'b' }]), rules)

await t.test('two AF_PACKET interfaces of one instance with one fan-out id that both say are an error', async t => {
  const { errors, warnings } = sharedBy(
    worker('w-1', 'af_packet::eth0', '7'),
    worker('w-2', 'af_packet::eth0', '7'),
    worker('v-1', 'af_packet::eth1', ' 7'),
    worker('u-1', 'af_packet::eth2', '65543')
  )
  t.same(errors, [
    "nodes 'w-1' (eth0), 'v-1' (eth1) and 'u-1' (eth2) on instance 'a' have the same AF_Packet::fanout_id, 7: the kernel lets only one interface have it (EINVAL for the others); give each interface an AF_Packet::fanout_id of its own"
  ])
  t.same(warnings, [])
})

await t.test(
  'two AF_PACKET interfaces that have the default fan-out id are a warning, since a script may set it',
  async t => {
    t.same(sharedBy(worker('w', 'af_packet::eth0'), worker('v', 'af_packet::eth1')), {
      errors: [],
      warnings: [
        "nodes 'w' (eth0) and 'v' (eth1) on instance 'a' have the same AF_Packet::fanout_id, 23, the default, unless a script sets it: the kernel lets only one interface have it (EINVAL for the others); give each interface an AF_Packet::fanout_id of its own"
      ]
    })
    t.match(sharedBy(worker('w', 'af_packet::eth0'), worker('v', 'af_packet::eth1', '23')), {
      errors: [],
      warnings: [/^nodes 'w' \(eth0\) and 'v' \(eth1\) .*23, the default, unless/]
    })
  }
)

await t.test('fan-out ids that differ, or of other hosts, or of nobody, are no fault', async t => {
  for (const nodes of [
    [worker('w', 'af_packet::eth0'), worker('v', 'af_packet::eth1', '24')],
    [
      worker('w', 'af_packet::eth0'),
      worker('x', 'af_packet::eth0'),
      worker('v', 'af_packet::eth1', '24'),
      worker('y', 'af_packet::eth1', '24')
    ],
    [worker('w', 'af_packet::eth0', '5'), worker('v', 'af_packet::eth1', '5', { instance: 'b' })],
    [worker('w', 'af_packet::eth0', '5'), worker('v', 'af_packet::eth1', 'Site::id + 1')],
    [
      worker('w', 'af_packet::eth0'),
      worker('v', 'af_packet::eth1', undefined, { options: { 'AF_Packet::enable_fanout': 'F' } })
    ],
    [worker('w', 'af_packet::eth0', '5'), worker('v', 'eth1', '5'), worker('u', 'napatech::0', '5')]
  ]) {
    t.same(sharedBy(...nodes), { errors: [], warnings: [] }, nodes.map(({ interface: source }) => source).join())
  }
})

await t.test('one interface that nodes do not share, also by another name, is a warning', async t => {
  const text = (names: string, device: string) => [
    `nodes ${names} on instance 'a' each see every packet of ${device}: to share them, let all listen on af_packet::${device} with one AF_Packet::fanout_id`
  ]
  t.same(sharedBy(worker('w', 'eth0'), worker('v', 'eth0'), worker('u', 'eth1')), {
    errors: [],
    warnings: text("'w' and 'v'", 'eth0')
  })
  t.same(
    sharedBy(
      worker('w', 'af_packet::eth0'),
      worker('x', 'af_packet::eth0'),
      worker('v', 'eth0'),
      worker('u', 'pcap::eth0')
    ).warnings,
    text("'w', 'v' and 'u'", 'eth0')
  )
  t.same(
    sharedBy(worker('w', 'af_packet::eth0'), worker('v', 'af_packet::eth0', '24')).warnings,
    text("'w' and 'v'", 'eth0')
  )
  t.match(sharedBy(...Array.from({ length: 9 }, (_, index) => worker(`w-${index}`, 'eth0'))).warnings, [
    /^nodes 'w-0', 'w-1', 'w-2', 'w-3' and 5 more on/
  ])
})

await t.test('an interface whose packets something else spreads is no fault', async t => {
  for (const env of [{ PCAP_PF_RING_CLUSTER_ID: '21' }, { SNF_NUM_RINGS: '2' }] as Record<string, string>[]) {
    t.same(sharedBy(worker('w', 'eth0', undefined, { env }), worker('v', 'eth0', undefined, { env })).warnings, [])
  }
  for (const source of ['napatech::0', 'netmap::eth0', 'zc:eth0']) {
    t.same(sharedBy(worker('w', source), worker('v', source)).warnings, [], source)
  }
  t.same(sharedBy(worker('w', 'eth0'), worker('v', 'eth0', undefined, { instance: 'b' })).warnings, [])
})

await t.test('nodes that are pinned to one CPU of an instance are a warning', async t => {
  const pinned = (name: string, cpu: number, instance = 'a') => node(name, { cpu_affinity: cpu, instance })
  t.same(sharedBy(pinned('l', 3), pinned('k', 3), pinned('j', 4), pinned('i', 3, 'b')), {
    errors: [],
    warnings: ["nodes 'l' and 'k' on instance 'a' are pinned to one CPU, 3"]
  })
})

await t.test('one host, or one name, in two spellings is a warning', async t => {
  t.same(
    warningsOf(
      [],
      [
        { name: 'a', host: 'FD00:0::1' },
        { name: 'b', host: 'fd00::1' },
        { name: 'c', host: 'fd00::2' }
      ]
    ),
    [
      "instances 'a' and 'b' are on one host, FD00:0::1 and fd00::1: put its nodes on one instance, unless two agents run there"
    ]
  )
  t.same(
    warningsOf(
      [],
      [
        { name: 'a', host: '10.0.0.1' },
        { name: 'b', host: '10.0.0.1' }
      ]
    ),
    [],
    'two agents of one host, on purpose'
  )
  t.same(
    warningsOf(
      [],
      [
        { name: 'a', host: '10.0.0.1', listen_port: 1 },
        { name: 'b', host: '10.0.0.1', listen_port: 1 },
        { name: 'c', host: '10.0.0.1', listen_port: 2 }
      ]
    ),
    ["instances 'a' and 'b' are both dialled at 10.0.0.1 port 1: an agent is one instance"]
  )
  t.same(warningsOf([], [{ name: 'agent-A' }, { name: 'agent-a' }]), [
    "instances 'agent-A' and 'agent-a' differ in the case of letters only: an agent has the name of its instance as it is written"
  ])
  t.same(warningsOf([node('n', { instance: 'Agent-A' })], [{ name: 'agent-a' }]), [
    "instance 'Agent-A' is not declared, but 'agent-a' is: the case of letters matters"
  ])
})

await t.test('validating changes nothing of what it is given', async t => {
  const given = configuration([node('b', { port: 5000 }), node('a')])
  const before = structuredClone(given)
  validate(given, { ...rules, autoAssignBrokerPorts: false })
  t.same(given, before)
})

await t.test('an instance that would be dialled in clear over a network is an error', t => {
  const clear = { dialsSecurely: false }
  const at = (host?: string, listenPort?: number) => [
    { name: 'a', ...(host && { host }), ...(listenPort && { listen_port: listenPort }) }
  ]
  for (const host of ['10.0.0.1', '2001:db8::1']) {
    t.same(errorsOf([], at(host, 2151), clear), [
      `instance 'a' at ${host} would be dialled in clear: set ZEEK_CONTROLLER_TLS_CERT and ZEEK_CONTROLLER_TLS_KEY`
    ])
    t.same(errorsOf([], at(host, 2151)), [])
    t.same(errorsOf([], at(host), clear), [], 'its agent dials')
  }
  for (const host of ['127.0.0.1', '::1', undefined]) t.same(errorsOf([], at(host, 2151), clear), [])
  t.end()
})
