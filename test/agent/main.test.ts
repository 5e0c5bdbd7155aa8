import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import { mask } from '../../src/security/secrets.js'
import { startTestAgent } from '../support/agent.js'
import { openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'

const config = (env: Record<string, string>) => ({
  instances: [{ name: 'agent-a' }],
  nodes: [
    { name: 'manager', instance: 'agent-a', role: 'MANAGER' },
    { name: 'worker-1', instance: 'agent-a', role: 'WORKER', interface: 'lo', env }
  ]
})

async function start(t: Parameters<typeof startTestController>[0], flags: Record<string, string> = {}) {
  const controller = await startTestController(t)
  const agent = await startTestAgent(t, 'agent-a', controller.settings.controller_port, flags)
  await until(() => controller.controller.instances()[0]?.connected, 'it is connected')
  return { ...controller, agent }
}

await t.test('a node that exits too often becomes FAILED, which operators are told', async t => {
  const { url, ask } = await start(t, { 'agent-restart-max': '2' })
  const stream = await openStream(t, `${url}/v1/events?types=notify_change,notify_error&node=worker-1`)
  await stream.next('hello')
  await ask('stage_configuration', { config: config({ STAND_IN: 'exit=3' }) })
  t.match(
    (await ask('deploy')).results.find(({ node }) => node === 'worker-1'),
    {
      success: false,
      error: 'exited with code 3: fatal error: told to exit',
      data: { stdout: 'last words', stderr: /told to exit/ }
    }
  )
  const events = (await stream.collect(({ type }) => type === 'notify_error')).map(({ json }) => json)
  t.same(
    events.flatMap(({ new_state: state }) => state ?? []),
    ['PENDING', 'CRASHED', 'PENDING', 'FAILED']
  )
  t.match(events.at(-1), {
    instance: 'agent-a',
    node: 'worker-1',
    message: 'node worker-1 has failed: exited with code 3, 2 times in a row'
  })
})

await t.test('a failed node is tried again by the next deployment, and by a restart', async t => {
  const { ask, controller } = await start(t, { 'agent-restart-max': '1' })
  await ask('stage_configuration', { config: config({ STAND_IN: 'exit=1' }) })
  const failing = await ask('deploy')
  t.equal(failing.state, 'partial')
  t.match((await ask('restart', { nodes: ['worker-1'] })).results, [
    {
      node: 'worker-1',
      success: false,
      error: 'could not restart node worker-1: exited with code 1, 1 times in a row: fatal error: told to exit'
    }
  ])
  t.equal(controller.nodes().find(({ node }) => node === 'worker-1')?.state, 'FAILED')
  await ask('stage_configuration', { config: config({}) })
  t.equal((await ask('deploy')).state, 'succeeded')
})

await t.test('a node that hangs and ignores SIGTERM is killed when it is to be another', async t => {
  const { ask, controller } = await start(t, { 'agent-stop-timeout': '0.5' })
  await ask('stage_configuration', { config: config({ STAND_IN: 'hang,ignore-term' }) })
  t.match(
    (await ask('deploy', { check: false }, '?timeout=3')).results.find(({ node }) => node === 'worker-1'),
    { success: false, error: /^(still starting after [0-3] s|request timed out)$/ }
  )
  await ask('stage_configuration', { config: config({}) })
  t.equal((await ask('deploy')).state, 'succeeded')
  t.equal(controller.nodes().find(({ node }) => node === 'worker-1')?.state, 'RUNNING')
})

await t.test('a node that does not answer is a failed result, and costs the others nothing', async t => {
  const { ask } = await start(t)
  await ask('stage_configuration', { config: config({ STAND_IN: 'mute' }) })
  await ask('deploy')
  const { state, results } = await ask('get_id_value', { id: 'Cluster::node' }, '?timeout=1.5')
  t.equal(state, 'partial')
  t.match(Object.fromEntries(results.map(result => [result.node, result])), {
    manager: { success: true, data: { value: '"manager"' } },
    'worker-1': { success: false, error: 'request timed out' }
  })
})

await t.test('an agent masks what is secret in the values of identifiers', async t => {
  // The controller does not know of the name.
  const { ask } = await start(t, { 'management-secrets': 'Demo::community' })
  const { nodes, ...rest } = config({ API_TOKEN: 'swordfish' })
  const options = { 'Demo::api_token': 'hunter22', 'Demo::community': 'public-1', 'Demo::title': 'a swordfish' }
  await ask('stage_configuration', { config: { ...rest, nodes: nodes.map(node => ({ ...node, options })) } })
  t.equal((await ask('deploy')).state, 'succeeded')
  const valueOf = async (id: string) => (await ask('get_id_value', { id, nodes: ['worker-1'] })).results[0]?.data?.value
  t.equal(await valueOf('Demo::api_token'), `"${mask}"`)
  t.equal(await valueOf('Demo::community'), `"${mask}"`)
  t.equal(await valueOf('Demo::title'), `"a ${mask}"`)
  t.equal(await valueOf('Cluster::node'), '"worker-1"')
})

await t.test('a restart that is given up before its turn is not done', async t => {
  const { url, ask } = await start(t, { 'agent-stop-timeout': '1.5' })
  await ask('stage_configuration', { config: config({ STAND_IN: 'ignore-term' }) })
  await ask('deploy')
  const stream = await openStream(t, `${url}/v1/events?types=notify_change,deploy_response`)
  await stream.next('hello')
  // The first one stops the node, which takes its time; the next waits behind it.
  t.match(await ask('restart', { nodes: ['worker-1'] }, '?timeout=0.5'), { results: [{ success: false }] })
  t.match(await ask('restart', { nodes: ['worker-1'] }, '?timeout=0.2'), {
    state: 'timed_out',
    results: [{ error: 'request timed out' }]
  })
  t.equal((await ask('deploy')).state, 'succeeded')
  const events = (await stream.collect(({ type }) => type === 'deploy_response')).map(({ json }) => json)
  t.equal(
    events.filter(({ type, new_state: state }) => type === 'notify_change' && state === 'PENDING').length,
    1,
    'it was started once'
  )
})

await t.test('a node that a deployment leaves out is not listed any more, nor is any on standby', async t => {
  const { ask } = await start(t)
  const listed = async () => (await ask('get_nodes')).results[0]?.data?.nodes?.map(({ node }) => node)
  await ask('stage_configuration', { config: config({}) })
  await ask('deploy')
  t.same(await listed(), ['agent-a', 'manager', 'worker-1'])
  await ask('stage_configuration', { config: { ...config({}), nodes: config({}).nodes.slice(0, 1) } })
  await ask('deploy')
  t.same(await listed(), ['agent-a', 'manager'])
  await ask('stage_configuration', { config: { instances: [], nodes: [] } })
  await ask('deploy')
  await until(async () => (await listed())?.length === 1, 'its nodes are stopped')
})

await t.test('an agent tells of its health as soon as a controller takes it', async t => {
  // Else it would tell in an hour.
  const { url, agent } = await start(t, { 'agent-stats-interval': '3600' })
  const free = async () =>
    /^zeek_cluster_file_system_free_ratio\{instance="agent-a",path="([^"]+)"\} (\S+)$/m.exec(
      await (await fetch(`${url}/metrics`)).text()
    )
  const [, path, ratio] = await until(free, 'it has told')
  t.equal(path, agent.settings.management_state_dir)
  t.ok(Number(ratio) > 0 && Number(ratio) <= 1)
})

