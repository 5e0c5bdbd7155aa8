import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import type { AppError } from '../../../src/errors.js'
import { parseNodeCfg } from '../../../src/formats/node-cfg/node-cfg.js'
import { packageRoot } from '../../../src/util.js'
import { runs } from '../../support/runs.js'
import { nodesOf as deployed } from '../nodes-of.js'

const hub = '[manager]\ntype = manager\nhost = 10.0.0.1\n[proxy-1]\ntype = proxy\nhost = 10.0.0.1\n'
/** A manager, a proxy, and a worker with more keys. */
const worker = (...keys: string[]) =>
  `${hub}[w]\ntype = worker\nhost = 10.0.0.2\ninterface = eth0\n${keys.join('\n')}\n`
const balanced = (method: string, count: number, ...keys: string[]) =>
  worker(`lb_method = ${method}`, `lb_procs = ${count}`, ...keys)
const addresses: Record<string, string> = {
  'sensor-b.example.org': '10.20.0.12',
  'sensor-b': '10.20.0.12',
  'sensor-a': '10.20.0.11',
  here: '127.0.1.1'
}
async function resolve(host: string): Promise<string> {
  if (!addresses[host]) throw new Error(`getaddrinfo ENOTFOUND ${host}`)
  return addresses[host]
}
const parse = (text: string) => parseNodeCfg(text, { resolve })
const nodesOf = async (text: string) => deployed((await parse(text)).configuration)
const workersOf = async (text: string) => (await nodesOf(text)).filter(({ role }) => role === 'WORKER')
const notesOf = async (text: string) => (await parse(text)).notes.filter(note => !/^(host |every node)/.test(note))

async function errorsOf(text: string): Promise<string[]> {
  try {
    await parse(text)
    return []
  } catch (error) {
    t.equal((error as AppError).code, 'invalid_request')
    return (error as AppError).errors!.map(({ field, message }) => `${field}: ${message}`.replace(/ \(line \d+\)$/, ''))
  }
}

await t.test('a realistic file becomes the nodes that ZeekControl would run', async t => {
  const { configuration, notes } = await parse(
    readFileSync(join(packageRoot, 'test', 'fixtures', 'formats', 'node.cfg'), 'utf8')
  )
  t.strictSame(configuration.instances, [
    { name: 'agent-10.20.0.1', host: '10.20.0.1' },
    { name: 'agent-10.20.0.11', host: '10.20.0.11' },
    { name: 'agent-sensor-b.example.org' }
  ])
  const sensor = (index: number, cpu: number) => ({
    name: `sensor-a-${index}`,
    instance: 'agent-10.20.0.11',
    role: 'WORKER',
    interface: 'af_packet::ens1f0',
    cpu_affinity: cpu,
    scripts: ['local.zeek', 'sensors/north.zeek'],
    options: { 'Site::name': 'north', 'AF_Packet::buffer_size': '128*1024*1024', 'AF_Packet::fanout_id': '23' },
    env: { LD_PRELOAD: '/usr/lib/libjemalloc.so', SITE: 'north' }
  })
  t.strictSame(configuration.nodes, [
    { name: 'logger-1', instance: 'agent-10.20.0.1', role: 'LOGGER', scripts: ['local.zeek'] },
    { name: 'manager', instance: 'agent-10.20.0.1', role: 'MANAGER', cpu_affinity: 2, scripts: ['local.zeek'] },
    { name: 'proxy-1', instance: 'agent-10.20.0.1', role: 'PROXY', scripts: ['local.zeek'] },
    sensor(1, 4),
    sensor(2, 6),
    sensor(3, 4),
    {
      name: 'sensor-b-1',
      instance: 'agent-sensor-b.example.org',
      role: 'WORKER',
      interface: 'eth2',
      scripts: ['local.zeek']
    },
    {
      name: 'sensor-b-2',
      instance: 'agent-sensor-b.example.org',
      role: 'WORKER',
      interface: 'eth1',
      scripts: ['local.zeek']
    }
  ])
  t.strictSame(notes, [
    '[sensor-b] zone_id = eth0: there are no zones here; give the host an address that needs none',
    "every node loads local.zeek, ZeekControl's default; if SitePolicyScripts in zeekctl.cfg names other scripts, convert it with this file",
    '[sensor-a] the workers are nodes, and no group: not each has a CPU of its own',
    '[sensor-b] the workers are nodes, and no group: each has its own interface',
    'host 10.20.0.1 is instance agent-10.20.0.1: start its agent with ZEEK_AGENT_NAME=agent-10.20.0.1',
    'host 10.20.0.11 is instance agent-10.20.0.11: start its agent with ZEEK_AGENT_NAME=agent-10.20.0.11',
    'host sensor-b.example.org is instance agent-sensor-b.example.org: start its agent with ZEEK_AGENT_NAME=agent-sensor-b.example.org; its address is the one that its agent has'
  ])
})

