import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import {
  ClusterConfigurationInput,
  NodeEnvironment,
  ClusterNode,
  NodeOptions,
  clusterRoles,
  namePattern
} from '../../../schemas/types.js'
import { checker } from '../../../schemas/validator.js'
import { AppError, invalid } from '../../../src/errors.js'
import { formatClusterCfg, parseClusterCfg } from '../../../src/formats/cluster-cfg/cluster-cfg.js'
import { compare, packageRoot } from '../../../src/util.js'
import { runs } from '../../support/runs.js'

const fixture = (name: string) => readFileSync(join(packageRoot, 'test', 'fixtures', 'zeek', name), 'utf8')
const recordings: { command: string; stdout: string }[] = fixture('zeek-client.jsonl')
  .trimEnd()
  .split('\n')
  .map(line => JSON.parse(line))
const recorded = (command: string) => recordings.filter(recording => recording.command === command).at(-1)!.stdout

const addresses: Record<string, string> = { sensor: '10.0.0.7', six: 'fd00::7' }
async function resolve(host: string): Promise<string> {
  if (!addresses[host]) throw new Error(`getaddrinfo ENOTFOUND ${host}`)
  return addresses[host]
}
const parse = (text: string) => parseClusterCfg(text, { resolve, defaultInstance: 'agent-here' })
const faultsOf = async (text: string) =>
  await parse(text).then(
    () => [],
    (error: AppError) =>
      error.code === 'invalid_request'
        ? error.errors!.map(({ field, message }) => `${field}: ${message}`)
        : Promise.reject(error)
  )
/** Without the lines where they are. */
const errorsOf = async (text: string) => (await faultsOf(text)).map(error => error.replace(/ \(line \d+\)$/, ''))

/** One worker on one instance, with more keys. */
const worker = (...keys: string[]) => `[instances]\na\n\n[w]\ninstance = a\nrole = worker\n${keys.join('\n')}\n`
const keysOf = async (...keys: string[]) => {
  const { name, instance, role, ...rest } = (await parse(worker(...keys))).nodes[0]!
  return rest
}

await t.test('the file that zeek-client was given is the configuration that it sent', async t => {
  const { id, ...sent } = JSON.parse(recorded('zeek-client get-config --as-json'))
  const withoutNulls = JSON.parse(
    JSON.stringify(sent, (_key, value) => (value === null || JSON.stringify(value) === '{}' ? undefined : value))
  )
  const { instances, nodes } = await parse(fixture('cluster.cfg'))
  t.same({ instances, nodes: [...nodes].sort((a, b) => compare(a.name, b.name)) }, withoutNulls)
})

await t.test('the text is what zeek-client get-config printed', async t => {
  const configuration = await parse(fixture('cluster.cfg'))
  t.equal(formatClusterCfg(configuration).trimEnd(), recorded('zeek-client get-config'))
  t.match(
    formatClusterCfg(configuration),
    /interface = lo\n\n$/,
    'and the empty line at its end, which the recording lacks'
  )
})

await t.test('instances connect themselves, or are dialled at an address or a host name', async t => {
  const { instances } = await parse(
    '[instances]\na\nb =\nc = 10.0.0.1:2151\nd = [::1]:2152\ne = ::1:2153\nf = 0.0.0.0:2154\ng = sensor : 2155\nh: [six]:2156\n'
  )
  t.same(instances, [
    { name: 'a' },
    { name: 'b' },
    { name: 'c', host: '10.0.0.1', listen_port: 2151 },
    { name: 'd', host: '::1', listen_port: 2152 },
    { name: 'e', host: '::1', listen_port: 2153 },
    { name: 'f', listen_port: 2154 },
    { name: 'g', host: '10.0.0.7', listen_port: 2155 },
    { name: 'h', host: 'fd00::7', listen_port: 2156 }
  ])
})

await t.test('a bad place of an instance is an error that names it', async t => {
  t.same(
    await errorsOf(
      '[instances]\na = 10.0.0.1\nb = 10.0.0.1:\nc = :2151\nd = 10.0.0.1:x\ne = 10.0.0.1:0\nf = 10.0.0.1:65536\ng = nowhere:2151\nh = nowhere:2152\n'
    ),
    [
      'instances.a: invalid spec for instance "a": "10.0.0.1" should be <host>:<port>',
      'instances.b: invalid spec for instance "b": "10.0.0.1:" should be <host>:<port>',
      'instances.c: invalid spec for instance "c": ":2151" should be <host>:<port>',
      'instances.d: invalid spec for instance "d": "10.0.0.1:x" should be <host>:<port>',
      'instances.e: port 0 outside valid range',
      'instances.f: port 65536 outside valid range',
      'instances.g: has a host without an address, nowhere: getaddrinfo ENOTFOUND nowhere',
      'instances.h: has a host without an address, nowhere: getaddrinfo ENOTFOUND nowhere'
    ]
  )
})

