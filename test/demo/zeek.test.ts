import { spawn, type ChildProcess } from 'node:child_process'
import { EventEmitter, on, once } from 'node:events'
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'

const PROGRAM = new URL('../../dist/demo/zeek.js', import.meta.url).pathname
const CONTROLLER = new URL('../../src/zeek/zeek-cluster-controller.zeek', import.meta.url).pathname
const ZEROMQ = 'policy/frameworks/cluster/backend/zeromq'
const TOPIC = 'zeek/cluster-controller/node/'

interface Ports { xpub: number, xsub: number, manager: number, worker: number, metrics: number, web: number }

/** A running stand-in and what it has said so far. */
class Program extends EventEmitter {
  readonly child: ChildProcess
  readonly ended: Promise<{ code: number | null, signal: string | null }>
  out = ''
  err = ''

  constructor (t: Test, cwd: string, args: string[], env: Record<string, string> = {}) {
    super()
    // tap's NODE_OPTIONS would load its hooks into the child.
    const clean = { PATH: process.env['PATH'], ZEEKPATH: `${cwd}:/opt/zeek/share/zeek`, ...env }
    this.child = spawn(process.execPath, [PROGRAM, ...args], { cwd, env: clean })
    this.child.stdout!.on('data', text => { this.out += text })
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

  async says (pattern: RegExp): Promise<void> {
    while (!pattern.test(this.err)) await once(this, 'err')
  }
}

/** A directory with a layout and the controller's script; some free ports. */
async function cluster (t: Test): Promise<{ cwd: string, ports: Ports }> {
  const servers = await Promise.all(Array.from({ length: 6 }, async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server
  }))
  const [xpub, xsub, manager, worker, metrics, web] = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(async server => await once(server.close(), 'close')))
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
  copyFileSync(CONTROLLER, `${cwd}/zeek-cluster-controller.zeek`)
  const ports = { xpub: xpub!, xsub: xsub!, manager: manager!, worker: worker!, metrics: metrics!, web: web! }
  return { cwd, ports }
}

function nodeArguments (ports: Ports, listenPort: number): string[] {
  const address = 'tcp://127.0.0.1:'
  return [ZEROMQ, '-C', 'local', 'zeek-cluster-controller',
    `Cluster::Backend::ZeroMQ::listen_xpub_endpoint=${address}${ports.xpub}`,
    `Cluster::Backend::ZeroMQ::listen_xsub_endpoint=${address}${ports.xsub}`,
    `Cluster::Backend::ZeroMQ::connect_xpub_endpoint=${address}${ports.xsub}`,
    `Cluster::Backend::ZeroMQ::connect_xsub_endpoint=${address}${ports.xpub}`,
    `ZeekClusterController::listen_port=${listenPort}/tcp`]
}

function start (t: Test, cwd: string, ports: Ports, node: string, more: string[] = [], env = {}): Program {
  const args = nodeArguments(ports, node === 'manager' ? ports.web : ports.worker)
  const status = ['-U', `${cwd}/${node}.status`]
  return new Program(t, cwd, [...status, ...args, ...more], { CLUSTER_NODE: node, ...env })
}

/** Connects as soon as the node listens. */
async function connect (t: Test, port: number, path = '/v1/messages/json', headers = {}): Promise<{
  socket: WebSocket, next: () => Promise<any>
}> {
  for (;;) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers })
    const messages = on(socket, 'message')
    try {
      await once(socket, 'open')
    } catch {
      await new Promise(resolve => setTimeout(resolve, 20))
      continue
    }
    t.teardown(() => socket.terminate())
    return { socket, next: async () => JSON.parse(String((await messages.next()).value[0])) }
  }
}

function event (topic: string, name: string, ...args: string[]): object {
  const string = (data: string): object => ({ '@data-type': 'string', data })
  const count = { '@data-type': 'count', data: 1 }
  const vector = (data: object[]): object => ({ '@data-type': 'vector', data })
  return {
    type: 'data-message',
    topic,
    ...vector([count, count, vector([string(name), vector(args.map(string))])])
  }
}

