import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { configurationOf } from '../flow/cluster.js'
import { startTestAgent } from '../support/agent.js'
import { createAuthority } from '../support/certificates.js'
import { runCommand, startCommand, type Surroundings } from '../support/command.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { freePorts } from '../support/ports.js'
import { until } from '../support/until.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'

const sensors = ['sensor-1', 'sensor-2', 'sensor-3'] as const

/** What is never twice the same, with what stands for it. */
const masks: [RegExp, string][] = [
  [/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'ID'],
  [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME'],
  [/[0-9.]+(k|M)?\/s/g, 'N/s'],
  [/[0-9.]+%/g, 'N%'],
  [/[0-9.]+ [KMGT]iB/g, 'N iB'],
  [/\b\d+[smhd]( \d+[smhd])?(?= )/g, 'AGE'],
  [/ {2,}/g, '  ']
]
const masked = (text: string) => masks.reduce((masked, [mask, sign]) => masked.replace(mask, sign), text).trimEnd()
const linesOf = (text: string) => masked(text).split('\n')

await t.test('every command, at a cluster', { timeout: 300_000 }, async t => {
  const { url, settings } = await startTestController(t)
  const directory = directoryOf(t)
  const file = join(directory, 'cluster.json')
  writeFileSync(file, JSON.stringify(configurationOf(sensors)))
  const start = (line: string | string[], surroundings: Surroundings = {}) =>
    startCommand(Array.isArray(line) ? line : line.split(' '), {
      ...surroundings,
      env: { ZEEK_CLUSTER_URL: url, ...surroundings.env }
    })
  const run = async (...command: Parameters<typeof start>) => await start(...command).ended

  await t.test('without instances and nodes, what there is is said', async t => {
    t.same(await run('status'), {
      code: 1,
      stdout: 'no nodes\n\nThe cluster is not ready:\n  no cluster is deployed\n',
      stderr: ''
    })
    t.same(await run('instances'), { code: 0, stdout: 'no instances\n', stderr: '' })
    t.same(await run('deploy'), {
      code: 1,
      stdout: '',
      stderr: 'zeek-cluster: no staged configuration available\n'
    })
    t.same(await run(['config', 'stage', '-'], { stdin: 'nodes: [{name: a, role: WORKER, interface: lo}]' }), {
      code: 2,
      stdout: '',
      stderr:
        'zeek-cluster: the configuration names no instances, and none is connected: say on which one each node is\n'
    })
  })

  await t.test('a cluster without nodes is watched without asking for ever', async t => {
    const watching = start('status --watch')
    const asked = async () => JSON.parse((await run('history --type get_node_stats --json')).stdout).requests.length
    await until(async () => (await asked()) > 0, 'it watches')
    // Questions and answers, in which it could ask many times.
    for (let n = 0; n < 3; n++) await run('request get_instances')
    t.ok((await asked()) <= 2, 'once')
    watching.interrupt()
    t.equal((await watching.ended).code, 1)
  })

  const [agent] = await Promise.all(sensors.map(async name => await startTestAgent(t, name, settings.controller_port)))

  await until(
    async () => (await run('instances')).stdout.split(' connected ').length === sensors.length + 1,
    'all are connected'
  )

  await t.test('deploy tells each change, and what has come of it', async t => {
    const { code, stdout, stderr } = await run(`deploy ${file}`)
    t.same([code, stdout], [0, ''])
    const lines = stderr.trimEnd().split('\n')
    t.equal(lines.at(-1), '✔ deployed: 4 nodes, revision 1')
    for (const node of ['manager', 'logger-1', 'worker-1', 'worker-2']) {
      t.same(
        lines.filter(line => line.startsWith(`${node}:`)),
        [`${node}: PENDING (starting)`, `${node}: RUNNING (joined the cluster)`]
      )
    }
    t.same(
      await run('deploy'),
      { code: 0, stdout: '', stderr: '✔ deployed: 4 nodes, revision 2\n' },
      'what is so already'
    )
    const asJson = await run('deploy --json')
    t.match(JSON.parse(asJson.stdout), { type: 'deploy', state: 'succeeded' })
    t.equal(asJson.stderr, '')
  })

  await t.test('status is a table as wide as the terminal', async t => {
    const wide = await run('status', { columns: 200 })
    t.same(linesOf(wide.stdout), [
      'NODE  ROLE  INSTANCE  STATE  SINCE  RESTARTS  CPU  MEMORY  PACKETS  DROP  REASON',
      'logger-1  logger  sensor-1  RUNNING  AGE  0  N%  N iB  N/s  -  joined the cluster',
      'manager  manager  sensor-1  RUNNING  AGE  0  N%  N iB  N/s  -  joined the cluster',
      'worker-1  worker  sensor-2  RUNNING  AGE  0  N%  N iB  N/s  N%  joined the cluster',
      'worker-2  worker  sensor-3  RUNNING  AGE  0  N%  N iB  N/s  N%  joined the cluster',
      '',
      '4 of 4 nodes run',
      'The cluster does its work.'
    ])
    t.equal(wide.code, 0)
    for (const columns of [60, 80]) {
      const lines = (await run('status', { columns })).stdout.split('\n')
      t.ok(lines.every(line => line.length <= columns))
      t.match(lines[0], /^NODE {6}ROLE {5}INSTANCE {2}STATE .* {2}REASON$/)
    }
    t.match(linesOf((await run('status --columns node,pid --sort=-node --role worker')).stdout), [
      'NODE  PID',
      /^worker-2 {2}\d+$/,
      /^worker-1 {2}\d+$/
    ])
    t.match(linesOf((await run('status -o wide')).stdout)[0], /LAG {2}IDLE {2}SESSIONS .* DESIRED {2}REASON$/)
    t.match(linesOf((await run('status --all')).stdout).join('\n'), /\nsensor-1 {2}agent {2}sensor-1 {2}RUNNING /)
    t.match(linesOf((await run('status --instance sensor-2,sensor-3 --state running')).stdout).slice(-2), [
      '2 of 2 nodes run',
      'The cluster does its work.'
    ])
    t.match(JSON.parse((await run('status --json worker-1')).stdout), {
      nodes: [{ node: 'worker-1', state: 'RUNNING', stats: { node: 'worker-1' } }],
      health: { ready: true, reasons: [] },
      event_cursor: String
    })
    t.equal((await run('status worker-1 worker-2')).code, 0)
  })

  await t.test('top sorts by what nodes use', async t => {
    const { code, stdout } = await run('top --once --sort node', { columns: 200 })
    t.equal(code, 0)
    t.match(linesOf(stdout), [
      'NODE  INSTANCE  CPU  MEMORY  THREADS  PACKETS  DROP  LAG  SESSIONS  UPTIME',
      /^logger-1 {2}sensor-1 {2}N% {2}N iB {2}\d+/
    ])
    t.same(JSON.parse((await run('top --json')).stdout).nodes.length, 4)
  })

  await t.test('instances tells versions and what hosts use', async t => {
    const { code, stdout } = await run('instances', { columns: 200 })
    t.equal(code, 0)
    const [title, first, second, third, ...rest] = linesOf(stdout)
    t.equal(title, 'INSTANCE  HOST  STATE  SINCE  AGENT  ZEEK  CPUS  LOAD  MEMORY  DISKS')
    t.match(
      first,
      /^sensor-1 {2}127\.0\.0\.1 {2}connected {2}AGE {2}\S+ {2}9\.0\.0 {2}\d+ {2}\S+ {2}N% of N iB {2}\S+ N%/
    )
    t.match([second, third], [/^sensor-2/, /^sensor-3/])
    t.same(rest, [])
    t.match(JSON.parse((await run('instances --json')).stdout), {
      instances: [{ name: 'sensor-1', connected: true, stats: { cpus: Number } }, {}, {}]
    })
    t.match(linesOf((await run('instances --interfaces')).stdout)[0], /^INSTANCE {2}INTERFACE/)
  })

  await t.test('logs shows the last lines, with the name of the node where there are several', async t => {
    t.same(await run('logs worker-1'), { code: 0, stdout: 'listening on lo\n', stderr: '' })
    t.same((await run('logs --role worker')).stdout.trimEnd().split('\n').sort(), [
      'worker-1 | listening on lo',
      'worker-2 | listening on lo'
    ])
    t.same((await run('logs -n 0 worker-1')).stdout, '')
    t.same((await run('logs --stream stdout worker-1')).stdout, '')
    t.match(JSON.parse((await run('logs --json worker-1')).stdout), {
      type: 'get_node_output',
      results: [{ data: { stderr: 'listening on lo\n' } }]
    })
    const before = await run('logs --previous worker-1')
    t.equal(before.code, 1)
    t.match(before.stderr, /^worker-1: there is no output of incarnation 1 of node worker-1/)
    t.same(await run('logs --incarnation 0 worker-1'), { code: 0, stdout: 'listening on lo\n', stderr: '' })
    t.match(await run('logs worker-9'), { code: 1, stderr: /^worker-9: unknown cluster node/ })
  })

  await t.test('nodes are stopped, started and restarted', async t => {
    t.same(await run('stop worker-2'), { code: 0, stdout: '✔ worker-2\n', stderr: 'worker-2: STOPPED (stopped)\n' })
    const stopped = await run('status')
    t.equal(stopped.code, 0, 'that one is to be stopped is no failure')
    t.match(linesOf(stopped.stdout).slice(-2), ['3 of 3 nodes run, 1 stopped', 'The cluster does its work.'])
    t.match(await run('start worker-2'), { code: 0, stdout: '✔ worker-2\n' })
    t.match(await run('restart --role worker --rolling', { env: { LANG: 'C' } }), {
      code: 0,
      stdout: '+ worker-1\n+ worker-2\n'
    })
    t.match(await run('logs --previous worker-1'), { code: 0, stdout: /listening on lo\n/ }, 'of the process before')
    const { stdout } = await run('restart worker-1 --no-wait')
    t.match(masked(stdout), /^ID$/)
    t.match(await run(`request wait ${stdout.trim()}`), { code: 0, stdout: '✔ worker-1\n' })
    t.match(JSON.parse((await run(`request show ${stdout.trim()}`)).stdout), { type: 'restart', state: 'succeeded' })
    for (const verb of ['start --all=', 'stop', 'restart', 'diag']) {
      const { code, stderr } = await run(verb === 'start --all=' ? ['start', '--json'] : verb)
      t.equal(code, 2)
      t.match(
        stderr,
        /^zeek-cluster: which nodes\? Name them, select them \(--role, --instance\), or say zeek-cluster \w+ --all\n$/
      )
    }
  })

  await t.test('what is wrong with a node is shown with its lines', async t => {
    const config = configurationOf(sensors, [{ name: 'worker-2', env: { STAND_IN: 'exit=1' } }])
    writeFileSync(file, JSON.stringify({ config }))
    const { code, stdout, stderr } = await run(`deploy --no-check ${file}`)
    t.equal(code, 1)
    t.match(stdout, /^✖ worker-2: exited with code 1.*\n {2}\| /)
    t.match(stderr, /\n✖ 1 of 4 nodes have failed\n$/)
    t.match(await run('diag worker-2'), {
      code: 0,
      stdout: /^worker-2: (CRASHED|PENDING)\n {2}processes\n {4}\d+ .*\n[^]*\n {2}command/
    })
    const status = await run('status')
    t.equal(status.code, 1)
    t.match(status.stdout, /3 of 4 nodes run\n/)
    writeFileSync(file, JSON.stringify(configurationOf(sensors)))
    t.equal((await run(`deploy ${file}`)).code, 0)
  })

  await t.test('check, get-id and diag tell of each node', async t => {
    const { code, stdout } = await run('check')
    t.same([code, stdout.trimEnd().split('\n').sort()], [0, ['✔ logger-1', '✔ manager', '✔ worker-1', '✔ worker-2']])
    t.match(await run('check --deployed worker-1'), { code: 0, stdout: '✔ worker-1\n' })
    const values = await run('get-id Cluster::node worker-1 worker-2')
    t.same(values.stdout.trimEnd().split('\n').sort(), ['worker-1: "worker-1"', 'worker-2: "worker-2"'])
    t.match(await run('get-id nosuchid worker-1'), { code: 1, stdout: '✖ worker-1: unknown id\n' })
    t.match(await run('diag --role worker --json'), { code: 0, stdout: /"diagnosis"/ })
  })

  await t.test('config shows what is staged, ready and deployed, as it can be staged again', async t => {
    const staged = await run('config get')
    t.match(JSON.parse(staged.stdout), configurationOf(sensors))
    t.match(JSON.parse((await run('config get ready')).stdout), { nodes: [{}, { port: Number }] })
    const ini = await run('config get deployed -o ini')
    t.match(ini.stdout, /^\[instances\]\n[^]*\[worker-1\]\ninstance = sensor-2\n/)
    for (const stdin of [staged.stdout, ini.stdout]) {
      const { code, stdout } = await run('config stage -', { stdin })
      t.equal(code, 0)
      t.match(stdout, /^\S+\n$/)
    }
    const refused = await run('deploy -', {
      stdin: 'instances: [{name: a}, {name: a}]\nnodes: [{name: x, instance: b, role: WORKER}]'
    })
    t.same([refused.code, refused.stdout], [2, ''])
    t.match(
      refused.stderr,
      /zeek-cluster: the configuration is refused:\n {2}multiple instances named 'a'\n {2}node 'x' has undeclared instance name 'b'\n$/
    )
    t.match(await run('deploy -', { stdin: '{"instances": [], "nodes": [{"nme": "x"}]}' }), {
      code: 2,
      stderr: /zeek-cluster: what was sent is refused:\n {2}.*name/
    })
  })

  await t.test('history, events and audit tell what was', async t => {
    const history = await run('history --type deploy -n 1', { columns: 200 })
    t.same(linesOf(history.stdout), ['REQUEST  TYPE  STATE  RESULTS  TIME', 'ID  deploy  succeeded  5  TIME'])
    const narrow = (await run('history -n 3', { columns: 80 })).stdout.split('\n')
    t.ok(narrow.every(line => line.length <= 80))
    t.match(narrow[1], /^[0-9a-f-]{36} /, 'the ID is whole')
    t.match(JSON.parse((await run('history --state failed --json')).stdout), { requests: Array })
    t.same(await run('history --type test_timeout'), { code: 0, stdout: '', stderr: 'no requests\n' })
    t.match(linesOf((await run('audit -n 1')).stdout), [/^TIME audit \S+ \S+ anyone admin 127\.0\.0\.1/])
    t.match(JSON.parse((await run('audit --json -n 2')).stdout).entries.length, 2)

    const following = start('events --from earliest --types notify_agent_hello,deploy_response --json')
    await until(() => following.written.stdout.split('deploy_response').length > 3, 'the deployments are told')
    following.interrupt()
    const { code, stdout } = await following.ended
    t.equal(code, 0)
    const events = stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
    t.same(
      events.slice(0, 3).map(({ type }) => type),
      Array(3).fill('notify_agent_hello')
    )
    t.ok(events.every(({ type }) => /^(notify_agent_hello|deploy_response)$/.test(type)))

    const audit = start('audit -f')
    await until(async () => {
      await run('request diagnose {"nodes":["worker-1"]}')
      return audit.written.stdout !== ''
    }, 'the audit log is followed')
    audit.interrupt()
    t.match((await audit.ended).stdout, /^\S+ audit diagnose \w+ anyone admin/)
  })

  await t.test('requests of any type are submitted', async t => {
    t.match(JSON.parse((await run('request get_instances')).stdout), { state: 'succeeded' })
    t.match(JSON.parse((await run(['request', 'get_node_output', '-'], { stdin: '{"nodes": ["worker-1"]}' })).stdout), {
      state: 'succeeded'
    })
    t.match(await run('request test_timeout {"with_state":true} --timeout 0.1'), {
      code: 1,
      stdout: /"request timed out"/
    })
    const cases: [string[], number, RegExp][] = [
      [['request', 'nosuch'], 1, /there is no request type nosuch$/],
      [['request', '../../nodes'], 2, /is no request type$/],
      [['request', 'get_nodes', '{'], 2, /the arguments are no JSON: /],
      [['request', 'get_nodes', '[]'], 2, /the arguments are no JSON object$/],
      [['request', 'wait', 'abc'], 1, /there is no request abc$/],
      [['request', 'show', '../nodes'], 2, /must be an ID/]
    ]
    for (const [args, code, message] of cases) {
      const { code: was, stderr } = await run(args)
      t.match([was, stderr.trimEnd()], [code, message], args.join(' '))
      t.match(stderr, /^zeek-cluster: [^\n]+\n$/)
    }
  })

  await t.test('what is not there is said, with what was likely meant', async t => {
    const cases: [string, number, string][] = [
      ['status worker1', 1, 'there is no node worker1; did you mean worker-1?'],
      ['status --columns bogus', 2, 'there is no column bogus: there are node, role, instance, state'],
      ['status --state bogus', 2, 'names of states'],
      ['restart worker1', 1, ''],
      ['status --role boss', 2, 'Roles are manager, logger, proxy, worker.'],
      ['logs -f --previous', 2, '--follow shows the present process only'],
      ['check --file x --deployed', 2, '--file and --deployed exclude each other'],
      ['deploy /nosuch/file', 2, "ENOENT: no such file or directory, open '/nosuch/file'"],
      ['deploy --timeout 0', 2, 'It is a number above 0.'],
      ['events --from bad', 2, 'latest, earliest or a cursor'],
      ['logs --lines=-1', 2, 'It is a whole number from 0.'],
      ['stats', 2, "unknown command 'stats' (Did you mean status?)"],
      ['toString', 2, "unknown command 'toString'"],
      ['constructor', 2, "unknown command 'constructor'"]
    ]
    for (const [line, code, message] of cases) {
      const outcome = await run(line)
      t.equal(outcome.code, code, line)
      t.ok(outcome.stderr.includes(message), `${line}: ${outcome.stderr}`)
      t.notMatch(outcome.stderr, /\n {4}at /)
    }
  })

  await t.test('an instance that is away is told, and its nodes', async t => {
    await agent!.close()
    const { code, stdout } = await until(async () => {
      const outcome = await run('instances', { columns: 200 })
      return outcome.stdout.includes('away') && outcome
    }, 'sensor-1 is away')
    t.equal(code, 1)
    t.match(linesOf(stdout)[1], /^sensor-1 .* away /)
    const status = await run('status')
    t.equal(status.code, 1)
    t.match(status.stdout, /logger-1 .* UNKNOWN /)
    t.match(await run('restart logger-1'), { code: 1, stdout: /^✖ logger-1: / })
  })
})

await t.test('a controller with tokens, over TLS', async t => {
  const directory = directoryOf(t)
  const authority = createAuthority(directory)
  const own = authority.issue('controller', 'controller')
  const { url } = await startTestController(t, {
    'management-state-dir': directory,
    'controller-authentication': 'token',
    'controller-tls-cert': own.cert,
    'controller-tls-key': own.key,
    'controller-tls-ca': authority.ca
  })
  const tokens = Object.fromEntries(
    await Promise.all(
      ['viewer', 'operator', 'admin'].map(async role => [role, await tokenCommand(['create'], { role }, directory)])
    )
  )
  const home = join(directory, 'home')
  const env = { XDG_CONFIG_HOME: home }
  const run = async (line: string, surroundings: Surroundings = {}) =>
    await runCommand(line.split(' '), { ...surroundings, env: { ...env, ...surroundings.env } })

  await t.test('login keeps a token that the controller takes, and nothing else', async t => {
    t.same(await run(`login ${url} --ca ${authority.ca}`, { stdin: 'nonsense\n' }), {
      code: 3,
      stdout: '',
      stderr: `zeek-cluster: ${url} does not take this token: zeek-cluster login ${url}\n`
    })
    t.match(await run(`login ${url} --ca ${authority.ca}`, { stdin: ' \n' }), {
      code: 2,
      stderr: 'zeek-cluster: there is no token\n'
    })
    t.match(await run(`login ${url}`, { stdin: tokens.admin }), { code: 3, stderr: /--ca FILE\n$/ })
    t.match(await run(`login ${url} --no-token --ca ${authority.ca}`), { code: 3, stderr: /asks for a token/ })
    t.match(await run('context list'), {
      code: 0,
      stdout: '',
      stderr: 'no contexts: zeek-cluster login URL makes one\n'
    })
    for (const role of ['viewer', 'operator', 'admin']) {
      t.same(await run(`login ${url} --name ${role} --ca ${authority.ca}`, { stdin: `${tokens[role]}\n` }), {
        code: 0,
        stdout: `context ${role}: ${url}, as ${role} (${role})\n`,
        stderr: ''
      })
    }
    const list = await run('context list')
    t.same(
      linesOf(list.stdout).map(line => line.trim()),
      ['NAME  URL  TOKEN', `viewer  ${url}  yes`, `operator  ${url}  yes`, `*  admin  ${url}  yes`]
    )
    const asJson = await run('context list --json')
    t.match(JSON.parse(asJson.stdout).contexts[2], { name: 'admin', current: true, token: true, ca: authority.ca })
    for (const role of Object.values(tokens)) t.notOk((list.stdout + asJson.stdout).includes(role as string))
  })

  await t.test('who may not is told which role it takes', async t => {
    t.equal((await run('history --context viewer')).code, 0)
    for (const line of [
      'deploy --context viewer',
      'stop worker-1 --context viewer',
      'audit --context operator',
      'token list --context operator'
    ]) {
      const { code, stderr } = await run(line)
      t.equal(code, 3, line)
      t.match(stderr, /^zeek-cluster: .*(operator|admin)/, line)
    }
    t.match(await run('status', { env: { ZEEK_CLUSTER_TOKEN: 'nonsense' } }), {
      code: 3,
      stderr: /does not take this token: zeek-cluster login/
    })
    t.match(await run(`status --url ${url} --ca ${authority.ca}`), {
      code: 3,
      stderr: /asks for a token: zeek-cluster login/
    })
    t.match(await run(`status --url ${url.replace('https', 'http')}`), { code: 3, stderr: /does it want https\?\n$/ })
  })

  await t.test('tokens are made, listed and revoked', async t => {
    const { code, stdout } = await run('token create --role viewer --name wall --expires 30d')
    t.equal(code, 0)
    const list = (await run('token list')).stdout
    t.match(list, /viewer {4}wall/)
    t.notOk(list.includes(stdout.trim()))
    const id = /^(\S+) +viewer +wall/m.exec(list)?.[1]
    t.match(await run(`token revoke ${id}`), { code: 0, stderr: `revoked ${id}\n` })
    t.match(await run(`token revoke ${id}`), { code: 1, stderr: /^zeek-cluster: there is no/ })
    t.match(JSON.parse((await run('token list --json')).stdout), { tokens: [{}, {}, {}] })
    t.match(await run('token create --role boss'), { code: 2, stderr: /viewer, operator, admin, agent/ })
    t.match(await run('token create'), { code: 2, stderr: /required option '--role <role>'/ })
    await t.rejects(run('token create --role viewer --expires soon'), { message: /--expires must be a number/ })
  })

  await t.test('contexts are chosen and forgotten', async t => {
    t.match(await run('context use viewr'), {
      code: 2,
      stderr: 'zeek-cluster: there is no context viewr; did you mean viewer?\n'
    })
    t.equal((await run('context use viewer')).code, 0)
    t.equal((await run('audit')).code, 3)
    t.equal((await run('context remove viewer')).code, 0)
    t.match(await run('context remove viewer'), { code: 2 })
    const kept = JSON.parse(readFileSync(join(home, 'zeek-cluster', 'contexts.json'), 'utf8'))
    t.same([kept.current, Object.keys(kept.contexts)], [undefined, ['operator', 'admin']])
    const [port] = await freePorts(1)
    t.match(await run('token list', { env: { ZEEK_CLUSTER_URL: `http://127.0.0.1:${port}` } }), {
      code: 3,
      stderr: /no controller listens .*\non the controller's host, it works without one: --offline\n$/
    })
  })
})