await t.test('the last hour of a node outlives its processes, and is told of one that does not run', async t => {
  const { ask } = await start(t, { 'agent-stats-interval': '0.1' })
  await ask('stage_configuration', { config: config({}) })
  await ask('deploy')
  const stats = async (args: object = {}) =>
    (await ask('get_node_stats', { nodes: ['worker-1'], history: true, ...args })).results[0]!
  const points = async () => (await stats()).data?.history ?? []
  await until(async () => (await points()).length > 0, 'it is sampled')
  const [first] = await points()
  t.match(first, { time: String, memory_bytes: Number })
  t.equal((await stats({ history: false })).data?.history, undefined)
  t.equal((await ask('restart', { nodes: ['worker-1'] })).state, 'succeeded')
  t.same((await points())[0], first, 'another process, the same history')
  t.same((await stats({ watch: true, interval: 1, duration: 0.5 })).data?.history?.[0], first, 'watched, too')
  await ask('stop', { nodes: ['worker-1'] })
  t.match(await stats(), {
    success: false,
    error: 'cluster node worker-1 not in running state',
    data: { history: [first], stats: undefined }
  })
})

await t.test('secrets of a node are masked in what it has said last', async t => {
  const { ask } = await start(t)
  await ask('stage_configuration', { config: config({ STAND_IN: 'chatty=1,exit=3', MY_TOKEN: 'chatty line 1' }) })
  const failed = (await ask('deploy', { check: false })).results.find(({ node }) => node === 'worker-1')
  t.match(failed?.data?.stdout, '********\nlast words')
})

await t.test('a restart that another one comes upon succeeds with the process of that one', async t => {
  const { ask } = await start(t)
  await ask('stage_configuration', { config: config({ STAND_IN: 'slow=300' }) })
  await ask('deploy')
  const restarts = await Promise.all([1, 2, 3].map(() => ask('restart', { nodes: ['worker-1'] }, '?timeout=30')))
  t.same(
    restarts.map(({ state }) => state),
    ['succeeded', 'succeeded', 'succeeded']
  )
})

await t.test('a start that a stop comes upon fails, and says so', async t => {
  const { ask, controller } = await start(t)
  await ask('stage_configuration', { config: config({ STAND_IN: 'hang' }) })
  await ask('deploy', { check: false }, '?timeout=1')
  const starting = ask('start', { nodes: ['worker-1'] }, '?timeout=30')
  await until(() => controller.pendingRequests > 0, 'it waits')
  t.equal((await ask('stop', { nodes: ['worker-1'] })).state, 'succeeded')
  t.match(await starting, {
    state: 'failed',
    results: [{ node: 'worker-1', error: 'node worker-1 was stopped by an operator' }]
  })
})

await t.test('an agent that cannot listen leaves nothing running', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  await t.rejects(
    startTestAgent(t, 'agent-a', 1, {
      'agent-controller': 'none',
      'agent-port': String((taken.address() as AddressInfo).port)
    }),
    { code: 'unavailable', message: /^agent_port: cannot listen/ }
  )
  await until(() => timers() <= before + 1, 'its timers have ended')
})
