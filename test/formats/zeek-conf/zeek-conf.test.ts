/* eslint-disable no-template-curly-in-string */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import type { AppError } from '../../../src/errors.js'
import { fillIn } from '../../../src/formats/ini/template.js'
import { parseZeekConf } from '../../../src/formats/zeek-conf/zeek-conf.js'
import { compare, packageRoot } from '../../../src/util.js'
import { runs } from '../../support/runs.js'
import { nodesOf as deployed } from '../nodes-of.js'

const parse = (text: string, host?: string) => parseZeekConf(text, { host, defaultInstance: 'agent-here' })
const nodesOf = (text: string, host?: string) => deployed(parse(text, host).configuration)
const namesOf = (text: string, host?: string) => nodesOf(text, host).map(({ name }) => name)
/** Without the note about the instance. */
const notesOf = (text: string) => parse(text).notes.slice(0, -1)
/** Two workers in a section. */
const workers = (...keys: string[]) => `[interface a]\ninterface = eth0\nworkers = 2\n${keys.join('\n')}\n`

/** With the lines where they are. */
function faultsOf(text: string): string[] {
  try {
    parse(text)
    return []
  } catch (error) {
    t.equal((error as AppError).code, 'invalid_request')
    return (error as AppError).errors!.map(({ field, message }) => `${field}: ${message}`)
  }
}
const errorsOf = (text: string) => faultsOf(text).map(error => error.replace(/ \(line \d+\)$/, ''))

await t.test('a realistic file becomes the nodes that the generator would run', async t => {
  const { configuration, notes } = parse(
    readFileSync(join(packageRoot, 'test', 'fixtures', 'formats', 'zeek.conf'), 'utf8')
  )
  const env = { LD_PRELOAD: '/usr/local/lib/libjemalloc.so', MALLOC_CONF: 'prof:true,lg_prof_interval:28' }
  const common = { instance: 'agent-here', scripts: ['local'], options: { 'Site::name': 'north' } }
  t.strictSame(configuration.instances, [{ name: 'agent-here' }])
  t.same(configuration.nodes, [
    {
      ...common,
      name: 'manager',
      role: 'MANAGER',
      cpu_affinity: 1,
      scripts: ['policy/misc/stats', 'local'],
      options: { ignore_checksums: 'T', 'Site::name': 'north' },
      env
    },
    { ...common, name: 'logger-1', role: 'LOGGER', env },
    { ...common, name: 'logger-2', role: 'LOGGER', env },
    { ...common, name: 'proxy-1', role: 'PROXY', env: { ...env, ROLE: 'proxy' } },
    {
      ...common,
      name: 'worker-inside-1',
      role: 'WORKER',
      interface: 'af_packet::ens1f0',
      cpu_affinity: 4,
      options: { 'AF_Packet::fanout_id': '23', 'Site::name': 'north' },
      env: { ...env, NAME: 'inside-1', CPU: '4' }
    },
    {
      ...common,
      name: 'worker-inside-2',
      role: 'WORKER',
      interface: 'af_packet::ens1f0',
      cpu_affinity: 6,
      options: { 'AF_Packet::fanout_id': '23', 'Site::name': 'north' },
      env: { ...env, NAME: 'inside-2', CPU: '6' }
    },
    {
      ...common,
      name: 'worker-napatech-1',
      role: 'WORKER',
      interface: 'napatech::0',
      cpu_affinity: 10,
      env: { ...env, N: '3/2' }
    },
    {
      ...common,
      name: 'worker-napatech-2',
      role: 'WORKER',
      interface: 'napatech::1',
      cpu_affinity: 11,
      env: { ...env, N: '4/3' }
    }
  ])
  t.strictSame(
    notes.map(note => note.split(':')[0]),
    [
      '[zeek] logger_cpu_set = 2-3',
      '[zeek] user = zeek',
      '[zeek] logger_memory_max = 4G',
      '[zeek] ext_zeek_path = /opt/site',
      '[zeek] port = 27760',
      '[zeek] metrics_port = 0',
      '[zeek] archiver = 1',
      '[zeek] archiver_args = -v -i 5',
      '[zeek] cluster_backend_args = frameworks/cluster/backend/zeromq',
      '[interface napatech] worker_nice = -5',
      '[interface inside] the workers are nodes, and no group',
      '[interface napatech] the workers are nodes, and no group',
      'the host is instance agent-here'
    ]
  )
})