await t.test('a host name is looked up once, an address not at all', async t => {
  const asked: string[] = []
  await parseClusterCfg('[instances]\na = sensor:1\nb = sensor:2\nc = 10.0.0.1:3\nd = 0.0.0.0:4\n', {
    defaultInstance: 'x',
    resolve: async host => {
      asked.push(host)
      return '10.0.0.7'
    }
  })
  t.same(asked, ['sensor'])
  t.same(
    await errorsOf('[instances]\na = sensor:1\n')
      .then(() =>
        parseClusterCfg('[instances]\na = x:1\n', {
          defaultInstance: 'x',
          resolve: () => {
            throw new Error('at once')
          }
        })
      )
      .catch((error: AppError) => error.message),
    'instances: a: has a host without an address, x: at once (line 2)'
  )
})

await t.test('names keep their case', async t => {
  t.same(await parse('[instances]\nAgent-A\n[Manager]\nInstance = Agent-A\nROLE = Manager\n'), {
    instances: [{ name: 'Agent-A' }],
    nodes: [{ name: 'Manager', instance: 'Agent-A', role: 'MANAGER' }]
  })
})

await t.test('scripts keep their order', async t => {
  t.same(await keysOf('scripts = zeta "a+b" alpha'), { scripts: ['zeta', 'a+b', 'alpha'] })
})

await t.test('each key has its type; what is empty is absent', async t => {
  t.same(
    await keysOf(
      'Port = 12',
      'metrics_port = 13',
      'interface = eth0',
      'cpu_affinity = 3',
      'memory_max = 1073741824',
      'nice = -5',
      'load_local = false',
      'env = A=1 B="x y" C= D=a=b',
      'options = "Foo::s=hello world" Foo::n=5',
      'state = PENDING'
    ),
    {
      port: 12,
      metrics_port: 13,
      interface: 'eth0',
      cpu_affinity: 3,
      memory_max: 1_073_741_824,
      nice: -5,
      load_local: false,
      env: { A: '1', B: 'x y', C: '', D: 'a=b' },
      options: { 'Foo::s': 'hello world', 'Foo::n': '5' }
    }
  )
  t.same(await keysOf('scripts =', 'env =', 'options ='), {})
  t.same(await keysOf('env =', '  A=1', '', '  B=2'), { env: { A: '1', B: '2' } })
})

await t.test('what has no place is told', async t => {
  const configuration = { instances: [{ name: 'a' }], nodes: [], bundle: 'site', captures: [{ file: 'checks/a.pcap' }] }
  t.equal(formatClusterCfg(configuration), '# This format has no place for: bundle, captures.\n\n[instances]\na\n\n')
})

await t.test('roles are known in any case, with a scope, and under the name of type', async t => {
  for (const role of clusterRoles) {
    for (const text of [role, role.toLowerCase(), `Supervisor::${role}`, `ClusterRole.${role}`]) {
      for (const key of ['role', 'type', 'ROLE']) t.equal((await parse(`[n]\n${key} = ${text}\n`)).nodes[0]!.role, role)
    }
  }
  t.equal((await parse('[n]\nrole = proxy\ntype = PROXY\n')).nodes[0]!.role, 'PROXY')
})

await t.test('without [instances] those of the nodes are declared; without any, the default', async t => {
  t.same(
    (
      await parse(
        '[m]\ninstance = b\nrole = manager\n[w]\ninstance = a\nrole = worker\n[v]\ninstance = a\nrole = worker\n'
      )
    ).instances,
    [{ name: 'a' }, { name: 'b' }]
  )
  t.same(await parse('[m]\nrole = manager\n'), {
    instances: [{ name: 'agent-here' }],
    nodes: [{ name: 'm', instance: 'agent-here', role: 'MANAGER' }]
  })
  t.same(await parse('[DEFAULT]\ninstance = a\n[m]\nrole = manager\n'), {
    instances: [{ name: 'a' }],
    nodes: [{ name: 'm', instance: 'a', role: 'MANAGER' }]
  })
  t.same(await parse(''), { instances: [], nodes: [] })
})

