import { spawn, type ChildProcess } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { CurveKeys } from '../../schemas/agent.js'
import { packageRoot } from '../../src/util.js'
import { ourScripts, renderCurve } from '../../src/zeek/command.js'
import { createCurveKeys } from '../../src/zeek/curve-keys.js'
import { renderOptions } from '../../src/zeek/options.js'
import { startProxy } from '../support/proxy.js'
import { until } from '../support/until.js'

const PROGRAM = join(packageRoot, 'dist', 'demo', 'zeek.js')
const OURS = join(packageRoot, 'src', 'zeek')
const ZEROMQ = 'policy/frameworks/cluster/backend/zeromq'

interface Ports {
  xpub: number
  xsub: number
  manager: number
  metrics: number
}

/** A running stand-in and what it has said so far. */
class Program extends EventEmitter {
  readonly child: ChildProcess
  readonly ended: Promise<{ code: number | null; signal: string | null }>
  out = ''
  err = ''

  constructor(t: Test, cwd: string, args: string[], env: Record<string, string> = {}) {
    super()
    // tap's NODE_OPTIONS would load its hooks into the child.
    const clean = { PATH: process.env['PATH'], ZEEKPATH: `${cwd}:/opt/zeek/share/zeek`, ...env }
    this.child = spawn(process.execPath, [PROGRAM, ...args], { cwd, env: clean })
    this.child.stdout!.on('data', text => {
      this.out += text
    })
    this.child.stderr!.on('data', text => {
      this.err += text
      this.emit('err')
    })
    this.ended = once(this.child, 'close').then(([code, signal]) => ({ code, signal }))
    t.teardown(async () => {
      this.child.kill('SIGKILL')
      await this.ended
    })
  }

  async says(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.err)) await once(this, 'err')
  }
}

/** A directory with a layout and the controller's script; some free ports. */
async function cluster(t: Test): Promise<{ cwd: string; ports: Ports }> {
  const servers = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    })
  )
  const [xpub, xsub, manager, metrics] = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(async server => await once(server.close(), 'close')))
  // Nodes write into it until they are killed: tap removes it before that, unless there was a teardown before.
  t.teardown(() => {})
  const cwd = t.testdir({
    'cluster-layout.zeek': `# Generated
redef Cluster::manager_is_logger = F;
redef Cluster::nodes += {
  ["manager"] = [$node_type=Cluster::MANAGER, $ip=127.0.0.1, $p=2200/tcp, $metrics_port=${manager}/tcp],
  ["worker-1"] = [$metrics_port=${metrics}/tcp, $manager="manager",
    $ip=127.0.0.1, $node_type=Cluster::WORKER],
};
@load base/frameworks/telemetry/options
redef Telemetry::metrics_address = "127.0.0.1";
redef Telemetry::metrics_port = Cluster::local_node_metrics_port();
`
  })
  copyOurs(cwd)
  const ports = { xpub: xpub!, xsub: xsub!, manager: manager!, metrics: metrics! }
  return { cwd, ports }
}

/** Copies our scripts to where nodes find them. */
function copyOurs(directory: string): void {
  for (const script of ourScripts) copyFileSync(join(OURS, script), join(directory, script))
}

function nodeArguments(ports: Ports): string[] {
  const address = 'tcp://127.0.0.1:'
  return [
    ZEROMQ,
    '-C',
    'local',
    'zeek-cluster-controller',
    `Cluster::Backend::ZeroMQ::listen_xpub_endpoint=${address}${ports.xpub}`,
    `Cluster::Backend::ZeroMQ::listen_xsub_endpoint=${address}${ports.xsub}`,
    `Cluster::Backend::ZeroMQ::connect_xpub_endpoint=${address}${ports.xsub}`,
    `Cluster::Backend::ZeroMQ::connect_xsub_endpoint=${address}${ports.xpub}`,
    'ZeekClusterController::beat_interval=100msec'
  ]
}

