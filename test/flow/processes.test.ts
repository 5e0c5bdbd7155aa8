import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { freePorts } from '../support/ports.js'
import { until } from '../support/until.js'
import { Cluster, configurationOf, start } from './cluster.js'

const two = ['sensor-1', 'sensor-2'] as const

await t.test('an agent with a listen_port is dialled by the controller', { timeout: 300_000 }, async t => {
  const cluster = new Cluster(t)
  const [port] = await freePorts(1)
  await cluster.start(['sensor-1'], { 'controller-connect-grace': '20' })
  await cluster.startHost('sensor-2', false, { 'agent-controller': 'none', 'agent-port': String(port) })
  const config = configurationOf(two)
  config.instances[1] = { name: 'sensor-2', host: '127.0.0.1', listen_port: port! }
  t.equal((await cluster.deploy(config)).state, 'succeeded')
  t.match(await cluster.ask('get_instances'), {
    results: [{ data: { instances: [{ name: 'sensor-1' }, { name: 'sensor-2', listen_port: port! }] } }]
  })
  t.match(
    (await cluster.ask('get_nodes')).results.find(({ instance }) => instance === 'sensor-2'),
    { data: { nodes: [{ mgmt_role: 'AGENT', port: port! }, { node: 'worker-1' }] } }
  )
  process.kill((await cluster.node('sensor-2'))!.pid!, 'SIGKILL')
  await until(async () => (await cluster.node('worker-1'))?.state === 'UNKNOWN', 'the controller has noticed')
  await cluster.reaches('worker-1', 'RUNNING')
})

await t.test('the Broker backend carries a cluster, too', { timeout: 300_000 }, async t => {
  const cluster = new Cluster(t)
  await cluster.start(['sensor-1'], { 'controller-cluster-backend': 'broker', 'management-log-level': 'info' })
  const config = configurationOf(['sensor-1'])
  config.nodes.push({ name: 'worker-1', instance: 'sensor-1', role: 'WORKER', interface: 'lo', cpu_affinity: 0 })
  t.equal((await cluster.deploy(config)).state, 'succeeded')
  const { pid } = (await cluster.node('worker-1'))!
  t.match(readFileSync(`/proc/${pid}/status`, 'utf8'), /^Cpus_allowed_list:\s+0$/m)
  t.match(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /policy\/frameworks\/cluster\/backend\/broker/)

  await t.test('whose roles keep a log of their own', async t => {
    for (const [name, role] of [
      ['controller', 'CONTROLLER'],
      ['sensor-1', 'AGENT']
    ]) {
      const path = join(cluster.stateDir('sensor-1'), `management-${name}.log`)
      await until(() => readFileSync(path, 'utf8').endsWith('\n'), 'it has said something')
      const lines = readFileSync(path, 'utf8')
        .trim()
        .split('\n')
        .map(line => JSON.parse(line))
      t.ok(lines.length > 0)
      t.match(lines[0], { ts: Number, node: name, level: 'INFO', role, message: String })
    }
  })
})

await t.test(
  'without zeek agents run all the same, and a deployment says so per node',
  { timeout: 300_000 },
  async t => {
    const cluster = new Cluster(t)
    await cluster.start(['sensor-1'], { bin: 'no-such-zeek' })
    const { state, results } = await cluster.deploy(configurationOf(['sensor-1']))
    t.equal(state, 'failed')
    t.match(
      results.find(({ node }) => node === 'manager'),
      { success: false, error: 'no-such-zeek was not found on the PATH; set ZEEK_BIN' }
    )
  }
)

await t.test('what cannot start says why in one line', async t => {
  const [taken, other] = await freePorts(2)
  const server = createServer().listen(taken, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const state = `--management-state-dir=${t.testdir()}`
  for (const [setting, ports] of [
    ['controller_websocket_port', [taken, other]],
    ['controller_port', [other, taken]]
  ] as const) {
    const { status, stderr } = start([
      '--controller',
      state,
      `--controller-websocket-port=${ports[0]}`,
      `--controller-port=${ports[1]}`,
      '--management-log-level=error'
    ])
    t.equal(status, 1)
    t.equal(
      stderr.trim(),
      `zeek-cluster: ${setting}: cannot listen on 127.0.0.1:${taken}: listen EADDRINUSE: address already in use 127.0.0.1:${taken}`
    )
  }
  t.match(start(['--controller-prot=1']), { status: 2, stderr: 'zeek-cluster: --controller-prot is not a setting\n' })
  t.match(start([], { ZEEK_CONTROLLER_PORT: 'abc' }), {
    status: 2,
    stderr: 'zeek-cluster: ZEEK_CONTROLLER_PORT must be integer (it is "abc")\n'
  })
  t.match(start([], { ZEEK_CONTROLLER_ADDR: '0.0.0.0' }), {
    status: 2,
    stderr: /^zeek-cluster: ZEEK_CONTROLLER_ADDR .*\n$/
  })
  t.match(start([], { ZEEK_AGENT_ADDR: '10.0.0.1' }), {
    status: 2,
    stderr: /^zeek-cluster: ZEEK_AGENT_ADDR is 10\.0\.0\.1: .*\n$/
  })
})