await t.test('what zeek-client refuses is refused, in its words', async t => {
  const cases: [string, string][] = [
    [
      '[m]\nrole = manager\ninstance = a\n[w]\nrole = worker\n',
      'w.instance: either all or no nodes must state instances'
    ],
    [
      '[instances]\na\n[m]\nrole = manager\n',
      'instances: omit instances section when skipping instances in node definitions'
    ],
    ['[m]\ninstance = a\n', 'm.role: node requires a role'],
    ['[m]\ninstance = a\ntype =\n', 'm.type: node requires a role'],
    ['[m]\ninstance = a\nrole = boss\n', 'm.role: role "boss" is invalid'],
    [worker('port = x'), 'w.port: cannot convert "w.port" value "x" to int'],
    [worker('port ='), 'w.port: cannot convert "w.port" value "" to int'],
    [worker('cpu_affinity = 1.5'), 'w.cpu_affinity: cannot convert "w.cpu_affinity" value "1.5" to int'],
    [worker('port = 0'), 'w.port: port 0 outside valid range'],
    [worker('metrics_port = 65536'), 'w.metrics_port: metrics port 65536 outside valid range'],
    [worker('port = -1'), 'w.port: port -1 outside valid range'],
    [worker('env = A'), 'w.env: env value "A" is invalid: A is no NAME=VALUE'],
    [worker('env = "A=1'), 'w.env: env value ""A=1" is invalid: No closing quotation'],
    [worker('scripts = a\\'), 'w.scripts: scripts value "a\\" is invalid: No escaped character'],
    [worker('port'), 'w.port: config item w.port needs a value'],
    [worker('state'), 'w.state: config item w.state needs a value']
  ]
  for (const [text, error] of cases) t.same(await errorsOf(text), [error], text)
})

await t.test('what zeek-client lets pass is refused where it would be lost', async t => {
  const cases: [string, string][] = [
    [worker('# a comment', 'Cpu = 1'), 'w.Cpu: is not known'],
    ['[DEFAULT]\nx = 1\n[n]\nrole = worker\n', 'DEFAULT.x: is not known'],
    ['[m]\nrole = none\n', 'm.role: role "none" is invalid'],
    [worker('interface ='), 'w.interface: config item w.interface needs a value'],
    ['[m]\nrole = manager\ninstance =\n', 'm.instance: config item m.instance needs a value'],
    ['[m]\nrole = manager\ntype = logger\n', 'm.type: is another name for role, which is "manager"'],
    [worker('options = x'), 'w.options: options value "x" is invalid: x is no NAME=VALUE']
  ]
  for (const [text, error] of cases) t.same(await errorsOf(text), [error], text)
})

await t.test('a key that only references name is no unknown one', async t => {
  t.same(
    (
      await parse(
        '[DEFAULT]\nnic = eth\n[instances]\na\n[w]\ninstance = a\nrole = worker\nunit = 7\ninterface = %(nic)s%(unit)s\n'
      )
    ).nodes,
    [{ name: 'w', instance: 'a', role: 'WORKER', interface: 'eth7' }]
  )
})

await t.test('all errors are reported at once, those of the syntax, too', async t => {
  t.same(
    await errorsOf(
      '[instances]\na = x\n[m]\ninstance = a\nrole = boss\nport = y\nport = 3\nfoo = 1\nenv = %\n[w]\ninstance = a\n= 3\n'
    ),
    [
      'm.port: is given twice (lines 6 and 7)',
      'line 12: has no key',
      'm.port: cannot convert "m.port" value "y" to int',
      'm.env: has a "%" that is followed by neither "%" nor "(": a plain "%" is written "%%"',
      'm.env: env value "%" is invalid: % is no NAME=VALUE',
      'm.role: role "boss" is invalid',
      'w.role: node requires a role',
      'm.foo: is not known',
      'instances.a: invalid spec for instance "a": "x" should be <host>:<port>'
    ]
  )
})

await t.test('of very many errors the first are told, and how many there are', async t => {
  const errors = await errorsOf('x\n'.repeat(1000))
  t.equal(errors.length, 101)
  t.equal(errors.at(-1), 'and: 900 more')
})

