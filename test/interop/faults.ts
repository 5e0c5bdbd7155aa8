import type { Test } from 'tap'
import { Cluster } from '../flow/cluster.js'
import { freePorts } from '../support/ports.js'
import { isRunning } from '../support/running.js'
import { clusterCfg, deployed, three } from './cluster-cfg.js'
import { ZeekClient, type Program } from './zeek-client.js'

/** What is missing, fails, cannot be, or was killed. */
export async function faults(t: Test, program: Program): Promise<void> {
  const cluster = new Cluster(t)
  // Enough to be dialled in, on a machine that is busy.
  await cluster.start(three.slice(0, 2), { 'controller-connect-grace': '5' })
  const [port = 0] = await freePorts(1)
  await cluster.startHost('sensor-3', false, { 'agent-controller': 'none', 'agent-port': String(port) })
  const listening = ['sensor-1', 'sensor-2', `sensor-3 = 127.0.0.1:${port}`]
  const cfg = (lines: Parameters<typeof clusterCfg>[0] = {}) => clusterCfg(lines, listening)
  const client = new ZeekClient(t, program, cluster)

  await t.test('a missing instance is named, and the others are served', async t => {
    const { exit, json } = await client.run('deploy-config -', clusterCfg())
    t.equal(exit, 1)
    t.match(json, {
      errors: ['instance sensor-3 is not connected'],
      results: {
        id: String,
        nodes: {
          manager: { success: true },
          'logger-1': { success: true },
          'worker-1': { success: true },
          'worker-2': { instance: 'sensor-3', success: false }
        }
      }
    })
    const missing = { error: 'instance sensor-3 is not connected', source: 'worker-2' }
    t.same((await client.run('get-id-value Cluster::node')).json, {
      errors: [missing],
      results: { 'logger-1': 'logger-1', manager: 'manager', 'worker-1': 'worker-1' }
    })
    t.same((await client.run('restart worker-1 worker-2')).json, { errors: [missing], results: { 'worker-1': true } })
  })

  await t.test('an agent that listens is dialled when host:port is deployed', async t => {
    t.same(Object.keys((await client.must('get-instances')).json), ['sensor-1', 'sensor-2'])
    t.match((await client.must('deploy-config -', cfg())).json, deployed)
    t.same((await client.must('get-instances')).json['sensor-3'], { host: '127.0.0.1', port })
    t.match((await client.must('get-nodes')).json.results['sensor-3'], {
      'sensor-3': { mgmt_role: 'AGENT', port },
      'worker-2': { state: 'RUNNING' }
    })
    for (const options of ['', ' --deployed']) {
      t.match(
        (await client.must(`get-config${options}`)).stdout,
        `[instances]\nsensor-1\nsensor-2\nsensor-3 = 127.0.0.1:${port}\n`
      )
    }
  })

  await t.test('a node that fails is reported with its words, and nothing is said to time out', async t => {
    const { exit, said, json } = await client.run('deploy-config -', cfg({ 'worker-1': 'scripts = nosuchscript' }))
    t.equal(exit, 1)
    t.notMatch(said, /timed out/)
    t.same(json.errors, [])
    t.same(json.results.nodes['worker-1'], {
      instance: 'sensor-2',
      success: false,
      stdout: '',
      stderr: "fatal error: can't find nosuchscript"
    })
    t.match(json.results.nodes, {
      manager: { success: true },
      'logger-1': { success: true },
      'worker-2': { success: true }
    })
    t.equal((await client.run('get-id-value Cluster::node worker-1')).json.errors[0].source, 'worker-1')
    t.match((await client.must('deploy-config -', cfg())).json, deployed)
  })

  await t.test('what cannot be accepted is answered at once, by the name of the node', async t => {
    const before = (await client.must('get-config --as-json')).json
    const refuse = async (name: string, lines: string, reason: RegExp) => {
      const { exit, said } = await client.run(
        '--set client.request_timeout_secs=8 stage-config -',
        `[instances]\nsensor-1\n\n[good]\ninstance = sensor-1\nrole = manager\n\n[${name}]\ninstance = sensor-1\n${lines}\n`
      )
      t.equal(exit, 1)
      const { errors, results } = JSON.parse(said)
      t.same([errors.length, results], [1, {}])
      t.ok(errors[0].startsWith(`node '${name}' `), errors[0])
      t.match(errors[0], reason)
    }
    await Promise.all([
      refuse('bad name!', 'role = worker', /name must be a name of/),
      refuse('a'.repeat(65), 'role = worker', /name must be a name of/),
      refuse('none', 'role = none', /role must be one of MANAGER, LOGGER, PROXY, WORKER/),
      refuse('flag', 'role = worker\ninterface = -i', /interface must be one interface per node/),
      refuse('script', 'role = worker\nscripts = policy/good --bad', /scripts\/0 must be the name of a script/),
      refuse('variable', 'role = worker\nenv = 1A=b', /env\/1A/),
      refuse('cpu', 'role = worker\ncpu_affinity = -1', /cpu_affinity must be >= 0/)
    ])
    t.same((await client.must('get-config --as-json')).json, before, 'what is staged stays')
  })

  await t.test('a node that cannot have the name is named, too, where it is asked for', async t => {
    for (const request of ['restart', 'get-id-value Cluster::node']) {
      const { exit, json } = await client.run([...request.split(' '), 'bad name!', 'worker-1'])
      t.equal(exit, 1)
      t.match(JSON.stringify(json.errors), 'bad name!', request)
    }
  })

  await t.test('a host without zeek says so', async t => {
    await cluster.startHost('sensor-4', false, { bin: '/nonexistent/zeek' })
    await cluster.connected('sensor-4')
    const { exit, json } = await client.run(
      'deploy-config -',
      clusterCfg({}, [...listening, 'sensor-4']).replace('instance = sensor-2', 'instance = sensor-4')
    )
    t.equal(exit, 1)
    t.match(json, {
      errors: [/\/nonexistent\/zeek is not an executable/],
      results: { nodes: { 'worker-1': { instance: 'sensor-4', success: false }, 'worker-2': { success: true } } }
    })
    t.match((await client.must('deploy-config -', cfg())).json, deployed)
  })

  await t.test('a controller that is killed is waited for, and goes on as it was', async t => {
    const before = await client.must('get-config --deployed --as-json')
    const pids = await cluster.pids()
    const { pid } = (await cluster.node('controller'))!
    process.kill(pid!, 'SIGKILL')
    t.same((await client.must('get-config --deployed --as-json')).json, before.json)
    t.notOk(isRunning(pid!))
    await cluster.connected(...three)
    await cluster.reaches('worker-2', 'RUNNING')
    const nodes = Object.values((await client.must('get-nodes')).json.results).flatMap(nodes =>
      Object.entries(nodes as object)
    )
    t.same(
      Object.fromEntries(nodes.flatMap(([name, { mgmt_role: role, pid }]) => (role === null ? [[name, pid]] : []))),
      pids
    )
  })
}
