import t, { type Test } from 'tap'
import { openStream } from '../../support/client.js'
import { startTestController } from '../../support/controller.js'
import { until } from '../../support/until.js'
import {
  configurationOf,
  fakeAgent,
  manager,
  never,
  small,
  status,
  worker,
  type FakeAgentOptions
} from '../fake-agent.js'

type Controller = Awaited<ReturnType<typeof startTestController>>
const agentOf = (t: Test, { settings }: Controller, options?: FakeAgentOptions) =>
  fakeAgent(t, settings.controller_port, options)
const errorsOf = ({ results }: { results: { error?: string }[] }) => results.flatMap(({ error }) => error ?? [])
const twoInstances = configurationOf(
  ['agent-a', 'agent-b'],
  [manager(), worker('worker-1', 'agent-b'), worker('worker-2', 'agent-b')]
)

async function deployed(t: Test, a: FakeAgentOptions = {}, b: FakeAgentOptions = {}) {
  const controller = await startTestController(t)
  const agents = [await agentOf(t, controller, a), await agentOf(t, controller, { name: 'agent-b', ...b })] as const
  await controller.ask('stage_configuration', { config: twoInstances })
  if ((await controller.ask('deploy')).state !== 'succeeded') throw new Error('it is not deployed')
  return { ...controller, agents }
}

/** For tests that leave nothing behind that others mind: a controller takes a third of a second to start. */
const shared = await startTestController(t)

await t.test('get_instances lists who is connected, sorted, in the configuration or not', async t => {
  const controller = await startTestController(t)
  t.match(await controller.ask('get_instances'), {
    state: 'succeeded',
    results: [{ success: true, data: { instances: [] } }]
  })
  for (const name of ['agent-b', 'Agent-c', 'agent-a']) await agentOf(t, controller, { name })
  t.same(
    (await controller.ask('get_instances')).results[0]?.data?.instances,
    ['Agent-c', 'agent-a', 'agent-b'].map(name => ({ name, host: '127.0.0.1' }))
  )
})

await t.test('get_nodes has one result per connected instance', async t => {
  const controller = await startTestController(t)
  await agentOf(t, controller, { name: 'agent-b', hello: { nodes: [status('n', 'CRASHED')] } })
  await agentOf(t, controller)
  const { state, results } = await controller.ask('get_nodes')
  t.equal(state, 'succeeded')
  t.match(Object.fromEntries(results.map(({ instance, data }) => [instance, data?.nodes])), {
    'agent-a': [],
    'agent-b': [status('n', 'CRASHED')]
  })
})

await t.test('get_nodes follows what an agent tells, without asking it', async t => {
  const controller = await startTestController(t)
  const agent = await agentOf(t, controller, { hello: { nodes: [status('n', 'PENDING'), status('old')] } })
  const nodes = async () => (await controller.ask('get_nodes')).results[0]?.data?.nodes
  const stream = await openStream(t, `${controller.url}/v1/events?types=notify_change`)
  await stream.next('hello')
  agent.link.notify('change', { status: status('n', 'PENDING', { pid: 2 }), old_state: 'PENDING', reason: 'started' })
  agent.link.notify('gone', { nodes: ['old', 'never-seen'] })
  agent.link.notify('change', { status: status('n', 'RUNNING', { pid: 2 }), old_state: 'PENDING', reason: 'joined' })
  t.match(
    (await stream.next())?.json,
    { node: 'n', old_state: 'PENDING', new_state: 'RUNNING' },
    'a process ID alone is no event'
  )
  t.match(await nodes(), [{ ...status('n', 'RUNNING', { pid: 2 }), reason: 'joined', since: String }])
  t.same(agent.asked, [])
})

await t.test('without instances there are errors of their own', async t => {
  const { ask } = shared
  t.same(errorsOf(await ask('get_nodes')), ['no instances connected'])
  t.same(errorsOf(await ask('restart')), ['no instances connected'])
  t.same(errorsOf(await ask('get_id_value', { id: 'a' })), ['no cluster deployed'])
})

