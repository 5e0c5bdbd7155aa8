import t, { type Test } from 'tap'
import { openStream } from '../../support/client.js'
import { startTestController } from '../../support/controller.js'
import { until } from '../../support/until.js'
import { configurationOf, fakeAgent, manager, never, small, worker, type FakeAgentOptions } from '../fake-agent.js'

type Controller = Awaited<ReturnType<typeof startTestController>>
const agentOf = (t: Test, { settings }: Controller, options?: FakeAgentOptions) =>
  fakeAgent(t, settings.controller_port, options)
const two = (id?: string) =>
  configurationOf(['agent-a', 'agent-b'], [manager(), worker('worker-1', 'agent-b'), worker('worker-2', 'agent-b')], id)
const finding = { level: 'error', message: 'syntax error, at or near "}"', file: '/x.zeek', line: 3 }
/** Finds fault with worker-2. */
const strict = ({ nodes }: { nodes: string[] }) =>
  nodes.map(node => ({
    instance: 'agent-b',
    node,
    ...(node === 'worker-2'
      ? { success: false, error: '/x.zeek:3: syntax error, at or near "}"', data: { findings: [finding] } }
      : { success: true, data: { findings: [] } })
  }))
const nodesOf = (results: readonly { node?: string; success: boolean; error?: string }[]) =>
  results.map(({ node, success, error }) => [node, success, error])

await t.test('what is staged is checked, node by node, each on its instance', async t => {
  const controller = await startTestController(t)
  const [a, b] = [
    await agentOf(t, controller),
    await agentOf(t, controller, { name: 'agent-b', handlers: { check: strict } })
  ]
  t.match(await controller.ask('check'), {
    state: 'failed',
    results: [{ success: false, error: 'no configuration available to check' }]
  })
  await controller.ask('stage_configuration', { config: two('c1') })
  const { state, results } = await controller.ask('check')
  t.equal(state, 'partial')
  t.match(
    results.sort((x, y) => (x.node! < y.node! ? -1 : 1)),
    [
      { instance: 'agent-a', node: 'manager', success: true, data: { findings: [] } },
      { instance: 'agent-b', node: 'worker-1', success: true },
      {
        instance: 'agent-b',
        node: 'worker-2',
        success: false,
        error: '/x.zeek:3: syntax error, at or near "}"',
        data: { findings: [finding] }
      }
    ]
  )
  t.match(await a.question('check'), { nodes: ['manager'], share: { config_id: 'c1', nodes: [{ name: 'manager' }] } })
  t.match(await b.question('check'), {
    nodes: ['worker-1', 'worker-2'],
    share: { config_id: 'c1', nodes: [{ name: 'worker-1', metrics_port: Number }, { name: 'worker-2' }] }
  })
  t.same([a.count('deploy'), b.count('deploy'), controller.controller.deployed()], [0, 0, undefined])
})

await t.test('a selector says which, of what is deployed if that is asked for', async t => {
  const controller = await startTestController(t)
  const agent = await agentOf(t, controller)
  t.match(await controller.ask('check', { deployed: true }), {
    state: 'failed',
    results: [{ error: 'no configuration available to check' }]
  })
  await controller.ask('stage_configuration', { config: small('deployed') })
  await controller.ask('deploy')
  await controller.ask('stage_configuration', {
    config: configurationOf(['agent-a'], [manager(), worker('worker-9')], 'staged')
  })
  t.same(nodesOf((await controller.ask('check', { nodes: ['worker-9', 'worker-1'] })).results).sort(), [
    ['worker-1', false, 'unknown cluster node'],
    ['worker-9', true, undefined]
  ])
  t.same(nodesOf((await controller.ask('check', { deployed: true, roles: ['WORKER'] })).results), [
    ['worker-1', true, undefined]
  ])
  const [, staged, deployed] = agent.asked.filter(({ method }) => method === 'check').map(({ params }) => params)
  t.match(
    [staged, deployed],
    [
      { nodes: ['worker-9'], share: { config_id: 'staged' } },
      { nodes: ['worker-1'], share: (await agent.question('deploy')).share }
    ]
  )
})

