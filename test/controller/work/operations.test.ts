import t, { type Test } from 'tap'
import type { ClusterRequest } from '../../../schemas/api.js'
import type { Handlers } from '../../../src/link/link.js'
import { aborted } from '../../../src/util.js'
import { getJson, openStream } from '../../support/client.js'
import { startTestController } from '../../support/controller.js'
import { until } from '../../support/until.js'
import {
  configurationOf,
  fakeAgent,
  manager,
  never,
  stateDir,
  status,
  worker,
  type FakeAgentOptions
} from '../fake-agent.js'

const config = configurationOf(
  ['agent-a', 'agent-b'],
  [manager(), worker('worker-1'), worker('worker-2'), worker('worker-3', 'agent-b')]
)
const [managerHere, workerHere] = [status('manager', 'RUNNING', { cluster_role: 'MANAGER' }), status('worker-1')]

async function deployed(
  t: Test,
  { a = {}, b = {}, flags = {} }: { a?: FakeAgentOptions; b?: FakeAgentOptions; flags?: Record<string, string> } = {}
) {
  const controller = await startTestController(t, { 'management-state-dir': stateDir(t), ...flags })
  const agents = [
    await fakeAgent(t, controller.settings.controller_port, {
      hello: { nodes: [managerHere, workerHere, status('worker-2')] },
      ...a
    }),
    await fakeAgent(t, controller.settings.controller_port, {
      name: 'agent-b',
      hello: { nodes: [status('worker-3')] },
      ...b
    })
  ] as const
  await controller.ask('stage_configuration', { config })
  if ((await controller.ask('deploy')).state !== 'succeeded') throw new Error('it is not deployed')
  return { ...controller, agents }
}

const desiredOf = async (url: string) =>
  Object.fromEntries(
    (await getJson(`${url}/v1/nodes`)).nodes
      .filter(({ mgmt_role: role }: any) => role === 'NODE')
      .map(({ node, desired_state: desired }: any) => [node, desired])
  )
const told = ({ results }: ClusterRequest) =>
  Object.fromEntries(
    results.map(({ node, instance, success, error }) => [node ?? instance ?? '', success ? 'success' : error])
  )

await t.test('stop and start ask the instances of the selected nodes, and keep what these are to be', async t => {
  const {
    ask,
    url,
    agents: [a, b]
  } = await deployed(t)
  t.match(await ask('stop', { roles: ['WORKER'], instances: ['agent-a'] }), {
    state: 'succeeded',
    results: [
      { node: 'worker-1', instance: 'agent-a', success: true },
      { node: 'worker-2', success: true }
    ]
  })
  t.same(
    a.asked.filter(({ method }) => method === 'stop'),
    [{ method: 'stop', params: { nodes: ['worker-1', 'worker-2'] } }]
  )
  t.equal(b.count('stop'), 0)
  t.same(await desiredOf(url), {
    manager: 'RUNNING',
    'worker-1': 'STOPPED',
    'worker-2': 'STOPPED',
    'worker-3': 'RUNNING'
  })
  t.match(
    (await ask('get_nodes')).results[0]?.data?.nodes?.find(({ node }) => node === 'worker-1'),
    { state: 'RUNNING', desired_state: 'STOPPED' },
    'the wish is beside what is'
  )

  t.match(await ask('start', { nodes: ['worker-1'] }), { state: 'succeeded', results: [{ node: 'worker-1' }] })
  t.equal((await desiredOf(url))['worker-1'], 'RUNNING')
})

await t.test('what nodes are to be outlives deployments, as long as the node is deployed', async t => {
  const {
    ask,
    url,
    agents: [a]
  } = await deployed(t)
  await ask('stop', { nodes: ['worker-1', 'worker-3'] })
  const wishes = () =>
    a.asked
      .filter(({ method }) => method === 'deploy')
      .at(-1)
      ?.params.share.nodes.map(({ name, desired_state: desired }: any) => [name, desired])
  await ask('deploy')
  t.same(wishes(), [
    ['manager', undefined],
    ['worker-1', 'STOPPED'],
    ['worker-2', undefined]
  ])
  await ask('stage_configuration', { config: configurationOf(['agent-a', 'agent-b'], [manager(), worker('worker-1')]) })
  await ask('deploy')
  await ask('stage_configuration', { config })
  await ask('deploy')
  t.same(
    await desiredOf(url),
    { manager: 'RUNNING', 'worker-1': 'STOPPED', 'worker-2': 'RUNNING', 'worker-3': 'RUNNING' },
    'worker-3 was not deployed in between'
  )
})