await t.test('without a deployment nothing can be restarted', async t => {
  const controller = await startTestController(t)
  await agentOf(t, controller)
  t.same(errorsOf(await controller.ask('restart')), ['no active cluster deployment'])
  t.same(errorsOf(await controller.ask('restart', { nodes: ['manager'] })), ['no active cluster deployment'])
})

await t.test('without configurations there are none to get', async t => {
  const { ask } = await startTestController(t)
  t.match(await ask('get_configuration'), {
    state: 'failed',
    results: [{ success: false, error: 'no staged configuration available' }]
  })
  t.same(errorsOf(await ask('get_configuration', { deployed: true })), ['no deployed configuration available'])
})

await t.test('the staged configuration comes back as it was sent', async t => {
  const { ask } = await startTestController(t)
  const config = {
    id: 'mine',
    instances: [{ name: 'agent-a', host: '127.0.0.9', listen_port: 2151 }],
    nodes: [
      {
        ...worker(),
        cpu_affinity: 0,
        metrics_port: 9100,
        scripts: ['zeta', 'alpha'],
        options: { 'Log::x': '1 day' },
        env: { MSG: 'a "b" = c' }
      },
      { ...manager(), port: 5000 }
    ]
  }
  const staged = await ask('stage_configuration', { config })
  t.match(staged, { state: 'succeeded', success: true, results: [{ data: { id: 'mine' } }], warnings: [] })
  t.same((await ask('get_configuration')).results[0]?.data?.configuration, config)
})

await t.test('staging finds every error at once, and keeps what was staged', async t => {
  const { ask } = await startTestController(t)
  await ask('stage_configuration', { config: small('good') })
  const config = {
    instances: [{ name: 'agent-a' }, { name: 'agent-a' }],
    nodes: [worker('w', 'ghost'), worker('v', 'ghost')]
  }
  const { state, results } = await ask('stage_configuration', { config })
  t.equal(state, 'failed')
  t.same(errorsOf({ results }), [
    "multiple instances named 'agent-a'",
    "node 'v' has undeclared instance name 'ghost'",
    "node 'w' has undeclared instance name 'ghost'"
  ])
  t.ok(results.every(({ success, data }) => !success && data === undefined))
  t.equal((await ask('get_configuration')).results[0]?.data?.configuration?.id, 'good')
})

await t.test('warnings come with the success', async t => {
  const { ask } = await startTestController(t)
  t.match(await ask('stage_configuration', { config: configurationOf(['agent-a'], [worker()]) }), {
    state: 'succeeded',
    warnings: ['there are workers, but no manager']
  })
})

await t.test('staging does not touch what is deployed', async t => {
  const { ask, agents, controller } = await deployed(t)
  const before = controller.deployed()
  await ask('stage_configuration', { config: small('other') })
  t.same(controller.deployed(), before)
  t.equal(agents[0].count('deploy'), 1)
})

await t.test('get_id_value asks each instance for its nodes, all of them when none is named', async t => {
  const { ask, agents } = await deployed(t)
  const { state, results } = await ask('get_id_value', { id: 'Cluster::node' })
  t.equal(state, 'succeeded')
  t.same(results.map(({ node, data }) => [node, data?.value]).sort(), [
    ['manager', '"x"'],
    ['worker-1', '"x"'],
    ['worker-2', '"x"']
  ])
  t.match(await agents[1].question('get_id_value'), { id: 'Cluster::node', nodes: ['worker-1', 'worker-2'] })
})

await t.test('agents are asked for the last hour only when that is asked for, and each node has its part', async t => {
  const asked: object[] = []
  const tell = (params: object) => {
    asked.push(params)
    return []
  }
  const { ask } = await deployed(t, { handlers: { get_node_stats: tell } }, { handlers: { get_node_stats: tell } })
  const nodes = ['worker-1']
  await ask('get_node_stats', { nodes })
  await ask('get_node_stats', { nodes, history: false })
  await ask('get_node_stats', { nodes, history: true })
  await ask('get_node_stats', { nodes, history: true, watch: true, interval: 1, duration: 1 })
  t.same(asked, [
    { nodes },
    { nodes },
    { nodes, history: 20_000 },
    { nodes, history: 20_000, watch: { interval: 1, duration: 1 } }
  ])
  await ask('get_node_stats', { history: true })
  t.same(
    asked.slice(4).map((params: any) => params.history),
    [6_666, 6_666],
    'of all three nodes'
  )
})