await t.test('an instance that is not connected fails its nodes; errors of the plan come alone', async t => {
  const controller = await startTestController(t)
  await agentOf(t, controller)
  await controller.ask('stage_configuration', { config: two() })
  t.same(nodesOf((await controller.ask('check')).results).sort(), [
    ['manager', true, undefined],
    ['worker-1', false, 'instance agent-b is not connected'],
    ['worker-2', false, 'instance agent-b is not connected']
  ])
  const other = await agentOf(t, controller, { name: 'agent-b', hello: { host: '10.0.0.2' } })
  t.match(nodesOf((await controller.ask('check')).results), [
    [undefined, false, /^loopback and other addresses cannot be mixed: /]
  ])
  t.equal(other.count('check'), 0)
})

await t.test('the layout of what is checked can be had while it is, and no longer', async t => {
  const controller = await startTestController(t)
  let share: any
  const agent = await agentOf(t, controller, {
    handlers: {
      check: async params => {
        share = params.share
        t.same(
          (await agent.layoutOf(share)).nodes.map(({ name }) => name),
          ['manager', 'worker-1']
        )
        return params.nodes.map((node: string) => ({ success: true, instance: 'agent-a', node }))
      }
    }
  })
  await controller.ask('stage_configuration', { config: small() })
  t.equal((await controller.ask('check')).state, 'succeeded')
  await t.rejects(agent.layoutOf(share), { code: 'not_found' })
})

await t.test("agents of one machine are told of each other's processes, whose ports will be free", async t => {
  const controller = await startTestController(t)
  const nodes = (node: string, pid: number) => [
    { node, state: 'RUNNING', mgmt_role: 'NODE', cluster_role: 'WORKER', pid },
    { node: `agent-of-${node}`, state: 'RUNNING', mgmt_role: 'AGENT', pid: 1 }
  ]
  const a = await agentOf(t, controller, { hello: { machine: 'm', nodes: nodes('x', 11) } })
  await agentOf(t, controller, { name: 'agent-b', hello: { machine: 'm', nodes: nodes('y', 12) } })
  await agentOf(t, controller, { name: 'agent-c', hello: { nodes: nodes('z', 13) } })
  await controller.ask('stage_configuration', { config: small() })
  await controller.ask('check')
  t.same((await a.question('check')).processes, [11, 12])
})

await t.test('a deployment that fails its check changes nothing anywhere, and tells only what has failed', async t => {
  const controller = await startTestController(t)
  const a = await agentOf(t, controller)
  let check = (_params: any): object[] => []
  const b = await agentOf(t, controller, { name: 'agent-b', handlers: { check: params => check(params) } })
  const gone = await agentOf(t, controller, { name: 'agent-c' })
  check = ({ nodes }) => nodes.map((node: string) => ({ success: true, instance: 'agent-b', node }))
  const before = two('before')
  before.instances.push({ name: 'agent-c' })
  await controller.ask('stage_configuration', { config: before })
  t.equal((await controller.ask('deploy')).state, 'succeeded')
  check = strict
  await controller.ask('stage_configuration', { config: two('after') })
  const stream = await openStream(t, `${controller.url}/v1/events?types=request_progress,deploy_response`)
  await stream.next('hello')
  const { state, results } = await controller.ask('deploy')
  t.equal(state, 'failed')
  t.same(nodesOf(results), [['worker-2', false, '/x.zeek:3: syntax error, at or near "}"']])
  t.match(results[0], { data: { findings: [finding] } })
  t.match((await stream.next())?.json, {
    type: 'request_progress',
    instance: 'agent-b',
    results: [{ node: 'worker-2' }]
  })
  t.match((await stream.next())?.json, { type: 'deploy_response', success: false })
  t.equal(controller.controller.deployed()?.id, 'before')
  t.same(
    [a, b, gone].map(agent => [agent.count('deploy'), agent.count('standby')]),
    [
      [1, 0],
      [1, 0],
      [1, 0]
    ]
  )
  t.same((await controller.ask('deploy', { check: false })).results.at(-1)?.data, { id: 'after', revision: 2 })
})