async function end (t: Test, program: Program, code: number, pattern: RegExp): Promise<void> {
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
    end(t, parse(['ZeekClusterController::listen_port=1/tcp']), 1, /unknown identifier 'ZeekClusterController::/),
    end(t, parse(['zeek-cluster-controller', 'ZeekClusterController::listen_port=1/tcp']), 0, /^$/),
    end(t, parse(['Demo::s="quoted"']), 1, /^error in <params>, line 1: syntax error/m),
    end(t, parse(['Log::default_rotation_interval=']), 1, /must assign non-empty value/),
    end(t, parse(['-i']), 1, /^ERROR: Option -i requires an argument/m),
    end(t, parse([], { CLUSTER_NODE: 'manager', ZEEKPATH: '/nowhere' }), 1, /^fatal error in .*can't find cluster-layout$/m),
    end(t, parse([ZEROMQ, 'local', 'policy/tuning/json-logs', 'Demo::x=5'], { CLUSTER_NODE: 'manager' }), 0, /^$/)
  ])
  const script = async (text: string, error?: RegExp) => {
    const path = `${t.testdir({ 'site.zeek': text })}/site.zeek`
    await end(t, parse([path]), error === undefined ? 0 : 1, error ?? /^$/)
  }
  await script('# an open (\nevent zeek_init()\n\t{\n\tlocal p = /[{]/; print "}", (6 / 3) / 2;\n\t}\n')
  await script('event zeek_init()\n\t{\n\t}\n\t}\n', /^error in .*\/site\.zeek, line 4: syntax error, at or near "}"$/m)
  await script('event zeek_init(\n\t{\n\t}\n', /^error in .*\/site\.zeek, line 4: syntax error, at end of file .*\/site\.zeek$/m)
  const layout = 'redef Cluster::nodes = {\n ["a"] = [$node_type=Cluster::BOSS, $ip=1.2.3.4],\n};\n'
  await end(t, parse([ZEROMQ], { CLUSTER_NODE: 'a', ZEEKPATH: bad(layout) }), 1,
    /^error in .*cluster-layout\.zeek, line 2: syntax error, at or near "Cluster::BOSS"$/m)
})

await t.test('what cannot run', async t => {
  const { cwd, ports } = await cluster(t)
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  await Promise.all([
    end(t, start(t, cwd, ports, 'worker-1', ['-i', 'nosuchif']), 1,
      /^fatal error: problem with interface nosuchif \(pcap_error: No such device exists \(pcap_activate\)\)$/m),
    end(t, start(t, cwd, ports, 'ghost'), 1, /'ghost' is not a valid node in the Cluster::nodes configuration$/m),
    end(t, new Program(t, cwd, [], { CLUSTER_NODE: 'manager' }), 1, /please select a cluster backend to use/),
    end(t, start(t, cwd, { ...ports, xpub: port }, 'manager'), 1, new RegExp('^error .*ZeroMQ: Failed to bind xpub ' +
      `socket tcp://127.0.0.1:${port}: Address already in use \\(98\\)\\nfatal error.*: Failed to spawn ZeroMQ proxy thread$`, 'm')),
    end(t, start(t, cwd, { ...ports, worker: port }, 'worker-1'), 1,
      new RegExp(`^fatal error: zeek-cluster-controller: cannot listen on 127.0.0.1:${port}/tcp$`, 'm')),
    end(t, start(t, cwd, ports, 'worker-1', [`Telemetry::metrics_port=${port}/tcp`]), 1,
      new RegExp(`^fatal error .*Failed to setup Prometheus endpoint.*Attempted to bind to 127.0.0.1:${port}\\.$`, 'm'))
  ])
})

await t.test('crossed endpoints', async t => {
  const { cwd, ports } = await cluster(t)
  const address = 'tcp://127.0.0.1:'
  const manager = start(t, cwd, ports, 'manager', [
    `Cluster::Backend::ZeroMQ::connect_xpub_endpoint=${address}${ports.xpub}`,
    `Cluster::Backend::ZeroMQ::connect_xsub_endpoint=${address}${ports.xsub}`])
  await end(t, manager, 1, /^fatal error: ZeroMQ: handshake failed: tcp:/m)
})