await t.test('what nodes are to be outlives the controller, and is told to an agent that was away', async t => {
  const first = await deployed(t)
  const [a, b] = first.agents
  await b.close()
  await until(async () => !(await getJson(`${first.url}/v1/instances`)).instances[1].connected, 'agent-b is away')
  const stopped = await first.ask('stop', { roles: ['WORKER'] })
  t.same(
    [stopped.state, told(stopped)],
    ['partial', { 'worker-1': 'success', 'worker-2': 'success', 'worker-3': 'instance agent-b is not connected' }]
  )
  await a.close()
  await first.close()

  const second = await startTestController(t, { 'management-state-dir': first.settings.management_state_dir })
  t.same(await desiredOf(second.url), {
    manager: 'RUNNING',
    'worker-1': 'STOPPED',
    'worker-2': 'STOPPED',
    'worker-3': 'STOPPED'
  })
  const again = await fakeAgent(t, second.settings.controller_port, { name: 'agent-b' })
  const { share } = await again.question('deploy')
  t.match(share.nodes, [{ name: 'worker-3', desired_state: 'STOPPED' }])
})

await t.test('who is not known, or not deployed, is told', async t => {
  const controller = await startTestController(t)
  for (const type of ['start', 'stop'] as const) {
    t.match(await controller.ask(type), { state: 'failed', results: [{ error: 'no active cluster deployment' }] })
  }
  const { ask } = await deployed(t)
  t.match(told(await ask('stop', { nodes: ['ghost', 'worker-1'] })), {
    ghost: 'unknown cluster node',
    'worker-1': 'success'
  })
  t.match(await ask('start', { instances: ['nowhere'] }), {
    state: 'failed',
    results: [{ instance: 'nowhere', error: 'unknown instance' }]
  })
  t.match(await ask('stop', { roles: ['PROXY'] }), { state: 'failed', results: [{ error: 'no node is selected' }] })
  await t.rejects(ask('stop', { roles: ['worker'] }), /body\/roles\/0/)
  await t.rejects(ask('restart', { max_parallel: 0 }), /body\/max_parallel/)
  await t.rejects(ask('restart', { strategy: 'slowly' }), /body\/strategy/)
})

await t.test('a failure without a text is not taken from an agent: one says so in its place', async t => {
  const { ask } = await deployed(t, {
    a: { handlers: { stop: () => [{ success: false, instance: 'agent-a', node: 'manager' }] } }
  })
  t.match(told(await ask('stop', { nodes: ['manager'] })), { manager: /agent-a\/0\/error is required/ })
})

await t.test('what an agent waits for is told as progress of the request, without results', async t => {
  const waiting = [{ node: 'worker-3', state: 'stopping', seconds: 12 }]
  const stop: Handlers[string] = (_, { part }) => {
    part(waiting)
    return [{ success: true, instance: 'agent-b', node: 'worker-3' }]
  }
  const { ask, url } = await deployed(t, { b: { handlers: { stop } } })
  const stream = await openStream(t, `${url}/v1/events?types=request_progress,stop_response`)
  await stream.next('hello')
  const { results } = await ask('stop', { nodes: ['worker-3'] })
  t.equal(results.length, 1)
  t.match((await stream.next())?.json, { type: 'request_progress', instance: 'agent-b', results: [], waiting })
  t.match((await stream.next())?.json, { type: 'request_progress', instance: 'agent-b', results, waiting: undefined })
})

await t.test('an agent that dies in the middle gives a result for each of its nodes', async t => {
  const {
    ask,
    agents: [, b]
  } = await deployed(t, { b: { handlers: { stop: never } } })
  const asked = ask('stop')
  await b.question('stop')
  await b.close()
  const request = await asked
  t.equal(request.state, 'partial')
  t.match(told(request), { manager: 'success', 'worker-3': /the link is closed/ })
})