function start(t: Test, cwd: string, ports: Ports, node: string, more: string[] = [], env = {}): Program {
  const status = ['-U', `${cwd}/${node}.status`]
  return new Program(t, cwd, [...status, ...nodeArguments(ports), ...more], {
    CLUSTER_NODE: node,
    ...channel(cwd, node),
    ...env
  })
}

/** Where a node talks with its agent. */
function channel(cwd: string, node: string): Record<string, string> {
  const directory = `${cwd}/${node}-channel`
  mkdirSync(directory, { recursive: true })
  return { ZEEK_CLUSTER_CONTROLLER_CHANNEL: directory, INVOCATION_ID: `run of ${node}` }
}

interface Beat {
  invocation: string
  beat: number
  joined: boolean
  unseen: string[]
}

/** What a node says of itself, once it is so. */
async function says(cwd: string, node: string, what: (beat: Beat) => boolean, text: string): Promise<Beat> {
  return await until(() => {
    try {
      const beat = JSON.parse(readFileSync(`${cwd}/${node}-channel/beat`, 'utf8')) as Beat
      return what(beat) && beat
    } catch {
      return undefined
    }
  }, text)
}

/** Replaces the file of questions. */
function ask(cwd: string, node: string, text: string): void {
  const path = `${cwd}/${node}-channel/ask`
  writeFileSync(`${path}.new`, text)
  renameSync(`${path}.new`, path)
}

function answers(cwd: string, node: string): any[] {
  const path = `${cwd}/${node}-channel/tell`
  return existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter(line => line !== '')
        .map(line => JSON.parse(line))
    : []
}

async function answer(cwd: string, node: string, number: number): Promise<any> {
  return await until(() => answers(cwd, node).find(one => one.number === number), `question ${number} is answered`)
}

async function end(t: Test, program: Program, code: number, pattern: RegExp): Promise<void> {
  t.same(await program.ended, { code, signal: null })
  t.match(program.err, pattern)
}

await t.test('information', async t => {
  const help = new Program(t, t.testdir(), ['--help'], { ZEEKPATH: '/a:/b' })
  t.equal((await help.ended).code, 0)
  t.match(help.out, '\n    $ZEEKPATH                       | file search path (/a:/b)\n')
  const version = new Program(t, '/', ['-v'])
  t.equal((await version.ended).code, 0)
  t.equal(version.out, 'zeek version 9.0.0 (stand-in)\n')
  const plugins = new Program(t, '/', ['-N'])
  t.equal((await plugins.ended).code, 0)
  t.match(plugins.out, 'Zeek::Cluster_Backend_ZeroMQ')
})