await t.test('a file without sections has one group of workers, without a name', async t => {
  const text = 'interface = x${worker_index}\nworkers = 2\nmanager = 1\nloggers = 1\nproxies = 1\n'
  t.strictSame(namesOf(text), ['manager', 'logger-1', 'proxy-1', 'worker-1', 'worker-2'])
  t.strictSame(nodesOf(text).at(-1), {
    name: 'worker-2',
    instance: 'agent-here',
    role: 'WORKER',
    interface: 'x2',
    scripts: ['local']
  })
  t.strictSame(namesOf(''), [])
})

await t.test('the file of one of several hosts names the host in its nodes, but not in the manager', async t => {
  const text = `[zeek]\nmanager = 1\nloggers = 1\n${workers()}`
  t.strictSame(namesOf(text, 'c-1.example.org'), [
    'manager',
    'c-1.example.org-logger-1',
    'c-1.example.org-worker-a-1',
    'c-1.example.org-worker-a-2'
  ])
  t.strictSame(parse(text, 'c-1').configuration.instances, [{ name: 'agent-c-1' }])
  t.match(parse(text, 'c-1').notes, [
    /one host: convert the file of each/,
    /^the host is instance agent-c-1: start its agent with ZEEK_AGENT_NAME=agent-c-1; its address/
  ])
  const named = (prefix: string) => namesOf(text.replace('loggers', `cluster_node_prefix = ${prefix}\nloggers`), 'c-1')
  t.strictSame(named('x'), ['manager', 'x-logger-1', 'x-worker-a-1', 'x-worker-a-2'])
  t.strictSame(named(''), ['manager', 'logger-1', 'worker-a-1', 'worker-a-2'])
})

await t.test('an address is that of the instance', async t => {
  for (const key of ['address', 'cluster_address']) {
    for (const [address, host] of [
      ['10.0.0.1', '10.0.0.1'],
      ['[fd00::1]', 'fd00::1']
    ]) {
      t.strictSame(parse(`[zeek]\n${key} = ${address}\n`).configuration.instances, [{ name: 'agent-here', host }])
    }
  }
})

await t.test('arguments are scripts, options, or notes; without any there is local', async t => {
  t.match(nodesOf('args =\n a -C\n b X::y=1\nmanager_args = c X::z=2\nmanager = 1\n')[0], {
    scripts: ['c', 'a', 'b'],
    options: { ignore_checksums: 'T', 'X::y': '1', 'X::z': '2' }
  })
  t.strictSame(nodesOf('args =\nmanager = 1\n')[0]!.scripts, ['local'])
  t.notOk(nodesOf('args = X::y=1\nmanager = 1\n')[0]!.scripts)
  t.strictSame(notesOf('manager = 1\nargs = -p x local --bare-mode\n'), [
    'args = -p x local --bare-mode: -p x is neither a script nor an option; put what it does into a script',
    'args = -p x local --bare-mode: --bare-mode is neither a script nor an option; put what it does into a script'
  ])
})

await t.test('comments and keys begin in the first column; all else that is indented goes on', async t => {
  t.strictSame(nodesOf('manager = 1\n# x\nenv = A=1\n\n  B=2\n\tC=# 3\n')[0]!.env, { A: '1', B: '2', C: '# 3' })
  t.strictSame(errorsOf('manager = 1\nenv =\n  # x\n'), ["env: holds a line that is no NAME=VALUE: '# x'"])
})