await t.test('a restart leaves out what is to be stopped, and says so of what was named', async t => {
  const {
    ask,
    agents: [a]
  } = await deployed(t)
  await ask('stop', { nodes: ['worker-1'] })
  t.same(told(await ask('restart', { roles: ['WORKER'], instances: ['agent-a'] })), { 'worker-2': 'success' })
  t.same(a.asked.at(-1), { method: 'restart', params: { nodes: ['worker-2'] } })
  t.same(told(await ask('restart', { nodes: ['worker-1', 'worker-2'] })), {
    'worker-1': 'node worker-1 was stopped by an operator',
    'worker-2': 'success'
  })
})

await t.test(
  'a rolling restart goes by role, so many at a time, the next only when all of the last are back',
  async t => {
    const asked: string[] = []
    let running = 0
    const noting =
      (instance: string) =>
      async ({ nodes }: { nodes: string[] }) => {
        running += nodes.length
        asked.push(`${nodes.join()} (${running})`)
        await new Promise(resolve => setImmediate(resolve))
        running -= nodes.length
        return nodes.map(node => ({ success: true, instance, node }))
      }
    const { ask } = await deployed(t, {
      a: { handlers: { restart: noting('agent-a') } },
      b: { handlers: { restart: noting('agent-b') } }
    })
    t.equal((await ask('restart', { strategy: 'rolling' })).state, 'succeeded')
    t.same(asked, ['manager (1)', 'worker-1 (1)', 'worker-2 (1)', 'worker-3 (1)'])
    asked.length = 0
    t.equal((await ask('restart', { strategy: 'rolling', max_parallel: 2, roles: ['WORKER'] })).state, 'succeeded')
    t.same(asked, ['worker-1,worker-2 (2)', 'worker-3 (1)'])
  }
)

await t.test('a rolling restart ends at the first node that does not come back', async t => {
  const failing = ({ nodes }: { nodes: string[] }) =>
    nodes.map(node => ({
      success: node !== 'worker-1',
      instance: 'agent-a',
      node,
      ...(node === 'worker-1' ? { error: `could not restart node ${node}` } : {})
    }))
  const {
    ask,
    agents: [, b]
  } = await deployed(t, { a: { handlers: { restart: failing } } })
  const request = await ask('restart', { strategy: 'rolling' })
  t.equal(request.state, 'partial')
  t.same(told(request), {
    manager: 'success',
    'worker-1': 'could not restart node worker-1',
    'worker-2': 'not restarted: node worker-1 has not come back',
    'worker-3': 'not restarted: node worker-1 has not come back'
  })
  t.equal(b.count('restart'), 0)
})

await t.test('a step that hangs does not take the time of all: who is left is told, too', async t => {
  const { ask } = await deployed(t, { a: { handlers: { restart: never } } })
  const request = await ask('restart', { strategy: 'rolling' }, '?timeout=1')
  t.same(told(request), {
    manager: 'request timed out',
    ...Object.fromEntries([1, 2, 3].map(n => [`worker-${n}`, 'not restarted: node manager has not come back']))
  })
})

await t.test('who does not answer in time is told with what it has said last that it waits for', async t => {
  const restart: Handlers[string] = async (_params, { part, signal }) => {
    part([{ node: 'manager', state: 'stopping', seconds: 1 }])
    part([
      { node: 'worker-1', state: 'starting', seconds: 100 },
      { node: 'worker-3', state: 'starting', seconds: 100 }
    ])
    await aborted(signal)
    return await never()
  }
  const { ask } = await deployed(t, { a: { handlers: { restart } } })
  const request = await ask('restart', { instances: ['agent-a'] }, '?timeout=1')
  t.equal(request.state, 'timed_out')
  t.match(told(request), {
    manager: 'request timed out',
    'worker-1': /^still starting after 10\d s$/,
    'worker-2': 'request timed out'
  })
})

await t.test('each step of a rolling restart has the time of its type', async t => {
  const { ask } = await deployed(t, { flags: { 'controller-timeout-restart': '7', 'controller-timeout-max': '20' } })
  const secondsOf = ({ created_at: from, expires_at: to }: ClusterRequest) => (Date.parse(to) - Date.parse(from)) / 1000
  t.equal(secondsOf(await ask('restart', { roles: ['WORKER'] })), 7)
  t.equal(secondsOf(await ask('restart', { roles: ['WORKER'], strategy: 'rolling', max_parallel: 2 })), 14)
  t.equal(secondsOf(await ask('restart', { strategy: 'rolling' })), 20, 'the most that a request may have')
})