await t.test(
  'a section with a number of processes is a group, whose workers have the names of ZeekControl',
  async t => {
    const text =
      balanced('af_packet', 4, 'pin_cpus = 2,3,4,5,6', 'af_packet_fanout_id = 42', 'env_vars = A=b') +
      '[v]\ntype = worker\nhost = 10.0.0.2\ninterface = eth9\n'
    const { nodes, groups } = (await parse(text)).configuration
    t.strictSame(groups, [
      {
        name: 'w',
        instance: 'agent-10.0.0.2',
        interface: 'af_packet::eth0',
        workers: 4,
        cpus: '2-5',
        scripts: ['local.zeek'],
        options: { 'AF_Packet::fanout_id': '42' },
        env: { A: 'b' }
      }
    ])
    t.strictSame(
      nodes.map(({ name }) => name),
      ['manager', 'proxy-1', 'v']
    )
    t.strictSame(
      (await workersOf(text)).map(({ name, cpu_affinity: cpu }) => [name, cpu]),
      [
        ['v', undefined],
        ['w-1', 2],
        ['w-2', 3],
        ['w-3', 4],
        ['w-4', 5]
      ]
    )
  }
)

await t.test('even one load-balanced process has a number', async t => {
  t.strictSame(
    (await workersOf(balanced('custom', 1))).map(({ name }) => name),
    ['w-1']
  )
  t.strictSame(
    (await workersOf(worker())).map(({ name }) => name),
    ['w']
  )
})

await t.test('pf_ring: a cluster for each interface of a host', async t => {
  const two =
    balanced('pf_ring', 2) +
    '[v]\ntype = worker\nhost = 10.0.0.2\ninterface = eth1\nlb_method = pf_ring\nlb_procs = 1\nenv_vars = PCAP_PF_RING_APPNAME=mine\n'
  const env = (cluster: string, name: string) => ({
    PCAP_PF_RING_USE_CLUSTER_PER_FLOW_4_TUPLE: '1',
    PCAP_PF_RING_CLUSTER_ID: cluster,
    PCAP_PF_RING_APPNAME: name
  })
  t.strictSame(
    (await workersOf(two)).map(({ name, interface: source, env }) => ({ name, source, env })),
    [
      { name: 'w-1', source: 'eth0', env: env('21', 'zeek-eth0') },
      { name: 'w-2', source: 'eth0', env: env('21', 'zeek-eth0') },
      { name: 'v-1', source: 'eth1', env: env('22', 'mine') }
    ]
  )
  t.match((await notesOf(two))[0], /^\[w\] lb_method = pf_ring: cluster id 21, type 4-tuple/)
})