await t.test('whatever the configuration does not have becomes a note with section, key and value', async t => {
  t.strictSame(
    notesOf(
      '[zeek]\nfoo = 1\nworkers = 2\nmetrics_port = 9991\nbase_dir = /opt/z\nrestart_interval_sec = 3\narchiver_env =\n A=1\n B=2\ncluster_backend_args = frameworks/cluster/backend/broker\n[other]\nx = y\n[interface a]\ninterface = e\nworkers = 1\nuser = me\n'
    ),
    [
      '[zeek] foo = 1: is unknown to the generator, too',
      '[zeek] workers = 2: belongs into a section [interface NAME]',
      '[zeek] metrics_port = 9991: set ZEEK_CONTROLLER_AUTO_ASSIGN_METRICS_START_PORT=9991 for the controller',
      '[zeek] base_dir = /opt/z: set ZEEK_BIN=/opt/z/bin/zeek for the agent',
      '[zeek] restart_interval_sec = 3: set ZEEK_AGENT_RESTART_DELAY=3 for the agent',
      '[zeek] archiver_env = A=1 B=2: the agent archives logs; with another command where ZEEK_AGENT_ARCHIVE_CMD says so',
      '[zeek] cluster_backend_args = frameworks/cluster/backend/broker: set ZEEK_CONTROLLER_CLUSTER_BACKEND=broker for the controller',
      '[other] x = y: the generator does not read this section',
      '[interface a] user = me: nodes run as the user of their agent'
    ]
  )
})

await t.test('what the generator refuses is refused, all of it at once', async t => {
  const cases: [string, string[]][] = [
    [
      'manager = 2\nloggers = -1\nproxies = x\n',
      ['manager: must be at most 1', "loggers: must be a number: '-1'", "proxies: must be a number: 'x'"]
    ],
    ['interface = eth0\n', ['workers: is missing: there is an interface']],
    ['workers = 1\n', ['interface: is missing or empty']],
    [workers('[interface b]', 'interface = x'), ['interface b.workers: is missing: there is an interface']],
    [workers('[interface b]', 'workers = 0', 'interface ='), ['interface b.interface: is missing or empty']],
    [
      workers('[interface B]', 'interface = x', 'workers = 1'),
      ['interface B: must be "interface NAME", with a name of a-z 0-9 "-" and "_"']
    ],
    [
      workers('workers = 3', '[interface a]'),
      ['interface a.workers: is given twice (lines 3 and 4)', 'interface a: is a section twice (lines 1 and 5)']
    ],
    [
      `manager = 1\n${workers()}`,
      ['line 2: begins a section, but there are keys before it: all keys are in sections, or none is']
    ],
    [
      'Manager = 1\n; x\n y\n',
      [
        'line 1: is no section, key or comment: Manager = 1',
        'line 2: is no section, key or comment: ; x',
        'line 3: continues a value, but there is none: y'
      ]
    ],
    [workers('workers_cpu_list = 5-'), ["interface a.workers_cpu_list: is no list of CPUs: '5-'"]],
    [workers('worker_env = A'), ["interface a.worker_env: holds a line that is no NAME=VALUE: 'A'"]],
    [workers('worker_args = "a'), ['interface a.worker_args: is invalid: No closing quotation']],
    [
      'manager = 1\nmanager_env = A=${worker_index}\n',
      ['manager_env: has an unknown variable ${worker_index}; known are none here']
    ],
    [
      'address = nohost\ncluster_node_prefix = a b\n',
      [
        'cluster_node_prefix: must be empty, or begin with one of a-z 0-9 and go on with these, "-" and "_"',
        "address: must be an IP address, neither 0.0.0.0 nor ::, and without a zone: 'nohost'"
      ]
    ],
    ['manager = 1\n 1\n', ['manager: has more than one value']],
    ['loggers = 100001\n', ['loggers: must be at most 100000']],
    [workers('[interface b]', 'interface = x', 'workers = 100000'), ['interface b.workers: must be at most 99998']]
  ]
  for (const [text, errors] of cases) t.strictSame(errorsOf(text), errors, text)
  t.match(errorsOf('workers = 1\ninterface = ${worker_cpu}\n'), [
    /^interface: has an unknown variable \$\{worker_cpu\}; known are worker_index, worker_index0, host_worker_index, host_worker_index0 here$/
  ])
})