await t.test('a cluster', async t => {
  const { cwd, ports } = await cluster(t)
  const worker = start(t, cwd, ports, 'worker-1', ['-i', 'lo', 'Demo::s={"a","b"}', 'Demo::s+={"c"}', 'Demo::i=90min',
    'Demo::p=99/udp', 'Demo::n=5', 'Demo::b=T', 'Demo::text=hello world'])
  await worker.says(/^listening on lo$/m)
  const { socket, next } = await connect(t, ports.worker)
  socket.send('["answers/"]')
  socket.send(JSON.stringify(event(`${TOPIC}worker-1/`, 'ZeekClusterController::id_value_request', 'answers/1', 'r0', 'Cluster::node')))
  let managerStarted = false
  const first = next()
  const manager = (async () => {
    // A round trip on a second connection: there has been time for an ack.
    const other = await connect(t, ports.worker)
    other.socket.ping()
    await once(other.socket, 'pong')
    managerStarted = true
    return start(t, cwd, ports, 'manager')
  })()
  const ack = await first
  t.ok(managerStarted, 'no ack before the manager is there')
  t.match(ack, { type: 'ack', version: '9.0.0', endpoint: /^zeromq_worker-1_.+_\d+_N\w+-websocket-\d+$/ })
  t.same(await next(), {
    type: 'data-message',
    topic: 'answers/1',
    '@data-type': 'vector',
    data: [{ '@data-type': 'count', data: 1 }, { '@data-type': 'count', data: 1 }, {
      '@data-type': 'vector',
      data: [{ '@data-type': 'string', data: 'ZeekClusterController::id_value_response' }, {
        '@data-type': 'vector',
        data: [{ '@data-type': 'string', data: 'r0' }, { '@data-type': 'string', data: 'worker-1' },
          { '@data-type': 'boolean', data: true }, { '@data-type': 'string', data: '"worker-1"' }]
      }]
    }]
  }, 'asked before the ack, answered after it')

  const ask = async (id: string): Promise<unknown[]> => {
    socket.send(JSON.stringify(event(`${TOPIC}worker-1/`, 'ZeekClusterController::id_value_request', 'answers/2', 'r', id)))
    const args = (await next()).data[2].data[1].data.map((arg: any) => arg.data)
    return args[2] === true ? JSON.parse(args[3]) : args[3]
  }
  t.equal(await ask('nosuch'), 'unknown id')
  t.equal(await ask('Demo::no_value'), 'no ID value')
  t.same(await ask('Demo::s'), ['a', 'b', 'c'])
  t.equal(await ask('Demo::i'), '1.0 hr 30.0 mins')
  t.same(await ask('Demo::p'), { port: 99, proto: 'udp' })
  t.equal(await ask('Demo::n'), 5)
  t.equal(await ask('Demo::b'), true)
  t.equal(await ask('Demo::text'), 'hello world')
  t.equal(await ask('Cluster::manager_is_logger'), false, 'from the layout')
  t.match(await ask('Cluster::nodes'), { 'worker-1': { node_type: 'Cluster::WORKER', manager: 'manager' } })

  const count = async (): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${ports.metrics}/metrics`)).text()
    t.match(text, /^zeek_version_info\{.*node="worker-1"\} 1$/m)
    return Number(/^zeek_net_received_packets_total\{node="worker-1"\} (\d+)$/m.exec(text)![1])
  }
  const before = await count()
  while (await count() === before);
  t.equal((await fetch(`http://127.0.0.1:${ports.metrics}/services.json`)).status, 404)
  const services = await (await fetch(`http://127.0.0.1:${ports.manager}/services.json`)).json()
  t.same(services, [{ targets: [`127.0.0.1:${ports.manager}`, `127.0.0.1:${ports.metrics}`], labels: {} }])

  t.equal(readFileSync(`${cwd}/worker-1.status`, 'utf8'), 'RUNNING [run_loop]\n')
  const closed = once(socket, 'close')
  worker.child.kill('SIGTERM')
  await end(t, worker, 0, /^\d+\.\d{6} received termination signal\n\S+ \d+ packets received on interface lo, 0 \(0\.00%\) dropped/m)
  t.equal((await closed)[0], 1001)
  t.equal(readFileSync(`${cwd}/worker-1.status`, 'utf8'), 'TERMINATED [atexit]\n')
  const program = await manager
  program.child.kill('SIGINT')
  await end(t, program, 0, /^received termination signal$/m)
})

await t.test('a manager that comes back', async t => {
  const { cwd, ports } = await cluster(t)
  const manager = start(t, cwd, ports, 'manager')
  start(t, cwd, ports, 'worker-1')
  const acked = async (): Promise<void> => {
    const { socket, next } = await connect(t, ports.worker)
    socket.send('[]')
    t.match(await next(), { type: 'ack' })
  }
  await acked()
  manager.child.kill('SIGKILL')
  t.equal((await manager.ended).signal, 'SIGKILL')
  start(t, cwd, ports, 'manager')
  await acked()
})