await t.test('pf_ring: what PF_RING spreads itself is counted', async t => {
  const sourcesOf = async (source: string) =>
    (await workersOf(balanced('pf_ring', 2).replace('eth0', source))).map(({ interface: source, env }) => [
      source,
      env!.PCAP_PF_RING_APPNAME,
      env!.PCAP_PF_RING_CLUSTER_ID,
      env!.PCAP_PF_RING_ZC_RSS,
      env!.PCAP_PF_RING_DNA_RSS
    ])
  t.strictSame(await sourcesOf('zc:eth0'), [
    ['zc:eth0@0', 'zeek-zc:eth0@0', undefined, '1', undefined],
    ['zc:eth0@1', 'zeek-zc:eth0@1', undefined, '1', undefined]
  ])
  t.strictSame((await sourcesOf('pf_ring::zc:e'))[1], [
    'pf_ring::zc:e@1',
    'zeek-pf_ring::zc:e@1',
    undefined,
    '1',
    undefined
  ])
  t.strictSame((await sourcesOf('dna0'))[1], ['dna0@1', 'zeek-dna0@1', undefined, undefined, '1'])
  t.strictSame((await sourcesOf('dnacl:1'))[1], ['dnacl:1@1', 'zeek-dnacl:1@1', undefined, undefined, undefined])
})

await t.test('myricom: its variables, unless the node has its own', async t => {
  t.strictSame((await workersOf(balanced('myricom', 2, 'env_vars = SNF_FLAGS=0')))[1]!.env, {
    SNF_NUM_RINGS: '2',
    SNF_FLAGS: '0'
  })
  t.strictSame((await workersOf(balanced('myricom', 1)))[0]!.env, { SNF_NUM_RINGS: '1', SNF_FLAGS: '0x101' })
})

await t.test('custom leaves the interface as it is, and says what zeekctl.cfg may add', async t => {
  t.equal((await workersOf(balanced('custom', 2)))[1]!.interface, 'eth0')
  t.match(await notesOf(balanced('custom', 2)), [/^\[w\] lb_method = custom: .*lb_custom.InterfacePrefix/])
})

await t.test('processes are pinned to the CPUs of the list, round and round', async t => {
  t.strictSame(
    (await workersOf(balanced('custom', 3, 'pin_cpus = 0, 5'))).map(({ cpu_affinity: cpu }) => cpu),
    [0, 5, 0]
  )
  t.strictSame(
    (await workersOf(worker('pin_cpus = 3'))).map(({ cpu_affinity: cpu }) => cpu),
    [3]
  )
  t.strictSame(await notesOf(worker('pin_cpus = 3,4')), [
    '[w] pin_cpus = 3,4: of these only the first 1 is used, as in ZeekControl'
  ])
})

await t.test('a standalone node becomes a manager and a worker', async t => {
  const text = '[zeek]\ntype = standalone\nhost = localhost\ninterface = eth0\npin_cpus = 1\nenv_vars = A=b\n'
  t.strictSame(await nodesOf(text), [
    { name: 'manager', instance: 'agent-localhost', role: 'MANAGER', scripts: ['local.zeek'], env: { A: 'b' } },
    {
      name: 'zeek',
      instance: 'agent-localhost',
      role: 'WORKER',
      interface: 'eth0',
      cpu_affinity: 1,
      scripts: ['local.zeek'],
      env: { A: 'b' }
    }
  ])
  t.strictSame(
    (await nodesOf(text.replace('[zeek]', '[manager]'))).map(({ name }) => name),
    ['zeek-manager', 'manager']
  )
  t.strictSame(await notesOf(text), [
    '[zeek] type = standalone: becomes a cluster of a manager, which writes the logs, and a worker'
  ])
})

await t.test('all ways to say localhost are one instance, other hosts are one each', async t => {
  const local =
    '[manager]\ntype = manager\nhost = localhost\n[p]\ntype = proxy\nhost = 127.0.0.1\n[w]\ntype = worker\nhost = ::1\n'
  t.strictSame((await parse(local)).configuration.instances, [{ name: 'agent-localhost', host: '127.0.0.1' }])
  t.strictSame(
    (await nodesOf(local)).map(({ instance }) => instance),
    ['agent-localhost', 'agent-localhost', 'agent-localhost']
  )
})

await t.test('names that are no names here are changed, and the note says how', async t => {
  const text = `${hub}[a b]\ntype = worker\nhost = fe80::1%%eth0\n[agent-fe80--1-eth0]\ntype = worker\nhost = 10.0.0.1\n`
  const {
    configuration: { instances, nodes },
    notes
  } = await parse(text)
  t.strictSame(instances, [{ name: 'agent-10.0.0.1', host: '10.0.0.1' }, { name: 'agent-fe80--1-eth0-2' }])
  t.match(nodes[2], { name: 'a-b', instance: 'agent-fe80--1-eth0-2' })
  t.ok(notes.includes('[a b] the node is named a-b here'))
})

