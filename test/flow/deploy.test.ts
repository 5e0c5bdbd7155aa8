import t from 'tap'
import { getJson, openStream } from '../support/client.js'
import { isRunning } from '../support/running.js'
import { until } from '../support/until.js'
import { Cluster, configurationOf } from './cluster.js'

const three = ['sensor-1', 'sensor-2', 'sensor-3'] as const
const names = (results: { node?: string }[]) => results.map(({ node }) => node)

await t.test('a cluster of three instances', { timeout: 300_000 }, async t => {
  const cluster = new Cluster(t)
  await cluster.start(three)

  await t.test('is deployed, with progress per instance before the response', async t => {
    await cluster.ask('stage_configuration', { config: configurationOf(three) })
    const response = await fetch(`${cluster.url}/v1/requests/deploy`, { method: 'POST' })
    t.equal(response.status, 202)
    const { reqid } = (await response.json()) as { reqid: string }
    const stream = await openStream(t, `${cluster.url}/v1/requests/${reqid}/events`)
    const events = (await stream.collect()).map(({ json }) => json)
    t.same(
      events.map(({ type }) => type),
      [
        'hello',
        'deploy_request',
        'request_progress',
        'request_progress',
        'request_progress',
        'deploy_response',
        'goodbye'
      ]
    )
    t.same(
      new Set(events.flatMap(({ type, instance }) => (type === 'request_progress' ? [instance] : []))),
      new Set(three)
    )
    const { results, state } = events.find(({ type }) => type === 'deploy_response')
    t.equal(state, 'succeeded')
    t.same(new Set(names(results)), new Set(['manager', 'logger-1', 'worker-1', 'worker-2', undefined]))
  })

  await t.test('tells what runs', async t => {
    const { results, state } = await cluster.ask('get_nodes')
    t.equal(state, 'succeeded')
    const statuses = results.flatMap(({ data }) => data?.nodes ?? [])
    t.match(
      statuses.find(({ node }) => node === 'controller'),
      { state: 'RUNNING', mgmt_role: 'CONTROLLER', pid: Number }
    )
    t.match(
      statuses.find(({ node }) => node === 'sensor-2'),
      { state: 'RUNNING', mgmt_role: 'AGENT', pid: Number }
    )
    t.match(
      statuses.find(({ node }) => node === 'worker-1'),
      { state: 'RUNNING', mgmt_role: 'NODE', cluster_role: 'WORKER', pid: Number, metrics_port: Number }
    )
    const [own] = await getJson(`${cluster.url}/v1/prometheus/targets?proxy=false`)
    const [proxied] = await getJson(`${cluster.url}/v1/prometheus/targets`)
    for (const url of [
      `http://${own.targets[0]}/metrics`,
      `http://${proxied.targets[0]}${proxied.labels.__metrics_path__}`
    ]) {
      t.match(await (await fetch(url)).text(), new RegExp(`zeek_version_info\\{.*node="${own.labels.node}"`))
    }
  })

  await t.test('answers with the values of identifiers', async t => {
    const all = await cluster.ask('get_id_value', { id: 'Cluster::node' })
    t.same(Object.fromEntries(all.results.map(({ node, data }) => [node, data?.value])), {
      manager: '"manager"',
      'logger-1': '"logger-1"',
      'worker-1': '"worker-1"',
      'worker-2': '"worker-2"'
    })
    const some = await cluster.ask('get_id_value', { id: 'nosuchid', nodes: ['worker-1', 'ghost'] })
    t.equal(some.state, 'failed')
    t.same(Object.fromEntries(some.results.map(({ node, error }) => [node, error])), {
      'worker-1': 'unknown id',
      ghost: 'unknown cluster node'
    })
    t.match(await cluster.ask('get_id_value', { id: 'Demo::no_value', nodes: ['manager'] }), {
      results: [{ node: 'manager', error: 'no ID value' }]
    })
  })

  await t.test('restarts one node and leaves the others alone', async t => {
    const before = await cluster.pids()
    const { results } = await cluster.ask('restart', { nodes: ['worker-1'] })
    t.match(results, [{ node: 'worker-1', success: true }])
    const after = await cluster.pids()
    t.not(after['worker-1'], before['worker-1'])
    t.same({ ...after, 'worker-1': 0 }, { ...before, 'worker-1': 0 })
  })

  await t.test('starts a crashed node again, and says so', async t => {
    const stream = await openStream(t, `${cluster.url}/v1/events?types=notify_change&node=worker-2`)
    await stream.next('hello')
    const { pid } = await cluster.reaches('worker-2', 'RUNNING')
    process.kill(pid!, 'SIGKILL')
    const changes = (await stream.collect(({ new_state: state }) => state === 'RUNNING')).map(({ json }) => [
      json.old_state,
      json.new_state
    ])
    t.same(changes, [
      ['RUNNING', 'CRASHED'],
      ['CRASHED', 'PENDING'],
      ['PENDING', 'RUNNING']
    ])
    stream.close()
  })

  await t.test('does nothing when the same configuration is deployed again, whatever its id', async t => {
    const before = await cluster.pids()
    t.equal((await cluster.ask('deploy')).state, 'succeeded')
    t.equal(
      (await cluster.deploy({ ...configurationOf(three), id: 'another-id' })).results.at(-1)?.data?.id,
      'another-id'
    )
    t.same(await cluster.pids(), before)
  })

  await t.test('restarts only the node that differs', async t => {
    const before = await cluster.pids()
    const changed = configurationOf(three, [
      { name: 'worker-2', options: { 'Demo::level': '5' }, env: { MSG: 'hello world' } }
    ])
    t.equal((await cluster.deploy(changed)).state, 'succeeded')
    const after = await cluster.pids()
    t.not(after['worker-2'], before['worker-2'])
    t.same({ ...after, 'worker-2': 0 }, { ...before, 'worker-2': 0 })
    t.match(await cluster.ask('get_id_value', { id: 'Demo::level', nodes: ['worker-2'] }), {
      results: [{ data: { value: '5' } }]
    })
  })

  await t.test('restarts every node when it is forced', async t => {
    const before = await cluster.pids()
    t.equal((await cluster.ask('deploy', { force: true })).state, 'succeeded')
    const after = await cluster.pids()
    t.same(
      Object.keys(after).filter(name => after[name] === before[name]),
      []
    )
  })

  await t.test('reports a node that fails to start at its first exit, with its outputs', async t => {
    const failing = configurationOf(three, [{ name: 'worker-2', scripts: ['nosuchscript'] }])
    const { state, results } = await cluster.deploy(failing, { check: false })
    t.equal(state, 'partial')
    t.match(
      results.find(({ node }) => node === 'worker-2'),
      {
        success: false,
        instance: 'sensor-3',
        error: "exited with code 1: fatal error: can't find nosuchscript",
        data: { stdout: '', stderr: /fatal error: can't find nosuchscript/ }
      }
    )
    t.equal((await cluster.deploy(configurationOf(three))).state, 'succeeded')
  })

  await t.test('times out at the agent, which names the node that is missing', async t => {
    const hanging = configurationOf(three, [{ name: 'worker-2', env: { STAND_IN: 'hang' } }])
    await cluster.ask('stage_configuration', { config: hanging })
    const { state, results } = await cluster.ask('deploy', { check: false }, '?timeout=4')
    t.equal(state, 'partial')
    t.match(
      results.find(({ node }) => node === 'worker-2'),
      { success: false, instance: 'sensor-3', error: /^still starting after [0-4] s$/ }
    )
    t.equal((await cluster.node('worker-2'))?.state, 'PENDING')
    t.equal((await cluster.deploy(configurationOf(three))).state, 'succeeded')
  })

  await t.test('times out at the controller when an agent is silent', async t => {
    const { pid } = (await cluster.node('sensor-3'))!
    process.kill(pid!, 'SIGSTOP')
    const { state, results } = await cluster.ask('get_id_value', { id: 'Cluster::node' }, '?timeout=0.5')
    process.kill(pid!, 'SIGCONT')
    t.equal(state, 'timed_out')
    t.match(
      results.find(({ instance }) => instance === 'sensor-3'),
      { success: false, error: 'request timed out' }
    )
    t.equal(results.filter(({ success }) => success).length, 3)
    await cluster.connected(...three)
  })

  await t.test('keeps its nodes when an agent is lost, and knows them again when it is back', async t => {
    const before = await cluster.pids()
    const stream = await openStream(
      t,
      `${cluster.url}/v1/events?types=notify_agent_lost,notify_agent_hello,notify_agents_ready,notify_change`
    )
    await stream.next('hello')
    process.kill((await cluster.node('sensor-2'))!.pid!, 'SIGKILL')
    t.match(await stream.next('notify_agent_lost'), { json: { instance: 'sensor-2' } })
    t.match(await stream.next('notify_change'), {
      json: { node: 'worker-1', old_state: 'RUNNING', new_state: 'UNKNOWN' }
    })
    t.match(await stream.next('notify_agent_hello'), { json: { instance: 'sensor-2' } })
    t.match(await stream.next('notify_agents_ready'), { json: { instances: [...three] } })
    await cluster.reaches('worker-1', 'RUNNING')
    stream.close()
    t.same(await cluster.pids(), before)
  })

  await t.test(
    'does not hold up the others for an instance that is not connected, and brings it in when it comes',
    async t => {
      await cluster.hosts.get('sensor-3')!.stop()
      const changed = configurationOf(three, [{ name: 'worker-1', options: { 'Demo::level': '6' } }])
      const { state, results } = await cluster.deploy(changed)
      t.equal(state, 'partial')
      t.match(
        results.filter(({ success }) => !success),
        [{ node: 'worker-2', instance: 'sensor-3', error: 'instance sensor-3 is not connected' }]
      )
      t.equal((await cluster.node('worker-2'))?.state, 'UNKNOWN')
      await cluster.startHost('sensor-3', false)
      await cluster.reaches('worker-2', 'RUNNING')
    }
  )

  await t.test('puts an instance that is no longer in the configuration on standby', async t => {
    const { pid } = (await cluster.node('worker-2'))!
    t.equal((await cluster.deploy(configurationOf(three.slice(0, 2)))).state, 'succeeded')
    await until(() => !isRunning(pid!), 'worker-2 is stopped')
    await cluster.connected('sensor-3')
    t.equal(await cluster.node('worker-2'), undefined)
  })

  await t.test('stops everything for an empty configuration', async t => {
    const before = Object.values(await cluster.pids())
    const { state, results } = await cluster.deploy({ instances: three.map(name => ({ name })), nodes: [] })
    t.equal(state, 'succeeded')
    t.equal(results.length, 1)
    t.same(
      before.filter(pid => isRunning(pid!)),
      []
    )
  })
})
