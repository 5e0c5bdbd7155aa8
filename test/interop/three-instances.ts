import type { Test } from 'tap'
import { Cluster } from '../flow/cluster.js'
import { getJson } from '../support/client.js'
import { isRunning } from '../support/running.js'
import { until } from '../support/until.js'
import { clusterCfg, deployed, three } from './cluster-cfg.js'
import { ZeekClient, type Program } from './zeek-client.js'

const nodeNames = ['logger-1', 'manager', 'worker-1', 'worker-2']

/** What the recordings, of one instance, do not show. */
export async function threeInstances(t: Test, program: Program): Promise<void> {
  const cluster = new Cluster(t)
  await cluster.start(three)
  const client = new ZeekClient(t, program, cluster)
  client.write(
    'cluster.cfg',
    clusterCfg({ 'worker-2': 'cpu_affinity = 0\nscripts = policy/tuning/json-logs\nenv = FOO=BAR MSG="hello world"' })
  )

  await t.test('what needs a cluster says that there is none', async t => {
    t.match(await client.run('get-id-value Cluster::node'), {
      exit: 1,
      json: { errors: [{ error: 'no cluster deployed', source: null }], results: {} }
    })
    t.match(await client.run('restart'), {
      exit: 1,
      json: { errors: [{ error: 'no active cluster deployment', source: null }], results: {} }
    })
  })

  await t.test('stage-config reads stdin, and touches nothing', async t => {
    const { json } = await client.must('stage-config -', client.read('cluster.cfg'))
    t.same(json, { errors: [], results: { id: json.results.id } })
    t.equal((await getJson(`${cluster.url}/v1/configurations/staged`)).configuration.id, json.results.id)
    t.same(await cluster.pids(), {})
  })

  await t.test('deploy-config brings nodes to all instances', async t => {
    const { json } = await client.must('deploy-config cluster.cfg')
    t.match(json, deployed)
    t.same(Object.keys(json.results.nodes), nodeNames)
    t.equal((await getJson(`${cluster.url}/v1/configurations/deployed`)).configuration.id, json.results.id)
  })

  await t.test('get-instances and get-nodes tell of all three', async t => {
    t.same(
      (await client.must('get-instances')).json,
      Object.fromEntries(three.map(name => [name, { host: '127.0.0.1' }]))
    )
    const { errors, results } = (await client.must('get-nodes')).json
    t.same(errors, [])
    t.same(
      Object.entries(results).map(([instance, nodes]) => [instance, Object.keys(nodes as object)]),
      [
        ['sensor-1', ['controller', 'logger-1', 'manager', 'sensor-1']],
        ['sensor-2', ['sensor-2', 'worker-1']],
        ['sensor-3', ['sensor-3', 'worker-2']]
      ]
    )
    t.match(results['sensor-3'], {
      'sensor-3': { cluster_role: null, mgmt_role: 'AGENT', state: 'RUNNING' },
      'worker-2': { cluster_role: 'WORKER', mgmt_role: null, state: 'RUNNING', metrics_port: Number }
    })
    // The other door knows the same processes.
    const pids = Object.values(results).flatMap(nodes =>
      Object.entries(nodes as object).map(([node, { pid }]) => [node, pid])
    )
    t.same(Object.fromEntries(pids), Object.fromEntries((await cluster.nodes()).map(({ node, pid }) => [node, pid])))
  })

  await t.test('get-id-value asks all nodes, or some', async t => {
    t.same((await client.must('get-id-value Cluster::node')).json, {
      errors: [],
      results: Object.fromEntries(nodeNames.map(name => [name, name]))
    })
    t.same((await client.must('get-id-value Cluster::node worker-2 manager')).json, {
      errors: [],
      results: { manager: 'manager', 'worker-2': 'worker-2' }
    })
    const { json } = await client.must('get-id-value Cluster::nodes worker-1')
    t.same(Object.keys(json.results['worker-1']), nodeNames, 'a value that is a table is one here, too')
  })

  await t.test('get-id-value says which node knows no value', async t => {
    const unknown = await client.run('get-id-value nosuchid')
    t.equal(unknown.exit, 1)
    t.same(unknown.json, { errors: nodeNames.map(source => ({ error: 'unknown id', source })), results: {} })
    const ghost = await client.run('get-id-value Cluster::node ghost worker-1')
    t.equal(ghost.exit, 1)
    t.same(ghost.json, {
      errors: [{ error: 'unknown cluster node', source: 'ghost' }],
      results: { 'worker-1': 'worker-1' }
    })
    t.match(await client.run('get-id-value Demo::no_value manager'), {
      exit: 1,
      json: { errors: [{ error: 'no ID value', source: 'manager' }], results: {} }
    })
  })

  await t.test('restart gives the named nodes new processes, and no others', async t => {
    const before = await cluster.pids()
    const { exit, json } = await client.run('restart worker-2 ghost manager')
    t.equal(exit, 1)
    t.same(json, {
      errors: [{ error: 'unknown cluster node', source: 'ghost' }],
      results: { manager: true, 'worker-2': true }
    })
    const after = await cluster.pids()
    t.same(
      nodeNames.filter(name => after[name] !== before[name]),
      ['manager', 'worker-2']
    )
    t.same(
      [before['manager'], before['worker-2'], after['manager'], after['worker-2']].map(pid => isRunning(pid!)),
      [false, false, true, true]
    )
  })

  await t.test('restart without names restarts all', async t => {
    const before = await cluster.pids()
    t.same((await client.must('restart')).json, {
      errors: [],
      results: Object.fromEntries(nodeNames.map(name => [name, true]))
    })
    const after = await cluster.pids()
    t.same(
      nodeNames.filter(name => after[name] === before[name]),
      []
    )
    t.same(
      (await client.must('get-id-value Cluster::node')).json.results,
      Object.fromEntries(nodeNames.map(name => [name, name]))
    )
  })

  await t.test('many at the same time get each their own answer', async t => {
    const answers = await Promise.all([
      client.must('get-instances'),
      client.must('get-id-value Cluster::node manager'),
      client.must('get-id-value Cluster::node worker-1'),
      client.must('get-config --as-json'),
      client.must('restart worker-2'),
      client.must('get-nodes')
    ])
    const [instances, manager, worker, config, restart, nodes] = answers.map(({ json }) => json)
    t.same(Object.keys(instances), three)
    t.same(
      [manager.results, worker.results, restart.results],
      [{ manager: 'manager' }, { 'worker-1': 'worker-1' }, { 'worker-2': true }]
    )
    t.equal(config.nodes.length, 4)
    t.same(Object.keys(nodes.results), three)
  })

  await t.test('monitor reports what another zeek-client and a REST call cause', async t => {
    const monitor = client.start('-vv monitor')
    await until(() => monitor.output.stderr.includes('peered with controller'), 'the monitor listens')
    await client.must('get-nodes')
    await cluster.ask('restart', { nodes: ['worker-2'] })
    const events = () =>
      [...monitor.output.stdout.matchAll(/received "Management::Controller::API::(\w+)\(reqid: /g)].map(
        ([, name]) => name
      )
    await until(() => events().includes('restart_response'), 'the monitor has seen the last event')
    t.same(events(), ['get_nodes_request', 'get_nodes_response', 'restart_request', 'restart_response'])
    t.equal(monitor.output.stdout.trim().split('\n').length, 4, 'nothing that it does not understand')
    process.kill(monitor.child.pid!)
    t.equal((await monitor.done).exit, null)
    t.equal(Object.keys((await client.must('get-nodes')).json.results).length, 3)
  })

  await t.test('a configuration can be had in each form, and be staged and deployed again', async t => {
    const staged = await client.must('get-config --staged')
    t.match(
      staged.stdout,
      /\[worker-2\]\ninstance = sensor-3\nrole = WORKER\nscripts = policy\/tuning\/json-logs\ninterface = lo\ncpu_affinity = 0\nenv = FOO=BAR MSG="hello world"\n/
    )
    t.notMatch(staged.stdout, /port/)
    const running = await client.must('get-config --deployed')
    t.match(running.stdout, /\[manager\]\ninstance = sensor-1\nrole = MANAGER\nport = \d+\nmetrics_port = \d+\n/)
    const json = (await client.must('get-config --as-json')).json
    const runningJson = (await client.must('get-config --deployed --as-json')).json
    t.equal(runningJson.id, json.id)
    t.match(runningJson.instances[2], { name: 'sensor-3', host: '127.0.0.1' })

    for (const options of ['', ' --as-json', ' --deployed', ' --deployed --as-json']) {
      t.equal((await client.must(`get-config --filename out${options}`)).stdout, '')
      t.equal(client.read('out'), (await client.must(`get-config${options}`)).stdout, `get-config${options}`)
    }

    client.write('staged.cfg', staged.stdout)
    await client.must('stage-config staged.cfg')
    t.equal((await client.must('get-config')).stdout, staged.stdout)
    t.same({ ...(await client.must('get-config --as-json')).json, id: json.id }, json)
    t.equal(
      (await cluster.ask('stage_configuration', { config: json })).state,
      'succeeded',
      'REST takes what --as-json prints'
    )
    t.same((await client.must('get-config --as-json')).json, json)

    const before = await cluster.pids()
    t.match((await client.must('deploy-config -', running.stdout)).json, deployed)
    t.equal((await client.must('get-config --deployed')).stdout, running.stdout)
    t.same(await cluster.pids(), before, 'the same nodes, whatever the configuration is called')
  })

  await t.test('an instance that is no longer named is put on standby', async t => {
    const fewer = clusterCfg()
      .replace('sensor-3\n', '')
      .replace(/\n\[worker-2\][^[]*/, '')
    t.same(Object.keys((await client.must('deploy-config -', fewer)).json.results.nodes), [
      'logger-1',
      'manager',
      'worker-1'
    ])
    await until(
      async () => Object.keys((await client.must('get-nodes')).json.results['sensor-3']).length === 1,
      'only the agent is left there'
    )
  })
}