await t.test('an address without a port is a comment, a port without an address 0.0.0.0', async t => {
  t.equal(
    formatClusterCfg({
      instances: [
        { name: 'b', host: '10.0.0.1' },
        { name: 'a', listen_port: 1 },
        { name: 'c', host: 'fe80::1%eth0', listen_port: 2 },
        { name: 'd' }
      ],
      nodes: []
    }),
    '[instances]\na = 0.0.0.0:1\n# b is at 10.0.0.1\nb\nc = [fe80::1%%eth0]:2\nd\n\n'
  )
})

await t.test('nodes and variables are sorted, scripts are not', async t => {
  t.equal(
    formatClusterCfg({
      instances: [{ name: 'i' }],
      nodes: [
        {
          name: 'w',
          instance: 'i',
          role: 'WORKER',
          scripts: ['z', 'a'],
          env: { Z: '', A: 'b' },
          options: { 'Z::z': 'x y', a: '{"b"}' }
        },
        { name: 'm', instance: 'i', role: 'MANAGER', port: 1, metrics_port: 2 }
      ]
    }),
    '[instances]\ni\n\n[m]\ninstance = i\nrole = MANAGER\nport = 1\nmetrics_port = 2\n\n[w]\ninstance = i\nrole = WORKER\nscripts = z a\noptions = Z::z="x y" a="{\\"b\\"}"\nenv = A=b Z=\n\n'
  )
})

// Values are made from the schemas' own patterns, so that the test follows them.
const matching = (pattern: string) => fc.stringMatching(new RegExp(pattern))
const name = fc.oneof(matching(namePattern), fc.constantFrom('instances', 'DEFAULT', 'node', 'a', 'A', 'constructor'))
const awkward = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...' %#;="\'\\:[]()$`,é\u0085\u00a0\u2028\ufeff'),
    fc.string({ minLength: 1, maxLength: 1, unit: 'grapheme' })
  )
})
const map = (schema: any) =>
  fc.dictionary(
    fc.oneof(matching(schema.propertyNames.pattern), fc.constant('__proto__')),
    awkward.filter(text => new RegExp(schema.additionalProperties.pattern).test(text))
  )
const like = (schema: any) =>
  fc.oneof(
    matching(schema.pattern),
    awkward.map(text => `a${text}`).filter(text => new RegExp(schema.pattern).test(text))
  )
const port = fc.integer({ min: 1, max: 65535 })
const host = fc.oneof(
  fc.ipV4().filter(address => address !== '0.0.0.0'),
  fc.ipV6().filter(address => !/^[0:.]*$/.test(address)),
  fc.constant('::1')
)
const instance = fc.record({ name, host, listen_port: port }, { requiredKeys: ['name'] })
const node = fc.record(
  {
    name,
    instance: name,
    role: fc.constantFrom(...clusterRoles),
    port,
    metrics_port: port,
    interface: like(ClusterNode.properties.interface),
    cpu_affinity: fc.integer({ min: 0, max: 4095 }),
    memory_max: fc.integer({ min: 16_777_216, max: Number.MAX_SAFE_INTEGER }),
    nice: fc.integer({ min: -20, max: 19 }),
    scripts: fc.array(like((ClusterNode.properties.scripts as any).items)),
    options: map(NodeOptions),
    env: map(NodeEnvironment),
    load_local: fc.boolean()
  },
  { requiredKeys: ['name', 'instance', 'role'] }
)
const configuration = fc.record({
  instances: fc.uniqueArray(instance, { selector: ({ name }) => name }),
  nodes: fc.uniqueArray(node, { selector: ({ name }) => name })
})
const check = checker(ClusterConfigurationInput, invalid)

/** Sorted, and without what the format does not tell apart: empty and absent, an address without a port and none. */
function normalized({ instances, nodes }: ClusterConfigurationInput) {
  const byName = (a: { name: string }, b: { name: string }) => compare(a.name, b.name)
  const sorted = (map: Record<string, string> = {}) => Object.entries(map).sort(([a], [b]) => compare(a, b))
  return {
    instances: instances
      .map(({ name, host, listen_port: port }) => (port === undefined ? { name } : { name, host, port }))
      .sort(byName),
    nodes: nodes
      .map(({ scripts = [], options, env, ...rest }) => ({
        scripts,
        options: sorted(options),
        env: sorted(env),
        ...rest
      }))
      .sort(byName)
  }
}