await t.test('unknown nodes get an error each and are not sent on', async t => {
  const { ask, agents } = await deployed(t)
  const { state, results } = await ask('get_id_value', { id: 'x', nodes: ['ghost', 'worker-2', 'ghost', 'fantom'] })
  t.equal(state, 'partial')
  t.same(results.map(({ node, success, error }) => [node, success, error]).sort(), [
    ['fantom', false, 'unknown cluster node'],
    ['ghost', false, 'unknown cluster node'],
    ['worker-2', true, undefined]
  ])
  t.same((await agents[1].question('get_id_value')).nodes, ['worker-2'])
  t.equal(agents[0].count('get_id_value'), 0)
})

await t.test('what an agent says of its nodes is passed on', async t => {
  const errors = ['unknown id', 'no ID value', 'cluster node worker-2 not in running state']
  const fail = (error: string | undefined, node: string) => ({ success: false, instance: 'agent-b', node, error })
  const { ask } = await deployed(
    t,
    { handlers: { get_id_value: () => [{ ...fail(errors[0], 'manager'), instance: 'agent-a' }] } },
    {
      handlers: {
        get_id_value: () => [fail(errors[1], 'worker-1'), fail(errors[2], 'worker-2')],
        restart: () => [fail('could not restart node worker-1', 'worker-1')]
      }
    }
  )
  const { state, results } = await ask('get_id_value', { id: 'x' })
  t.equal(state, 'failed')
  t.same(errorsOf({ results }).sort(), [...errors].sort())
  t.same(errorsOf(await ask('restart', { nodes: ['worker-1'] })), ['could not restart node worker-1'])
})

await t.test('restart asks only for the nodes that are named', async t => {
  const { ask, agents } = await deployed(t)
  t.match(await ask('restart', { nodes: ['worker-1'] }), {
    state: 'succeeded',
    results: [{ node: 'worker-1', instance: 'agent-b', success: true }]
  })
  t.same(await agents[1].question('restart'), { nodes: ['worker-1'] })
  t.equal(agents[0].count('restart'), 0)
  t.match(await ask('restart', { nodes: ['ghost'] }), {
    state: 'failed',
    results: [{ node: 'ghost', success: false, error: 'unknown cluster node' }]
  })
})

await t.test('nodes of an instance that is not connected fail, the others do not', async t => {
  const { ask, agents, controller } = await deployed(t)
  await agents[1].close()
  await until(() => controller.instances().some(({ connected }) => !connected), 'it is lost')
  const { state, results } = await ask('restart')
  t.equal(state, 'partial')
  t.same(errorsOf({ results }), ['instance agent-b is not connected', 'instance agent-b is not connected'])
})

await t.test('a silent agent is a request that timed out, with what the others said', async t => {
  const { ask } = await deployed(t, {}, { handlers: { get_id_value: never, restart: never } })
  const { state, success, results } = await ask('get_id_value', { id: 'x' }, '?timeout=0.3')
  t.same([state, success], ['timed_out', false])
  t.match(Object.fromEntries(results.map(result => [result.node, result])), {
    manager: { success: true },
    'worker-1': { success: false, error: 'request timed out' }
  })
  t.same(errorsOf(await ask('restart', { nodes: ['worker-1', 'worker-2'] }, '?timeout=0.3')), [
    'request timed out',
    'request timed out'
  ])
})

await t.test('test_timeout with state is answered when its time is over', async t => {
  const { ask } = shared
  t.match(await ask('test_timeout', { with_state: true }, '?timeout=0.1'), {
    state: 'timed_out',
    success: false,
    results: [{ success: false, error: 'request timed out' }]
  })
})

await t.test('test_timeout without state expires', async t => {
  const { ask } = shared
  const { state, results } = await ask('test_timeout', {}, '?timeout=0.1')
  t.same([state, results], ['expired', []])
})