await t.test('errors of the WebSocket API', async t => {
  const { cwd, ports } = await cluster(t)
  start(t, cwd, ports, 'manager')
  const error = (context: string): object => ({ type: 'error', code: 'deserialization_failed', context })
  for (const [text, context] of [
    ['{"a":1}', 'subscriptions not an array'],
    ['hello', 'subscriptions not an array'],
    ['[1,2]', 'individual subscription not a string']
  ] as const) {
    const { socket, next } = await connect(t, ports.web)
    socket.send(text)
    t.same(await next(), error(context))
  }
  const { socket, next } = await connect(t, ports.web)
  socket.send('[]')
  t.match(await next(), { type: 'ack' })
  for (const text of ['{nope', '{"type":"nope"}', '{"type":"data-message","topic":"t"}',
    '{"type":"data-message","topic":"t","@data-type":"wat","data":1}']) {
    socket.send(text)
    t.same(await next(), error('failed to decode JSON object'))
  }
  for (const one of [event('t', 'No::such_event', 'r1'), event('t', 'ZeekClusterController::id_value_request', 'r1')]) {
    socket.send(Buffer.from(JSON.stringify(one)))
    t.same(await next(), error('failed to create Zeek event'))
  }
  for (const [path, headers, code, context] of [
    ['/v1/other', {}, 'invalid_uri', 'Invalid URI - use /v1/messages/json'],
    ['/v1/messages/json', { 'X-Application-Name': 'a b' }, 'invalid_application_name', 'Invalid X-Application-Name']
  ] as const) {
    const { socket, next } = await connect(t, ports.web, path, headers)
    const closed = once(socket, 'close')
    t.same(await next(), { type: 'error', code, context })
    const [status, reason] = await closed
    t.same([status, String(reason)], [1008, context])
  }
})

await t.test('the Broker backend', async t => {
  const { cwd, ports } = await cluster(t)
  const args = nodeArguments(ports, ports.worker).with(0, 'frameworks/cluster/backend/broker')
  const worker = new Program(t, cwd, args, { CLUSTER_NODE: 'worker-1' })
  const { socket, next } = await connect(t, ports.worker)
  socket.send('[]')
  t.match(await next(), { type: 'ack', endpoint: /^[\da-f-]{36}-websocket-0$/ }, 'joined at once')
  worker.child.kill('SIGTERM')
  await end(t, worker, 0, /received termination signal/)
})

await t.test('misbehaviour', async t => {
  const { cwd, ports } = await cluster(t)
  writeFileSync(`${cwd}/stand-in`, 'exit=7\n')
  const exits = start(t, cwd, ports, 'manager', [], { STAND_IN: 'chatty=2' })
  await end(t, exits, 7, /^chatty line 1 .*\nchatty line 2 .*\nfatal error: told to exit$/m)
  t.match(exits.out, /^chatty line 1\nchatty line 2\nlast words\n$/)
  writeFileSync(`${cwd}/stand-in`, '')
  await end(t, start(t, cwd, ports, 'manager', [], { STAND_IN: 'dance' }), 1, /fatal error: STAND_IN: cannot do 'dance'/)
  const crashes = start(t, cwd, ports, 'manager', [], { STAND_IN: 'crash=10' })
  t.equal((await crashes.ended).signal, 'SIGSEGV')

  const stubborn = start(t, cwd, ports, 'manager', [], { STAND_IN: 'ignore-term, mute, slow=300' })
  const { socket, next } = await connect(t, ports.web)
  socket.send('["a"]')
  stubborn.child.kill('SIGTERM')
  t.match(await next(), { type: 'ack' }, 'still there')
  socket.send(JSON.stringify(event(`${TOPIC}manager/`, 'ZeekClusterController::id_value_request', 'a', 'r', 'Cluster::node')))
  socket.send('{nope')
  t.match(await next(), { type: 'error' }, 'no answer')
  stubborn.child.kill('SIGKILL')
  t.equal((await stubborn.ended).signal, 'SIGKILL')
})

await t.test('told not to listen', async t => {
  const { cwd, ports } = await cluster(t)
  const manager = start(t, cwd, ports, 'manager', [], { ZEEKCTL_CHECK_CONFIG: '1' })
  while (!existsSync(`${cwd}/manager.status`) || !readFileSync(`${cwd}/manager.status`, 'utf8').startsWith('RUNNING')) {
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  for (const port of [ports.xpub, ports.web, ports.manager]) {
    const server = createServer().listen(port, '127.0.0.1')
    await once(server, 'listening')
    await once(server.close(), 'close')
  }
  manager.child.kill('SIGTERM')
  await end(t, manager, 0, /received termination signal/)
})