await t.test('any configuration that the schema admits comes back from its text', async t => {
  await fc.assert(
    fc.asyncProperty(configuration, async configuration => {
      check(JSON.parse(JSON.stringify(configuration)), 'configuration')
      return isDeepStrictEqual(normalized(await parse(formatClusterCfg(configuration))), normalized(configuration))
    }),
    { numRuns: runs(300) }
  )
  t.pass()
})

await t.test('the text of a text is the same text', async t => {
  await fc.assert(
    fc.asyncProperty(configuration, async configuration => {
      const text = formatClusterCfg(configuration)
      return formatClusterCfg(await parse(text)) === text.replaceAll(/^# .* is at .*\n/gm, '')
    })
  )
  t.pass()
})

await t.test('no text makes it throw anything but invalid_request', async t => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom(
      '[instances]',
      'a = b:1',
      'a',
      '[m]',
      '[w]',
      '[DEFAULT]',
      'role = worker',
      'instance = a',
      'env = "',
      'scripts = a b',
      'x = %(y)s',
      'port = 7'
    )
  )
  await fc.assert(
    fc.asyncProperty(fc.array(line), async lines => {
      await errorsOf(lines.join('\n'))
    }),
    { numRuns: runs(500) }
  )
  t.pass()
})

await t.test('each error has the line where it is, or where its section begins', async t => {
  t.same(
    await faultsOf(
      '[DEFAULT]\nport = x\n\n[instances]\na\nb = 10.0.0.1\n[m]\ninstance = a\n[w]\ninstance = a\nrole = worker\nenv = A\nlone\n'
    ),
    [
      'm.port: cannot convert "m.port" value "x" to int (line 2)',
      'm.role: node requires a role (line 7)',
      'w.port: cannot convert "w.port" value "x" to int (line 2)',
      'w.env: env value "A" is invalid: A is no NAME=VALUE (line 12)',
      'w.lone: is not known (line 13)',
      'instances.b: invalid spec for instance "b": "10.0.0.1" should be <host>:<port> (line 6)'
    ]
  )
})

await t.test("two interfaces of one node are told for each node, in a person's words, with the line", async t => {
  const text =
    '[instances]\na\n[worker-1]\ninstance = a\nrole = worker\ninterface = eth0 -i eth1\n[worker-2]\ninstance = a\nrole = worker\n\ninterface=eth2 eth3\n'
  await t.rejects(parse(text), {
    code: 'invalid_request',
    message:
      'worker-1: interface: one interface per node (line 6); worker-2: interface: one interface per node (line 11)'
  })
  t.same(await faultsOf(text), [
    'worker-1.interface: one interface per node (line 6)',
    'worker-2.interface: one interface per node (line 11)'
  ])
})

await t.test('what the schema refuses is told with its line, all of it, without patterns', async t => {
  const aName = 'must be a name of 1 to 64 letters, digits, ".", "_" and "-" that begins with none of "." and "-"'
  const aScript = 'must be the name of a script: without white space, "=" and "::", and no flag'
  const text =
    '[instances]\nb c\ne = fe80::1%%eth0:2151\n[two words]\ninstance = a\nrole = worker\ncpu_affinity = 5000\nscripts = a --evil X::y=1\nenv = "A B=1"\noptions = X::y=a\\\\\ninterface = -r\n'
  t.same(
    (await faultsOf(text)).sort(),
    [
      `two words.name: ${aName} (line 4)`,
      'two words.interface: must be one interface per node, without white space, and no flag (line 11)',
      'two words.cpu_affinity: must be <= 4095 (line 7)',
      `two words.scripts: --evil ${aScript} (line 8)`,
      `two words.scripts: X::y=1 ${aScript} (line 8)`,
      'two words.env: A B is not a valid name (line 9)',
      'two words.options: X::y must be a text without control characters, with its quotes in pairs and no backslash at its end (line 10)',
      `instances.b c: name ${aName} (line 2)`,
      'instances.e: host fe80::1%eth0 must be an IP address, neither 0.0.0.0 nor ::, and without a zone (line 3)'
    ].sort()
  )
})

await t.test('a likely typo has the key that was meant', async t => {
  t.same(await faultsOf(worker('inteface = eth0', 'interfaces = eth0', 'colour = red')), [
    'w.inteface: is not known; did you mean interface? (line 7)',
    'w.interfaces: is not known; did you mean interface? (line 8)',
    'w.colour: is not known (line 9)'
  ])
})