await t.test('templates', async t => {
  t.equal(fillIn('a${x}b${y}${x}', { x: '1', y: '${x}' }), 'a1b${x}1')
  t.equal(fillIn('\\${x} $x ${x}\\', { x: '1' }), '${x} $x 1\\')
  t.throws(() => fillIn('${toString}', { x: '1' }), {
    code: 'invalid_request',
    message: 'has an unknown variable ${toString}; known are x here'
  })
  t.throws(() => fillIn('${x', { x: '1' }), { code: 'invalid_request' })
})

await t.test('no text makes it throw anything but invalid_request', async t => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom(
      '[zeek]',
      '[interface a]',
      '[interface b]',
      'manager = 1',
      'workers = 2',
      'interface = x${worker_index}',
      'worker_env = A=${x',
      ' B=1',
      'args = "',
      'workers_cpu_list = 1-3',
      'address = ::1'
    )
  )
  fc.assert(
    fc.property(fc.array(line), lines => {
      errorsOf(lines.join('\n'))
    }),
    { numRuns: runs(500) }
  )
})

await t.test('the CPU list of an interface is counted through its own workers', async t => {
  const cpusOf = (text: string) =>
    nodesOf(text)
      .map(({ name, cpu_affinity: cpu, env }) => [name, cpu, env?.CPU] as const)
      .sort(([a], [b]) => compare(a, b))
  t.strictSame(
    cpusOf(
      '[interface eth0]\ninterface = eth0\nworkers = 2\nworkers_cpu_list = 1-3\n[interface eth1]\ninterface = eth1\nworkers = 3\nworkers_cpu_list = 9-12\nworker_env = CPU=${worker_cpu}\n'
    ),
    [
      ['worker-eth0-1', 1, undefined],
      ['worker-eth0-2', 2, undefined],
      ['worker-eth1-1', 9, '9'],
      ['worker-eth1-2', 10, '10'],
      ['worker-eth1-3', 11, '11']
    ]
  )
  t.strictSame(
    cpusOf('workers = 3\ninterface = e\nworkers_cpu_list = 4,5\n').map(([, cpu]) => cpu),
    [4, 5, 4],
    'and begins anew when it is too short'
  )
})

await t.test('two interfaces of one worker are told for each section, with the line', async t => {
  t.throws(
    () => parse('[interface a]\ninterface = eth0 -i eth1\nworkers = 2\n[interface b]\nworkers = 1\ninterface = x y\n'),
    {
      message:
        'interface a: interface: one interface per node (line 2); interface b: interface: one interface per node (line 6)'
    }
  )
})

await t.test('what the schema refuses is told at the key that has it', async t => {
  t.strictSame(
    faultsOf(
      '[zeek]\nmanager = 1\nenv = A B=1\nargs = --x X::y=a\\\\\n[interface a]\ninterface = -r\nworkers = 1\nworker_env = C D=1\n'
    ).sort(),
    [
      'interface a.interface: must be one interface per node, without white space, and no flag (line 6)',
      'interface a.worker_env: C D is not a valid name (line 8)',
      'zeek.args: X::y must be a text without control characters, with its quotes in pairs and no backslash at its end (line 4)',
      'zeek.env: A B is not a valid name (line 3)'
    ]
  )
})

await t.test('a likely typo has the key that was meant', async t => {
  t.strictSame(notesOf('[zeek]\nlogger = 1\n[interface a]\ninterface = e\nworkers = 1\nworker_arg = x\n'), [
    '[zeek] logger = 1: is unknown to the generator, too; did you mean loggers?',
    '[interface a] worker_arg = x: belongs into [zeek], or is unknown; did you mean worker_args?'
  ])
})