await t.test('what cannot be parsed', async t => {
  const { cwd } = await cluster(t)
  const parse = (args: string[], env = {}): Program => new Program(t, cwd, ['-a', ...args], env)
  const bad = (text: string): string => {
    const other = t.testdir({ 'cluster-layout.zeek': text })
    return `${other}:${cwd}`
  }
  await Promise.all([
    end(t, parse(['nosuchscript']), 1, /^fatal error: can't find nosuchscript$/m),
    end(t, parse(['Foo::bar=1']), 1, /^error: unknown identifier 'Foo::bar' in command-line options$/m),
    end(t, parse(['ZeekClusterController::beat_interval=1sec']), 1, /unknown identifier 'ZeekClusterController::/),
    end(t, parse(['zeek-cluster-controller', 'ZeekClusterController::beat_interval=1sec']), 0, /^$/),
    end(t, parse(['Demo::s="quoted"']), 1, /^error in <params>, line 1: syntax error/m),
    end(t, parse(['Log::default_rotation_interval=']), 1, /must assign non-empty value/),
    end(t, parse(['-i']), 1, /^ERROR: Option -i requires an argument/m),
    end(
      t,
      parse([], { CLUSTER_NODE: 'manager', ZEEKPATH: '/nowhere' }),
      1,
      /^fatal error in .*can't find cluster-layout$/m
    ),
    end(t, parse([ZEROMQ, 'local', 'policy/tuning/json-logs', 'Demo::x=5'], { CLUSTER_NODE: 'manager' }), 0, /^$/)
  ])
  const options = async (given: Record<string, string>, end: number, said: RegExp) => {
    const cwd = t.testdir({ 'options.zeek': renderOptions(given) })
    const program = new Program(t, cwd, ['-a', join(OURS, ourScripts[0]), '-e', '@load options.zeek'])
    t.same(await program.ended, { code: end, signal: null })
    t.match(program.err, said)
  }
  await options(
    { 'Foo::bar': '1', 'Foo::baz': '2' },
    1,
    /^error in .*options\.zeek, line 8: "redef" used but not previously defined \(Foo::bar\)\nerror in .*, line 17: .*\(Foo::baz\)\n$/
  )
  await options({ 'Log::default_rotation_interval': '' }, 1, /^error in .*options\.zeek, line 1: /)
  await options({ 'Log::default_rotation_interval': 'an hour' }, 1, /^error in .*options\.zeek, line 5: syntax error/)
  await options({ 'Log::default_rotation_dir': 'an (o\\"dd; path', 'Demo::any': '{"a"}', 'Demo::none': '' }, 0, /^$/)
  await end(
    t,
    parse(['-e', '@load nosuch.zeek']),
    1,
    /^fatal error in <command line>, line 1: can't find nosuch\.zeek$/m
  )
  const script = async (text: string, error?: RegExp) => {
    const path = `${t.testdir({ 'site.zeek': text })}/site.zeek`
    await end(t, parse([path]), error === undefined ? 0 : 1, error ?? /^$/)
  }
  await script('# an open (\nevent zeek_init()\n\t{\n\tlocal p = /[{]/; print "}", (6 / 3) / 2;\n\t}\n')
  await script('event zeek_init()\n\t{\n\t}\n\t}\n', /^error in .*\/site\.zeek, line 4: syntax error, at or near "}"$/m)
  await script(
    'event zeek_init(\n\t{\n\t}\n',
    /^error in .*\/site\.zeek, line 4: syntax error, at end of file .*\/site\.zeek$/m
  )
  const layout = 'redef Cluster::nodes = {\n ["a"] = [$node_type=Cluster::BOSS, $ip=1.2.3.4],\n};\n'
  await end(
    t,
    parse([ZEROMQ], { CLUSTER_NODE: 'a', ZEEKPATH: bad(layout) }),
    1,
    /^error in .*cluster-layout\.zeek, line 2: syntax error, at or near "Cluster::BOSS"$/m
  )
})

await t.test('what cannot run', async t => {
  const { cwd, ports } = await cluster(t)
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  await Promise.all([
    end(
      t,
      start(t, cwd, ports, 'worker-1', ['-i', 'nosuchif']),
      1,
      /^fatal error: problem with interface nosuchif \(pcap_error: No such device exists \(pcap_activate\)\)$/m
    ),
    end(t, start(t, cwd, ports, 'ghost'), 1, /'ghost' is not a valid node in the Cluster::nodes configuration$/m),
    end(t, new Program(t, cwd, [], { CLUSTER_NODE: 'manager' }), 1, /please select a cluster backend to use/),
    end(
      t,
      start(t, cwd, { ...ports, xpub: port }, 'manager'),
      1,
      new RegExp(
        '^error .*ZeroMQ: Failed to bind xpub ' +
          `socket tcp://127.0.0.1:${port}: Address already in use \\(98\\)\\nfatal error.*: Failed to spawn ZeroMQ proxy thread$`,
        'm'
      )
    ),
    end(
      t,
      start(t, cwd, ports, 'worker-1', [`Telemetry::metrics_port=${port}/tcp`]),
      1,
      new RegExp(`^fatal error .*Failed to setup Prometheus endpoint.*Attempted to bind to 127.0.0.1:${port}\\.$`, 'm')
    )
  ])
})

await t.test('crossed endpoints', async t => {
  const { cwd, ports } = await cluster(t)
  const address = 'tcp://127.0.0.1:'
  const manager = start(t, cwd, ports, 'manager', [
    `Cluster::Backend::ZeroMQ::connect_xpub_endpoint=${address}${ports.xpub}`,
    `Cluster::Backend::ZeroMQ::connect_xsub_endpoint=${address}${ports.xsub}`
  ])
  await end(t, manager, 1, /^fatal error: ZeroMQ: handshake failed: tcp:/m)
})

await t.test('keys that do not fit, as a real Zeek takes them', async t => {
  const { cwd, ports } = await cluster(t)
  const [keys, others] = [createCurveKeys(), createCurveKeys()]
  const worker = (mine: Partial<CurveKeys>, name = 'worker-1') =>
    start(t, cwd, ports, name, ['-i', 'lo'], renderCurve({ ...keys, ...mine }, false))
  const failed = (event: string) =>
    new RegExp(`fatal error in .*: Handshake for socket tcp:.* failed: event=${event}$`, 'm')
  const curve = 'Cluster::Backend::ZeroMQ::curve_client_publickey'
  await Promise.all([
    end(
      t,
      start(t, cwd, ports, 'logger', [`${curve}=x`], renderCurve(keys, true)),
      1,
      /CURVE configured via script variable redefinitions and environment variables at the same time\.$/m
    ),
    end(
      t,
      start(t, cwd, ports, 'logger', [], renderCurve({ ...keys, client_publickey: 'short' }, true)),
      1,
      /ZAP: client public key has unexpected size 5 'short'$/m
    )
  ])
  start(t, cwd, ports, 'manager', [], renderCurve(keys, true))
  const { client_publickey: client, client_secretkey: secret } = others
  await end(t, worker({ client_publickey: client, client_secretkey: secret }), 1, failed('0x4000 value=400'))
  await end(t, start(t, cwd, ports, 'worker-1', ['-i', 'lo']), 1, failed('0x2000 value=285212674'))
  const stranger = worker({ server_publickey: others.server_publickey })
  await stranger.says(/warning in .*Handshake for socket .* failed: event=0x800 value=32$/m)
  await says(cwd, 'worker-1', ({ joined }) => !joined, 'it runs, and has not joined')
  stranger.child.kill('SIGKILL')
  await stranger.ended
  worker({})
  await says(cwd, 'worker-1', ({ joined }) => joined, 'with the keys of the others it joins')
})

await t.test('what nodes say to each other is read by whoever is between them, unless they have keys', async t => {
  const listen = async (t: Test, keys: (isHub: boolean) => Record<string, string>) => {
    const { cwd, ports } = await cluster(t)
    const wire = await startProxy(t, ports.xpub)
    const heard = { text: '' }
    wire.onData = chunk => (heard.text += chunk.toString('latin1'))
    start(t, cwd, ports, 'manager', [], keys(true))
    start(t, cwd, { ...ports, xpub: wire.port }, 'worker-1', ['-i', 'lo'], keys(false))
    await says(cwd, 'worker-1', ({ joined }) => joined, 'it has joined')
    return heard
  }
  await t.test('without', async t => {
    const heard = await listen(t, () => ({}))
    const hello = /zeek\.cluster\.node\.\S+ Cluster::hello \["\S*worker-1"/
    await until(() => hello.test(heard.text), 'it is told who is there')
  })
  await t.test('with keys', async t => {
    const keys = createCurveKeys()
    const { text } = await listen(t, isHub => renderCurve(keys, isHub))
    t.match(text, /^XPUB CURVE \w+\nwelcome\n[\w+/=]+\n/)
    t.notMatch(text, /manager|worker|hello|zeek/)
  })
})

await t.test('a node with keys, and a hub without', async t => {
  const { cwd, ports } = await cluster(t)
  start(t, cwd, ports, 'manager')
  const worker = start(t, cwd, ports, 'worker-1', ['-i', 'lo'], renderCurve(createCurveKeys(), false))
  await end(t, worker, 1, /fatal error in .*Handshake for socket .* failed: event=0x2000 value=285212674$/m)
})

await t.test('a cluster', async t => {
  const { cwd, ports } = await cluster(t)
  const worker = start(t, cwd, ports, 'worker-1', [
    '-i',
    'lo',
    'Demo::s={"a","b"}',
    'Demo::s+={"c"}',
    'Demo::i=90min',
    'Demo::p=99/udp',
    'Demo::n=5',
    'Demo::b=T',
    'Demo::text=hello world'
  ])
  await worker.says(/^listening on lo$/m)
  t.match(await says(cwd, 'worker-1', ({ beat }) => beat > 1, 'it lives'), {
    invocation: 'run of worker-1',
    joined: false,
    unseen: ['manager']
  })
  t.same(JSON.parse(readFileSync(`${cwd}/worker-1-channel/loaded`, 'utf8')), {
    invocation: 'run of worker-1',
    scripts: ['cluster-layout', 'zeek-cluster-controller', 'zeek-cluster-intel'].map(name => join(cwd, `${name}.zeek`))
  })
  ask(cwd, 'worker-1', '1 Cluster::node\n')
  t.same(
    await answer(cwd, 'worker-1', 1),
    { invocation: 'run of worker-1', number: 1, value: '"worker-1"' },
    'it need not have joined'
  )
  const manager = start(t, cwd, ports, 'manager')
  t.same((await says(cwd, 'worker-1', ({ joined }) => joined, 'it has joined')).unseen, [])
  await says(cwd, 'manager', ({ joined, unseen }) => joined && unseen.length === 0, 'the manager sees it')

  const ids = [
    'nosuch',
    'Demo::no_value',
    'Demo::s',
    'Demo::i',
    'Demo::p',
    'Demo::n',
    'Demo::b',
    'Demo::text',
    'Cluster::manager_is_logger',
    'Cluster::nodes'
  ]
  // What was answered is not answered again, and what is no question is passed over.
  ask(
    cwd,
    'worker-1',
    `1 Cluster::node\n0 Cluster::node\nnonsense\n99999999999999999 x\n2\n${ids.map((id, at) => `${at + 10} ${id}\n`).join('')}`
  )
  const told = await Promise.all(ids.map(async (_, at) => await answer(cwd, 'worker-1', at + 10)))
  t.same(
    told.slice(0, 2).map(({ value, error }) => [value, error]),
    [
      [undefined, 'unknown id'],
      [undefined, 'no ID value']
    ]
  )
  const [s, i, p, n, b, text, isLogger, nodes] = told.slice(2).map(({ value }) => JSON.parse(value))
  t.same(
    [s, i, p, n, b, text],
    [['a', 'b', 'c'], '1.0 hr 30.0 mins', { port: 99, proto: 'udp' }, 5, true, 'hello world']
  )
  t.equal(isLogger, false, 'from the layout')
  t.match(nodes, { 'worker-1': { node_type: 'Cluster::WORKER', manager: 'manager' } })
  t.equal(answers(cwd, 'worker-1').length, 1 + ids.length)
  appendFileSync(`${cwd}/worker-1-channel/ask`, '30 Demo::n\n31 Dem')
  t.match(
    [await answer(cwd, 'worker-1', 30), await answer(cwd, 'worker-1', 31)],
    [{ value: '5' }, { error: 'unknown id' }],
    'half a line is a line, as for Zeek'
  )

  const count = async (): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${ports.metrics}/metrics`)).text()
    t.match(text, /^zeek_version_info\{.*node="worker-1"\} 1$/m)
    return Number(/^zeek_net_received_packets_total\{node="worker-1"\} (\d+)$/m.exec(text)![1])
  }
  const before = await count()
  while ((await count()) === before);
  t.equal((await fetch(`http://127.0.0.1:${ports.metrics}/services.json`)).status, 404)
  const services = await (await fetch(`http://127.0.0.1:${ports.manager}/services.json`)).json()
  t.same(services, [{ targets: [`127.0.0.1:${ports.manager}`, `127.0.0.1:${ports.metrics}`], labels: {} }])

  t.equal(readFileSync(`${cwd}/worker-1.status`, 'utf8'), 'RUNNING [run_loop]\n')
  worker.child.kill('SIGTERM')
  await end(
    t,
    worker,
    0,
    /^\d+\.\d{6} received termination signal\n\S+ \d+ packets received on interface lo, 0 \(0\.00%\) dropped/m
  )
  t.equal(readFileSync(`${cwd}/worker-1.status`, 'utf8'), 'TERMINATED [atexit]\n')
  await says(cwd, 'manager', ({ unseen }) => unseen.includes('worker-1'), 'the manager sees that it is gone')
  manager.child.kill('SIGINT')
  await end(t, manager, 0, /^received termination signal$/m)
})

await t.test('a manager that comes back is seen again; while it is away nobody tells of it', async t => {
  const { cwd, ports } = await cluster(t)
  const manager = start(t, cwd, ports, 'manager')
  start(t, cwd, ports, 'worker-1')
  await says(cwd, 'worker-1', ({ joined }) => joined, 'it has joined')
  manager.child.kill('SIGKILL')
  t.equal((await manager.ended).signal, 'SIGKILL')
  const { beat } = await says(cwd, 'worker-1', () => true, 'it lives')
  t.match(await says(cwd, 'worker-1', ({ beat: now }) => now > beat + 2, 'it lives on'), { joined: true, unseen: [] })
  start(t, cwd, ports, 'manager')
  await says(cwd, 'manager', ({ unseen }) => unseen.length === 0, 'the new one sees the worker')
})

await t.test('a node that another one does not know is one error line there', async t => {
  const { cwd, ports } = await cluster(t)
  const manager = start(t, cwd, ports, 'manager')
  const other = `${cwd}/other`
  mkdirSync(other)
  const layout = readFileSync(`${cwd}/cluster-layout.zeek`, 'utf8')
  writeFileSync(
    `${other}/cluster-layout.zeek`,
    layout.replace('"worker-1"', '"worker-9"').replace(/\$metrics_port=\d+\/tcp, \$manager/, '$manager')
  )
  copyOurs(other)
  start(t, other, ports, 'worker-9')
  await says(other, 'worker-9', ({ joined }) => joined, 'it joins')
  await manager.says(/^error in .*: Got Cluster::hello msg from unexpected node: worker-9$/m)
  t.same((await says(cwd, 'manager', () => true, 'the manager lives')).unseen, ['worker-1'])
})

await t.test('options are read from a file, and are what they were when they are in it no more', async t => {
  const { cwd, ports } = await cluster(t)
  const node = start(t, cwd, ports, 'worker-1')
  const path = `${cwd}/worker-1-channel/options`
  const read = (number: number, ...lines: string[]) => {
    const names = lines.map(line => ` ${line.split(' ')[0]}`).join('')
    writeFileSync(
      `${path}.new`,
      `${lines.map(line => `${line}\n`).join('')}ZeekClusterController::options_read ${number}${names}\n`
    )
    renameSync(`${path}.new`, path)
  }
  await says(cwd, 'worker-1', () => true, 'it lives')
  const complaints = async (number: number) => JSON.parse((await answer(cwd, 'worker-1', number)).value)
  let asked = 100
  const valueOf = async (id: string) => {
    ask(cwd, 'worker-1', `${++asked} ${id}\n`)
    return JSON.parse((await answer(cwd, 'worker-1', asked)).value)
  }
  read(1, 'Site::local_nets 10.0.0.0/8,fd00::/8', 'HTTP::max_files_orig 20', 'RDP::rdp_check_interval 5.5')
  t.same(await complaints(1), [])
  t.same(await valueOf('Site::local_nets'), ['10.0.0.0/8', 'fd00::/8'])
  t.equal(await valueOf('HTTP::max_files_orig'), 20)
  t.equal(await valueOf('RDP::rdp_check_interval'), '5.0 secs 500.0 msecs')
  read(
    2,
    'Site::local_nets bad',
    'HTTP::max_files_orig 7x',
    'No::such 1',
    'FTP::cmd_reply_code a',
    'FTP::default_capture_password T'
  )
  t.same(await complaints(2), [
    'Invalid value for subnet: bad',
    'Error while reading set or vector',
    "Could not convert line 'Site::local_nets bad' to value. Ignoring line.",
    "Number '7x' contained non-numeric trailing characters. Ignored trailing characters 'x'",
    "Option 'No::such' does not exist. Ignoring line.",
    "Option 'FTP::cmd_reply_code' has type 'set[string,count]', which is not supported for file input. Ignoring line."
  ])
  t.same(await valueOf('Site::local_nets'), ['10.0.0.0/8', 'fd00::/8'], 'what is refused changes nothing')
  t.equal(await valueOf('RDP::rdp_check_interval'), '10.0 secs', 'it is what it was')
  t.equal(await valueOf('FTP::default_capture_password'), true)
  await node.says(/^warning: .*\/options\/Input::READER_CONFIG: Invalid value for subnet: bad$/m)
  read(3)
  t.same(await complaints(3), [])
  t.same(await valueOf('Site::local_nets'), [])
})

await t.test('a channel that is gone is told of at each beat', async t => {
  const { cwd, ports } = await cluster(t)
  const manager = start(t, cwd, ports, 'manager')
  await says(cwd, 'manager', () => true, 'it lives')
  rmSync(`${cwd}/manager-channel`, { recursive: true })
  await manager.says(/^error: cannot open .*\/manager-channel\/beat: No such file or directory$/m)
  mkdirSync(`${cwd}/manager-channel`)
  await says(cwd, 'manager', () => true, 'it has a file again')
})

await t.test('the Broker backend: who is gone is told at once', async t => {
  const { cwd, ports } = await cluster(t)
  const layout = readFileSync(`${cwd}/cluster-layout.zeek`, 'utf8')
  writeFileSync(`${cwd}/cluster-layout.zeek`, layout.replace('2200/tcp', `${ports.xpub}/tcp`))
  const begin = (node: string) =>
    new Program(t, cwd, nodeArguments(ports).with(0, 'frameworks/cluster/backend/broker'), {
      CLUSTER_NODE: node,
      ...channel(cwd, node)
    })
  const worker = begin('worker-1')
  t.match(await says(cwd, 'worker-1', () => true, 'it lives'), { joined: false })
  const manager = begin('manager')
  await says(cwd, 'worker-1', ({ joined }) => joined, 'it has joined')
  await says(cwd, 'manager', ({ unseen }) => unseen.length === 0, 'it is seen')
  manager.child.kill('SIGKILL')
  await says(cwd, 'worker-1', ({ unseen }) => unseen.includes('manager'), 'the manager is gone')
  worker.child.kill('SIGTERM')
  await end(t, worker, 0, /received termination signal/)
})

await t.test('a cluster without a manager needs none', async t => {
  const { cwd, ports } = await cluster(t)
  writeFileSync(
    `${cwd}/cluster-layout.zeek`,
    'redef Cluster::nodes += {\n  ["worker-1"] = [$node_type=Cluster::WORKER, $ip=127.0.0.1],\n};\n'
  )
  start(t, cwd, ports, 'worker-1', ['Cluster::Backend::ZeroMQ::run_proxy_thread=T'])
  t.same((await says(cwd, 'worker-1', ({ joined }) => joined, 'it has joined')).unseen, [])
})

await t.test('misbehaviour', async t => {
  const { cwd, ports } = await cluster(t)
  writeFileSync(`${cwd}/stand-in`, 'exit=7\n')
  const exits = start(t, cwd, ports, 'manager', [], { STAND_IN: 'chatty=2' })
  await end(t, exits, 7, /^chatty line 1 .*\nchatty line 2 .*\nfatal error: told to exit$/m)
  t.match(exits.out, /^chatty line 1\nchatty line 2\nlast words\n$/)
  writeFileSync(`${cwd}/stand-in`, '')
  await end(
    t,
    start(t, cwd, ports, 'manager', [], { STAND_IN: 'dance' }),
    1,
    /fatal error: STAND_IN: cannot do 'dance'/
  )
  const crashes = start(t, cwd, ports, 'manager', [], { STAND_IN: 'crash=10' })
  t.equal((await crashes.ended).signal, 'SIGSEGV')

  // What the ones before have said does not count.
  rmSync(`${cwd}/manager-channel/beat`, { force: true })
  const stubborn = start(t, cwd, ports, 'manager', [], { STAND_IN: 'ignore-term, mute, slow=300' })
  t.ok((await says(cwd, 'manager', ({ joined }) => joined, 'it has joined')).joined)
  stubborn.child.kill('SIGTERM')
  ask(cwd, 'manager', '1 Cluster::node\n')
  const { beat } = await says(cwd, 'manager', () => true, 'it lives')
  await says(cwd, 'manager', ({ beat: now }) => now > beat + 5, 'it is still there')
  t.same(answers(cwd, 'manager'), [])
  stubborn.child.kill('SIGKILL')
  t.equal((await stubborn.ended).signal, 'SIGKILL')

  const hangs = start(t, cwd, ports, 'worker-1', [], { STAND_IN: 'hang, chatty=1' })
  await hangs.says(/chatty line 1/)
  t.notOk(existsSync(`${cwd}/worker-1-channel/beat`))
  hangs.child.kill('SIGTERM')
  await hangs.ended
})

await t.test('leftover logs are rotated, also by one that only parses', async t => {
  const { cwd, ports } = await cluster(t)
  const leave = () => {
    writeFileSync(`${cwd}/.shadow.conn.log`, '')
    writeFileSync(`${cwd}/conn.log`, 'left')
  }
  const parse = async (...more: string[]) => {
    leave()
    await end(t, start(t, cwd, ports, 'manager', ['-a', ...more]), 0, /^/)
    return existsSync(`${cwd}/conn.log`)
  }
  t.ok(await parse(), 'unless told to, it leaves them')
  t.notOk(await parse('LogAscii::enable_leftover_log_rotation=T'))
  t.ok(
    await parse('LogAscii::enable_leftover_log_rotation=T', '-e', 'redef LogAscii::enable_leftover_log_rotation = F;'),
    'code comes last'
  )
})

await t.test('leftover logs that cannot be moved to another file system are fatal', async t => {
  const { cwd, ports } = await cluster(t)
  writeFileSync(
    `${cwd}/cluster-layout.zeek`,
    readFileSync(`${cwd}/cluster-layout.zeek`, 'utf8').replace('manager_is_logger = F', 'manager_is_logger = T')
  )
  writeFileSync(`${cwd}/.shadow.conn.log`, '')
  writeFileSync(`${cwd}/conn.log`, 'left')
  const other = mkdtempSync('/dev/shm/queue-')
  t.teardown(() => rmSync(other, { recursive: true }))
  const manager = start(t, cwd, ports, 'manager', [
    'LogAscii::enable_leftover_log_rotation=T',
    `Log::default_rotation_dir=${other}`
  ])
  await end(
    t,
    manager,
    1,
    /^fatal error: Found leftover\/unprocessed log 'conn.log', but failed to rotate it: Invalid cross-device link$/m
  )
})

await t.test('a script of the Management framework takes the node to Broker', async t => {
  const { cwd, ports } = await cluster(t)
  // With ZeroMQ the proxy would listen here.
  start(t, cwd, ports, 'manager', ['policy/frameworks/management/controller'])
  await says(cwd, 'manager', ({ joined }) => joined, 'it runs')
  const server = createServer().listen(ports.xpub, '127.0.0.1')
  await once(server, 'listening')
  await once(server.close(), 'close')
})

await t.test('told not to listen', async t => {
  const { cwd, ports } = await cluster(t)
  const manager = start(t, cwd, ports, 'manager', [], { ZEEKCTL_CHECK_CONFIG: '1' })
  while (!existsSync(`${cwd}/manager.status`) || !readFileSync(`${cwd}/manager.status`, 'utf8').startsWith('RUNNING')) {
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  t.notOk(existsSync(`${cwd}/manager-channel/beat`))
  for (const port of [ports.xpub, ports.manager]) {
    const server = createServer().listen(port, '127.0.0.1')
    await once(server, 'listening')
    await once(server.close(), 'close')
  }
  manager.child.kill('SIGTERM')
  await end(t, manager, 0, /received termination signal/)
})