await t.test('whatever the configuration does not have becomes a note with section, key and value', async t => {
  t.strictSame(
    await notesOf(
      worker(
        'ZeekBase = /opt/z',
        'ether = x',
        'lb_interfaces = a',
        'af_packet.fanout_id = 3',
        'my.plugin = 7',
        'aux_scripts = a.zeek -f "tcp port 80" -C X::y+=1',
        'x = 1',
        '  2'
      )
    ),
    [
      '[w] lb_interfaces = a: has no effect without lb_method = interfaces',
      '[w] aux_scripts = a.zeek -f "tcp port 80" -C X::y+=1: -f tcp port 80 is neither a script nor an option; put what it does into a script',
      '[w] aux_scripts = a.zeek -f "tcp port 80" -C X::y+=1: X::y+=1 is neither a script nor an option; put what it does into a script',
      '[w] af_packet_fanout_id = 3: has no effect without lb_procs, as in ZeekControl',
      '[w] zeekbase = /opt/z: set ZEEK_BIN=/opt/z/bin/zeek for the agent of this host',
      '[w] ether = x: ZeekControl does not use it either',
      '[w] my.plugin = 7: is unknown, and ignored by ZeekControl, too, unless a plugin of yours has it',
      '[w] x = 1 2: is unknown, and ignored by ZeekControl, too, unless a plugin of yours has it'
    ]
  )
  t.match((await workersOf(worker('aux_scripts = a.zeek -C A::b="c d"')))[0], {
    scripts: ['local.zeek', 'a.zeek'],
    options: { ignore_checksums: 'T', 'A::b': 'c d' }
  })
})

await t.test('what ZeekControl refuses is refused, all of it at once', async t => {
  const cases: [string, string[]][] = [
    ['', ['node.cfg: holds no nodes']],
    ['[w]\ntype = worker\nhost = a\n', ['node.cfg: holds no manager', 'node.cfg: holds no proxy']],
    [`${hub}[m]\ntype = manager\nhost = a\n`, ['m: is a second manager: there must be one only']],
    [`${hub}[zeek]\ntype = standalone\nhost = a\n`, ['zeek: is standalone: there must be no other node']],
    [`${hub}[W]\ntype = worker\nhost = a\n[w]\ntype = worker\nhost = a\n`, ['w: is a duplicate of "W"']],
    [`${balanced('custom', 2)}[W-2]\ntype = worker\nhost = a\n`, ['W-2: is a duplicate of "w-2"']],
    [
      `${hub}[w]\n[v]\ntype = Worker\nhost = a\n`,
      [
        'w.type: is missing',
        'w.host: is missing',
        "v.type: is an unknown node type 'Worker'; known are logger, manager, proxy, worker, standalone"
      ]
    ],
    [
      hub.replaceAll('10.0.0.1', 'localhost') + '[w]\ntype = worker\nhost = a\n',
      [
        'w.host: must be localhost, 127.0.0.1 or ::1, as that of the manager is; or give the manager the address of its host at which this one reaches it'
      ]
    ],
    [worker('lb_procs = 2'), ['w.lb_procs: needs lb_method']],
    [worker('lb_method = custom'), ['w.lb_method: needs lb_procs']],
    [balanced('custom', 0), ['w.lb_procs: must be an integer greater than zero']],
    [balanced('custom', NaN), ['w.lb_procs: must be an integer greater than zero']],
    [
      balanced('foo', 2),
      [
        "w.lb_method: is an unknown load balancing method 'foo'; known are af_packet, pf_ring, myricom, custom, interfaces"
      ]
    ],
    [balanced('interfaces', 2), ['w.lb_interfaces: is missing']],
    [balanced('interfaces', 2, 'lb_interfaces = a'), ['w.lb_interfaces: has 1 interfaces for 2 processes']],
    [`${hub}[p]\ntype = proxy\nhost = a\nlb_procs = 2\nlb_method = custom\n`, ['p.lb_procs: is for workers only']],
    [
      balanced('af_packet', 2).replace('eth0', 'af_packet::eth0'),
      ['w.interface: has af_packet:: already, which lb_method = af_packet adds']
    ],
    [worker('pin_cpus = 1,x'), ['w.pin_cpus: must be a list of non-negative integers']],
    [worker('pin_cpus = -1'), ['w.pin_cpus: must be a list of non-negative integers']],
    [worker('env_vars = A=1, B, =2'), ['w.env_vars: misses a "=":  B', 'w.env_vars: misses a name:  =2']],
    [worker('aux_scripts = "a'), ['w.aux_scripts: is invalid: No closing quotation']],
    [
      worker('keyonly', 'interface = eth1'),
      ['line 11: is no section, key or comment: keyonly', 'w.interface: is given twice (lines 10 and 12)']
    ],
    [
      worker('aux_scripts = %x'),
      ['w.aux_scripts: has a "%" that is followed by neither "%" nor "(": a plain "%" is written "%%"']
    ]
  ]
  for (const [text, errors] of cases) t.strictSame(await errorsOf(text), errors, text)
})