await t.test(
  'a check that times out, and an agent that is lost in the middle, keep a deployment from being',
  async t => {
    const controller = await startTestController(t)
    const agent = await agentOf(t, controller, { handlers: { check: never } })
    await controller.ask('stage_configuration', { config: small() })
    const late = await controller.ask('deploy', {}, '?timeout=0.4')
    t.equal(late.state, 'timed_out')
    t.same(nodesOf(late.results), [
      ['manager', false, 'request timed out'],
      ['worker-1', false, 'request timed out']
    ])
    const deploying = controller.ask('deploy')
    await until(() => agent.count('check') === 2, 'it is asked')
    await agent.close()
    const lost = await deploying
    t.equal(lost.state, 'failed')
    t.match(
      lost.results,
      ['manager', 'worker-1'].map(node => ({ instance: 'agent-a', node, success: false, error: /the link is closed/ }))
    )
    t.same([controller.controller.deployed(), agent.count('deploy')], [undefined, 0])
  }
)

await t.test('an instance that is not connected is not checked, and does not hold up a deployment', async t => {
  const controller = await startTestController(t, { 'controller-connect-grace': '0.3' })
  await agentOf(t, controller)
  const config = { ...two('c'), instances: ['agent-a', 'agent-b'].map(name => ({ name, host: '127.0.0.1' })) }
  await controller.ask('stage_configuration', { config })
  const { state, results } = await controller.ask('deploy')
  t.equal(state, 'partial')
  t.same(nodesOf(results.slice(0, -1)).sort(), [
    ['manager', true, undefined],
    ['worker-1', false, 'instance agent-b is not connected'],
    ['worker-2', false, 'instance agent-b is not connected']
  ])
  const back = await agentOf(t, controller, { name: 'agent-b' })
  await back.question('deploy')
  t.equal(back.count('check'), 0, 'one that comes is brought to what is deployed, without a check')
})

await t.test('two checks at once, and one beside a deployment, each have their answers', async t => {
  const controller = await startTestController(t)
  const answers: (() => void)[] = []
  const agent = await agentOf(t, controller, {
    handlers: {
      check: async ({ nodes }) => {
        await new Promise<void>(resolve => answers.push(resolve))
        return nodes.map((node: string) => ({ success: true, instance: 'agent-a', node }))
      }
    }
  })
  await controller.ask('stage_configuration', { config: small() })
  const all = [controller.ask('check'), controller.ask('check', { nodes: ['manager'] }), controller.ask('deploy')]
  await until(() => answers.length === 3, 'all are under way')
  const { share } = await agent.question('check')
  answers[0]!()
  await Promise.race(all)
  t.equal((await agent.layoutOf(share)).nodes.length, 2, 'the others still need it')
  for (const answer of answers) answer()
  t.same(
    (await Promise.all(all)).map(({ state, results }) => [state, results.length]),
    [
      ['succeeded', 2],
      ['succeeded', 1],
      ['succeeded', 3]
    ]
  )
})

await t.test('different versions of Zeek are a warning of checks and deployments', async t => {
  const controller = await startTestController(t)
  await agentOf(t, controller, { hello: { zeek_version: '9.0.0' } })
  await agentOf(t, controller, { name: 'agent-b', hello: { zeek_version: '8.1.0' } })
  await agentOf(t, controller, { name: 'agent-c', hello: { zeek_version: '7.0.0' } })
  await controller.ask('stage_configuration', { config: two() })
  const odd = ['instances have different versions of Zeek: 9.0.0 (agent-a), 8.1.0 (agent-b)']
  t.same((await controller.ask('check')).warnings, odd)
  t.same((await controller.ask('deploy')).warnings, odd)
  await controller.ask('stage_configuration', { config: small() })
  t.same((await controller.ask('check')).warnings, [], 'who takes no part does not count')
})