await t.test('a count of processes cannot ask for any amount of memory', async t => {
  t.strictSame(await errorsOf(balanced('custom', 1e9)), ['w.lb_procs: is more than there can be nodes: 99998 are left'])
})

await t.test('no text makes it throw anything but invalid_request', async t => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom(
      '[m]',
      '[p]',
      '[w]',
      'type = manager',
      'type = proxy',
      'type=worker',
      'host = a',
      'host = 10.0.0.1',
      'lb_procs = 2',
      'lb_method = interfaces',
      'lb_interfaces = a,b',
      'env_vars = A=b',
      'pin_cpus = 1',
      'aux_scripts = "'
    )
  )
  await fc.assert(
    fc.asyncProperty(fc.array(line), async lines => {
      await errorsOf(lines.join('\n'))
    }),
    { numRuns: runs(500) }
  )
})

/** The instances of a manager, a proxy and workers at these hosts, and what is said of hosts. */
async function hostsOf(manager: string, ...workers: string[]) {
  const text = `[m]\ntype = manager\nhost = ${manager}\n[p]\ntype = proxy\nhost = ${manager}\n${workers.map((host, index) => `[w${index}]\ntype = worker\nhost = ${host}\n`).join('')}`
  const {
    configuration: { instances, nodes },
    notes
  } = await parse(text)
  return {
    instances,
    of: nodes.slice(2).map(({ instance }) => instance),
    notes: notes.filter(note => note.startsWith('host '))
  }
}

await t.test("localhost and the address of the manager's host are one instance: ZeekControl runs there", async t => {
  for (const own of ['localhost', '127.0.0.1', '::1', 'LocalHost']) {
    const { instances, of, notes } = await hostsOf('192.168.1.5', own, '192.168.1.6')
    t.strictSame(instances, [
      { name: 'agent-192.168.1.5', host: '192.168.1.5' },
      { name: 'agent-192.168.1.6', host: '192.168.1.6' }
    ])
    t.strictSame(of, ['agent-192.168.1.5', 'agent-192.168.1.6'])
    t.equal(notes[0], `host ${own} is the same host: instance agent-192.168.1.5`)
  }
  t.strictSame(
    (
      await parse(
        '[w]\ntype = worker\nhost = localhost\n[m]\ntype = manager\nhost = mgr\n[p]\ntype = proxy\nhost = mgr\n'
      )
    ).configuration.instances,
    [{ name: 'agent-mgr' }],
    'whatever comes first; its agent knows its address'
  )
})

await t.test('one address in several spellings is one instance', async t => {
  t.strictSame(await hostsOf('FD00:0::1', 'fd00::1', '[fd00::1]', '::ffff:10.0.0.1', '10.0.0.1'), {
    instances: [
      { name: 'agent-fd00--1', host: 'fd00::1' },
      { name: 'agent-10.0.0.1', host: '10.0.0.1' }
    ],
    of: ['agent-fd00--1', 'agent-fd00--1', 'agent-10.0.0.1', 'agent-10.0.0.1'],
    notes: [
      'host fd00::1 is the same host: instance agent-fd00--1',
      'host [fd00::1] is the same host: instance agent-fd00--1',
      'host 10.0.0.1 is the same host: instance agent-10.0.0.1',
      'host FD00:0::1 is instance agent-fd00--1: start its agent with ZEEK_AGENT_NAME=agent-fd00--1',
      'host ::ffff:10.0.0.1 is instance agent-10.0.0.1: start its agent with ZEEK_AGENT_NAME=agent-10.0.0.1'
    ]
  })
})

await t.test('a name is the host of its address, and of its other names', async t => {
  t.strictSame(await hostsOf('10.20.0.11', 'sensor-a', 'sensor-b', 'Sensor-B.example.org.'), {
    instances: [{ name: 'agent-10.20.0.11', host: '10.20.0.11' }, { name: 'agent-sensor-b' }],
    of: ['agent-10.20.0.11', 'agent-sensor-b', 'agent-sensor-b'],
    notes: [
      'host sensor-a is the same host: instance agent-10.20.0.11',
      'host Sensor-B.example.org. is the same host: instance agent-sensor-b',
      'host 10.20.0.11 is instance agent-10.20.0.11: start its agent with ZEEK_AGENT_NAME=agent-10.20.0.11',
      'host sensor-b is instance agent-sensor-b: start its agent with ZEEK_AGENT_NAME=agent-sensor-b; its address is the one that its agent has'
    ]
  })
})

await t.test('where it cannot be told whether two are one host, a note says what to do', async t => {
  const remedy =
    'if the file has another name or address of the same host, write one of them everywhere, or it becomes two instances'
  t.equal(
    (await hostsOf('10.0.0.1', 'nowhere')).notes.at(-1),
    `host nowhere cannot be looked up here (getaddrinfo ENOTFOUND nowhere): ${remedy}`
  )
  t.equal((await hostsOf('10.0.0.1', 'here')).notes.at(-1), `host here is this host here, at 127.0.1.1: ${remedy}`)
  t.equal((await hostsOf('nowhere', 'localhost', 'NoWhere')).notes.length, 3, 'a host that is alone cannot be another')
})

await t.test('two interfaces of one worker are told for each, with the line', async t => {
  const text = `${worker('interface = x').replace('interface = eth0\n', '').replace('interface = x', 'interface = eth0 -i eth1')}[v]\ntype = worker\nhost = 10.0.0.2\nlb_procs = 3\nlb_method = af_packet\ninterface = eth2 eth3\n`
  await t.rejects(parse(text), {
    message: 'w: interface: one interface per node (line 10); v: interface: one interface per node (line 16)'
  })
})

await t.test('what the schema refuses is told at the key that has it, with the line, without patterns', async t => {
  await t.rejects(parse(worker('pin_cpus = 5000', 'env_vars = A B=1', 'aux_scripts = X::y=a\\\\')), {
    message:
      'w: env_vars: A B is not a valid name (line 12); w: aux_scripts: X::y must be a text without control characters, with its quotes in pairs and no backslash at its end (line 13); w: pin_cpus: must be <= 4095 (line 11)'
  })
  await t.rejects(parse('[w]\ntype = standalone\nhost = 0.0.0.0\n'), {
    message: 'w: host: must be an IP address, neither 0.0.0.0 nor ::, and without a zone (line 3)'
  })
})

await t.test('a likely typo has the key that was meant', async t => {
  t.strictSame(await notesOf(worker('inteface = eth1', 'lb_proc = 2')), [
    '[w] inteface = eth1: is unknown, and ignored by ZeekControl, too, unless a plugin of yours has it; did you mean interface?',
    '[w] lb_proc = 2: is unknown, and ignored by ZeekControl, too, unless a plugin of yours has it; did you mean lb_procs?'
  ])
})
