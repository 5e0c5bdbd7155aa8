import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import t, { type Test } from 'tap'
import type { ClusterRequest } from '../../schemas/api.js'
import { startTestAgent } from '../support/agent.js'
import { getJson, openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import { configurationOf } from './cluster.js'

const sensors = ['sensor-1', 'sensor-2', 'sensor-3']
const base = configurationOf(sensors)
const workers = ['worker-1', 'worker-2', 'worker-3', 'worker-4', 'worker-5', 'worker-6']

/** A configuration with six workers on two sensors, each with this environment. */
const configured = (env: Record<string, string> = {}, names = workers) => ({
  ...base,
  nodes: [
    ...base.nodes.filter(({ role }) => role !== 'WORKER'),
    ...names.map((name, n) => ({
      name,
      instance: sensors[1 + (n % 2)]!,
      role: 'WORKER' as const,
      interface: 'lo',
      env
    }))
  ]
})

/** A cluster of six workers that is deployed. */
async function startCluster(t: Test, flags: Record<string, string> = {}) {
  const controller = await startTestController(t, flags)
  const { url, settings, ask } = controller
  const agents = new Map(
    await Promise.all(
      sensors.map(async name => [name, await startTestAgent(t, name, settings.controller_port)] as const)
    )
  )
  await until(async () => (await getJson(`${url}/v1/instances`)).instances.length === 3, 'all are connected')
  const pids = async (): Promise<Record<string, number>> =>
    Object.fromEntries(
      (await getJson(`${url}/v1/nodes?role=MANAGER,LOGGER,WORKER`)).nodes.map((one: any) => [one.node, one.pid])
    )
  const stage = async (config: object) => t.match(await ask('stage_configuration', { config }), { state: 'succeeded' })
  await stage(configured())
  t.match(await ask('deploy'), { state: 'succeeded' })
  return {
    ...controller,
    agents,
    pids,
    stage,
    deployed: async () => await getJson(`${url}/v1/configurations/deployed`)
  }
}

/** Returns the names of nodes whose process is another one. */
const changed = (before: Record<string, number>, after: Record<string, number>) =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(name => before[name] !== after[name]).sort()

const quick = { strategy: 'rolling', min_healthy_seconds: 0.2 }
const whole = ({ results }: ClusterRequest) => results.at(-1)

await t.test('a change goes over the workers in steps, and each is told', async t => {
  const { url, ask, pids, stage, deployed } = await startCluster(t)
  const before = await pids()
  await stage(configured({ COLOUR: 'blue' }))
  const stream = await openStream(t, `${url}/v1/events?types=rollout_progress,deploy_response`)
  await stream.next('hello')
  const { state, results } = await ask('deploy', { ...quick, max_parallel: 2 })
  t.equal(state, 'succeeded', JSON.stringify(results))
  const events = (await stream.collect(({ type }) => type === 'deploy_response')).map(({ json }) => json)
  t.same(
    events
      .filter(({ phase }) => phase === 'changing')
      .map(({ step, of, nodes, done, total }) => [step, of, nodes, done, total]),
    [
      [1, 3, ['worker-1', 'worker-2'], 0, 6],
      [2, 3, ['worker-3', 'worker-4'], 2, 6],
      [3, 3, ['worker-5', 'worker-6'], 4, 6]
    ]
  )
  t.same(changed(before, await pids()), workers)
  t.equal((await deployed()).revision, 2)
  t.match(
    (await getJson(`${url}/v1/health`)).reasons.filter(({ code }: any) => code === 'rollout_interrupted'),
    []
  )
  const then = await pids()
  t.match(await ask('deploy', quick), { state: 'succeeded' })
  t.same(changed(then, await pids()), [], 'there is nothing to change any more')
})

await t.test('a configuration whose workers exit touches one of six, and is reverted', async t => {
  const { ask, url, pids, stage, deployed } = await startCluster(t)
  const before = await pids()
  const { configuration } = await deployed()
  await stage(configured({ STAND_IN: 'exit=1' }))
  const request = await ask('deploy', { ...quick, check: false })
  t.match(request, { state: 'failed', success: false })
  t.match(whole(request), {
    success: false,
    error: /^reverted to revision 1: worker-1: /,
    data: { reverted: true, revision: 1, id: configuration.id }
  })
  t.same(changed(before, await pids()), ['worker-1'])
  t.same(await deployed().then(({ configuration, revision }) => ({ configuration, revision })), {
    configuration,
    revision: 1
  })
  const { revisions } = await getJson(`${url}/v1/revisions`)
  t.match(revisions, [
    { revision: 2, deployed: false, outcome: 'failed' },
    { revision: 1, deployed: true, outcome: 'succeeded' }
  ])
  const { nodes } = await getJson(`${url}/v1/nodes?role=WORKER`)
  t.ok(nodes.every(({ state }: any) => state === 'RUNNING'))
})

await t.test('a worker that drops more than is allowed, and more than before, has it reverted', async t => {
  const { ask, pids, stage, deployed } = await startCluster(t)
  const before = await pids()
  await stage(configured({ STAND_IN: 'drop=30' }))
  const request = await ask('deploy', { ...quick, min_healthy_seconds: 1.5, max_drop_percent: 5 })
  t.match(request, { state: 'failed' })
  t.match(
    whole(request)?.error,
    /^reverted to revision 1: worker-1 drops (2\d|3\d)(\.\d+)? % of its packets, 5 % is allowed, 0 % before$/
  )
  t.same(changed(before, await pids()), ['worker-1'])
  t.equal((await deployed()).revision, 1)

  t.match(await ask('deploy', { strategy: 'at_once' }), { state: 'succeeded' })
  // A node whose figures are not known yet has none to be compared with.
  await until(async () => {
    const { results } = await ask('get_node_stats', { roles: ['WORKER'] })
    return results.every(({ data }) => data?.stats?.dropped_percent! > 20)
  }, 'it is known what they drop')
  await stage(configured({ STAND_IN: 'drop=20', COLOUR: 'blue' }))
  const again = await ask('deploy', { ...quick, max_parallel: 6, min_healthy_seconds: 1.5, max_drop_percent: 5 })
  t.equal(again.state, 'succeeded', `they dropped more before: ${whole(again)?.error}`)
})

await t.test('a worker that reports errors has it reverted, unless so many are allowed', async t => {
  const { ask, stage, deployed } = await startCluster(t)
  await stage(configured({ STAND_IN: 'errors=2' }))
  const request = await ask('deploy', { ...quick, max_errors: 1 })
  t.match(request, { state: 'failed' })
  t.match(whole(request)?.error, /^reverted to revision 1: worker-1 has reported 2 errors, 1 is allowed, 0 before$/)
  t.equal((await deployed()).revision, 1)
  t.match(await ask('deploy', { ...quick, max_errors: 2 }), { state: 'succeeded' })
})

/** Directs a rollout. Returns the status of the answer and its JSON. */
async function direct(url: string, reqid: string, action: string) {
  const response = await fetch(`${url}/v1/requests/${reqid}${action === 'cancel' ? '' : `/${action}`}`, {
    method: action === 'cancel' ? 'DELETE' : 'POST'
  })
  return { status: response.status, json: (await response.json()) as any }
}

/** Flags of a controller that takes the place of another one. */
const sameAs = (settings: Awaited<ReturnType<typeof startTestController>>['settings']) => ({
  'management-state-dir': settings.management_state_dir,
  'controller-websocket-port': String(settings.controller_websocket_port),
  'controller-port': String(settings.controller_port)
})

/** Submits a deployment, and resolves with its request once it has come to a phase of a step. */
async function deployUntil(t: Test, url: string, args: object, phase: string, step?: number) {
  const stream = await openStream(t, `${url}/v1/events?types=rollout_progress,deploy_response`)
  await stream.next('hello')
  const response = await fetch(`${url}/v1/requests/deploy`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(args)
  })
  const { reqid } = (await response.json()) as { reqid: string }
  const events = await stream.collect(
    ({ type, ...event }) => type === 'deploy_response' || (event.phase === phase && (step ?? event.step) === event.step)
  )
  t.equal(events.at(-1)?.json.phase, phase, JSON.stringify(events.at(-1)?.json))
  stream.close()
  return {
    reqid,
    progress: events.at(-1)!.json,
    finished: async () => (await getJson(`${url}/v1/requests/${reqid}?wait=30`)) as ClusterRequest
  }
}

await t.test('a canary is promoted, reverted, or decided when its time is over', async t => {
  const { url, ask, pids, stage, deployed } = await startCluster(t)
  const canary = { ...quick, max_parallel: 5, canary: 1 }
  const start = await pids()
  await stage(configured({ COLOUR: 'blue' }))

  const first = await deployUntil(t, url, canary, 'canary')
  t.match(first.progress, { nodes: ['worker-1'], done: 1, total: 6, until: String })
  t.match(await getJson(`${url}/v1/requests/${first.reqid}`), {
    state: 'pending',
    rollout: { phase: 'canary', step: 1, of: 2 }
  })
  t.same(changed(start, await pids()), ['worker-1'])
  t.match(await ask('deploy'), { state: 'failed', results: [{ error: /^earlier deployment .* still pending$/ }] })
  t.match(await direct(url, first.reqid, 'resume'), { status: 409, json: { detail: 'the rollout is not paused' } })
  t.match(await direct(url, first.reqid, 'revert'), { status: 200, json: { reqid: first.reqid } })
  t.match(await first.finished(), { state: 'failed' })
  t.equal((await deployed()).revision, 1)
  t.match(await direct(url, first.reqid, 'promote'), { status: 409, json: { detail: /no deployment in steps/ } })

  const second = await deployUntil(t, url, canary, 'canary')
  t.match(await direct(url, second.reqid, 'promote'), { status: 200 })
  t.match(await second.finished(), { state: 'succeeded' })
  t.equal((await deployed()).revision, 3)

  await stage(configured({ COLOUR: 'red' }))
  const before = await pids()
  const alone = await ask('deploy', { ...canary, canary_seconds: 0.3, auto_revert: false })
  t.match(whole(alone)?.error, 'reverted to revision 3: nobody has promoted the canary within 0.3 s')
  t.same(changed(before, await pids()), ['worker-1'])
  t.match(await ask('deploy', { ...canary, canary_seconds: 0.3, auto_promote: true }), { state: 'succeeded' })
  const audit = await getJson(`${url}/v1/audit`)
  t.match(
    audit.entries
      .filter(({ action }: any) => action.endsWith('_rollout'))
      .map(({ action, detail }: any) => [action, detail]),
    [
      ['promote_rollout', `request ${second.reqid}`],
      ['revert_rollout', `request ${first.reqid}`]
    ]
  )
})

await t.test('a canary that ends while it waits has it reverted', async t => {
  const { url, pids, stage } = await startCluster(t)
  await stage(configured({ COLOUR: 'blue' }))
  const { finished } = await deployUntil(t, url, { ...quick, canary: 2, max_parallel: 6 }, 'canary')
  process.kill((await pids())['worker-2']!, 'SIGKILL')
  t.match(whole(await finished())?.error, /^reverted to revision 1: worker-2 is CRASHED: /)
})

await t.test('a rollout that is paused waits before its next step', async t => {
  const { url, stage, pids } = await startCluster(t)
  const before = await pids()
  await stage(configured({ COLOUR: 'blue' }))
  const { reqid, finished } = await deployUntil(t, url, { ...quick, min_healthy_seconds: 0.5 }, 'changing', 2)
  t.match(await direct(url, reqid, 'pause'), { status: 200 })
  t.match(await direct(url, reqid, 'pause'), { status: 409, json: { detail: /^the rollout is paused already, by/ } })
  await until(
    async () => (await getJson(`${url}/v1/requests/${reqid}`)).rollout.phase === 'paused',
    'the second step is over'
  )
  t.same(changed(before, await pids()), ['worker-1', 'worker-2'])
  t.match(await direct(url, reqid, 'resume'), { status: 200 })
  t.match(await finished(), { state: 'succeeded' })
})

await t.test(
  'nodes that an operator restarts, or stops and starts, while they are watched do not have it reverted',
  async t => {
    const { url, ask, stage } = await startCluster(t)
    await stage(configured({ COLOUR: 'blue' }))
    const { finished } = await deployUntil(t, url, { ...quick, min_healthy_seconds: 5, max_parallel: 6 }, 'watching', 1)
    t.match(await ask('restart', { nodes: ['worker-1'] }), { state: 'succeeded' })
    t.match(await ask('stop', { nodes: ['worker-2'] }), { state: 'succeeded' })
    t.match(await ask('start', { nodes: ['worker-2'] }), { state: 'succeeded' })
    t.match(await finished(), { state: 'succeeded' })
  }
)

await t.test('a rollout that is paused when its controller is stopped takes no further step', async t => {
  const { url, stage, pids, close, settings } = await startCluster(t)
  const before = await pids()
  await stage(configured({ COLOUR: 'blue' }))
  const { reqid } = await deployUntil(t, url, { ...quick, min_healthy_seconds: 3, max_parallel: 3 }, 'watching', 1)
  t.match(await direct(url, reqid, 'pause'), { status: 200 })
  await until(async () => (await getJson(`${url}/v1/requests/${reqid}`)).rollout.phase === 'paused', 'it is paused')
  const then = await pids()
  t.same(changed(before, then), workers.slice(0, 3))
  await close()
  const { url: again } = await startTestController(t, sameAs(settings))
  await until(
    async () => (await getJson(`${again}/v1/instances`)).instances.every(({ connected }: any) => connected),
    'all are connected again'
  )
  t.match(await getJson(`${again}/v1/requests/${reqid}`), { state: 'interrupted' })
  const { reasons } = await getJson(`${again}/v1/health`)
  t.match(reasons.find(({ code }: any) => code === 'rollout_interrupted')?.message, /up to step 1 of 2/)
  const { nodes } = await getJson(`${again}/v1/nodes?role=WORKER`)
  t.same(
    nodes.filter(({ node, pid }: any) => then[node] !== pid),
    [],
    'none is another process'
  )
})

await t.test('a rollout that goes back is directed no more', async t => {
  const { url, stage } = await startCluster(t)
  await stage(configured({ STAND_IN: 'exit=1' }))
  const { reqid, finished } = await deployUntil(t, url, { ...quick, check: false }, 'reverting')
  for (const action of ['pause', 'cancel', 'revert']) {
    t.match(await direct(url, reqid, action), { status: 409, json: { detail: /^the rollout is ending: worker-1: / } })
  }
  t.match(await finished(), { state: 'failed' })
})

await t.test('what goes back to a deployment without a revision is of none, also after a restart', async t => {
  const first = await startCluster(t)
  await first.close()
  // As a version left it that kept no revisions.
  const database = new DatabaseSync(join(first.settings.management_state_dir, 'controller.sqlite'))
  database.exec(`DELETE FROM revisions; UPDATE configurations SET body = json_remove(body, '$.revision')`)
  database.close()
  const flags = sameAs(first.settings)
  const second = await startTestController(t, flags)
  await until(
    async () => (await getJson(`${second.url}/v1/instances`)).instances.every((one: any) => one.connected),
    ''
  )
  t.match(await second.ask('stage_configuration', { config: configured({ STAND_IN: 'exit=1' }) }), { success: true })
  t.match(whole(await second.ask('deploy', { ...quick, check: false }))?.error, /^reverted to what was deployed before/)
  const told = async (url: string) => ({
    revision: (await getJson(`${url}/v1/configurations/deployed`)).revision,
    deployed: (await getJson(`${url}/v1/revisions`)).revisions.map(({ deployed }: any) => deployed)
  })
  t.same(await told(second.url), { revision: undefined, deployed: [false] })
  await second.close()
  const third = await startTestController(t, flags)
  t.same(await told(third.url), { revision: undefined, deployed: [false] })
})

for (const step of [1, 3, 6]) {
  await t.test(`a rollout that is cancelled in step ${step} takes back what it has changed`, async t => {
    const { url, stage, pids, deployed } = await startCluster(t)
    const before = await pids()
    await stage(configured({ COLOUR: 'blue' }))
    const { reqid, finished } = await deployUntil(
      t,
      url,
      { ...quick, min_healthy_seconds: 60 * Number(step === 1) + 0.2 },
      'watching',
      step
    )
    t.match(await direct(url, reqid, 'cancel'), { status: 200 })
    t.match(await direct(url, reqid, 'cancel'), { status: 409 })
    t.match(await finished(), { state: 'failed' })
    t.match(whole(await finished())?.error, /^reverted to revision 1: .* has cancelled it$/)
    t.same(changed(before, await pids()), workers.slice(0, step))
    t.equal((await deployed()).revision, 1)
  })
}

await t.test('without auto_revert what was changed stays, and health says where it has stopped', async t => {
  const { url, ask, stage, pids, deployed } = await startCluster(t)
  const before = await pids()
  await stage({
    ...configured({ COLOUR: 'blue' }),
    nodes: configured({ COLOUR: 'blue' }).nodes.map(node =>
      node.name === 'worker-3' ? { ...node, env: { STAND_IN: 'exit=1' } } : node
    )
  })
  const request = await ask('deploy', { ...quick, check: false, auto_revert: false })
  t.match(request, { state: 'partial' })
  t.match(
    whole(request)?.error,
    /^worker-3: .*: 2 of 6 nodes are changed; deploy revision 2 to go on, revision 1 to go back$/s
  )
  const { configuration, revision } = await deployed()
  t.equal(revision, 2)
  t.same(
    configuration.nodes.filter(({ env }: any) => env?.COLOUR === 'blue').map(({ name }: any) => name),
    ['worker-1', 'worker-2']
  )
  const { reasons } = await getJson(`${url}/v1/health`)
  t.match(
    reasons.filter(({ code }: any) => code === 'rollout_interrupted'),
    [{ message: 'revision 2 is deployed up to step 3 of 6: deploy it again to go on, or revision 1 to go back' }]
  )
  t.match(await ask('deploy', { ...quick, revision: 1, max_parallel: 3 }), { state: 'succeeded' })
  t.same(changed(before, await pids()), ['worker-1', 'worker-2', 'worker-3'], 'no other was touched')
  const { reasons: then } = await getJson(`${url}/v1/health`)
  t.notOk(then.some(({ code }: any) => code === 'rollout_interrupted'))
})

await t.test('an agent that is lost in the middle, and does not come back, has it reverted', async t => {
  const { url, agents, stage, pids } = await startCluster(t)
  const before = await pids()
  await stage(configured({ COLOUR: 'blue' }))
  const { finished } = await deployUntil(t, url, { ...quick, min_healthy_seconds: 3 }, 'watching', 1)
  const agent = agents.get('sensor-3')!
  await agent.close()
  const request = await finished()
  t.match(request, { state: 'failed' })
  t.match(whole(request)?.error, /^reverted to revision 1: worker-2: instance sensor-3 is not connected$/)
  t.same(
    changed(before, await pids()).filter(name => name !== 'worker-1'),
    [],
    'no other was touched'
  )
})

await t.test('what comes, goes and moves does so in the step of its role', async t => {
  const { ask, stage, url, deployed } = await startCluster(t)
  const moved = configured({}, ['worker-1', 'worker-3', 'worker-2', 'worker-7'])
  await stage({ ...moved, nodes: [...moved.nodes, { name: 'logger-2', instance: 'sensor-2', role: 'LOGGER' }] })
  const stream = await openStream(t, `${url}/v1/events?types=rollout_progress,deploy_response`)
  await stream.next('hello')
  const request = await ask('deploy', { ...quick, strategy: 'by_role' })
  t.match(request, { state: 'succeeded' }, JSON.stringify(request.results))
  const steps = (await stream.collect(({ type }) => type === 'deploy_response'))
    .filter(({ json }) => json.phase === 'changing')
    .map(({ json }) => [...json.nodes].sort())
  t.same(steps, [
    ['manager'],
    ['logger-1', 'logger-2'],
    ['worker-1', 'worker-2', 'worker-3', 'worker-4', 'worker-5', 'worker-6', 'worker-7']
  ])
  const { nodes } = await getJson(`${url}/v1/nodes?role=MANAGER,LOGGER,WORKER`)
  t.same(nodes.map(({ node, instance, state }: any) => [node, instance, state]).sort(), [
    ['logger-1', 'sensor-1', 'RUNNING'],
    ['logger-2', 'sensor-2', 'RUNNING'],
    ['manager', 'sensor-1', 'RUNNING'],
    ['worker-1', 'sensor-2', 'RUNNING'],
    ['worker-2', 'sensor-2', 'RUNNING'],
    ['worker-3', 'sensor-3', 'RUNNING'],
    ['worker-7', 'sensor-3', 'RUNNING']
  ])
  t.notOk((await deployed()).configuration.nodes.some(({ name }: any) => name === 'worker-4'))
})

await t.test('nodes that fail their check are skipped, where that is asked for', async t => {
  const { ask, stage, pids, deployed } = await startCluster(t)
  const before = await pids()
  const { nodes } = configured({ COLOUR: 'blue' })
  await stage({
    ...base,
    nodes: nodes.map(node => (node.name === 'worker-2' ? { ...node, scripts: ['nosuchscript'] } : node))
  })
  t.match(await ask('deploy', quick), { state: 'failed' })
  t.same(changed(before, await pids()), [])
  const request = await ask('deploy', { ...quick, max_parallel: 6, on_check_failure: 'skip' })
  t.match(request, { state: 'partial' })
  t.match(
    request.results.filter(({ success }) => !success).map(({ node, error }) => [node, error]),
    [['worker-2', /nosuchscript/]]
  )
  t.same(
    changed(before, await pids()),
    workers.filter(name => name !== 'worker-2')
  )
  t.notOk((await deployed()).configuration.nodes.find(({ name }: any) => name === 'worker-2').scripts)
})

await t.test('nodes of an instance that is away go also when others are skipped', async t => {
  const { ask, agents, stage, url, deployed } = await startCluster(t)
  await agents.get('sensor-3')!.close()
  await until(async () => !(await getJson(`${url}/v1/instances`)).instances.at(-1).connected, 'it is lost')
  const { nodes } = configured({ COLOUR: 'blue' })
  await stage({
    ...base,
    nodes: nodes
      .filter(({ name }) => name !== 'worker-2')
      .map(node => (node.name === 'worker-1' ? { ...node, scripts: ['nosuchscript'] } : node))
  })
  const request = await ask('deploy', { ...quick, max_parallel: 6, on_check_failure: 'skip' })
  t.match(request, { state: 'partial' })
  const names = (await deployed()).configuration.nodes.map(({ name }: any) => name)
  t.same(
    names.filter((name: string) => name.startsWith('worker')).sort(),
    workers.filter(name => name !== 'worker-2')
  )
})

await t.test('arguments that exclude each other are refused by name', async t => {
  const { url } = await startTestController(t)
  const refused = async (args: object) => {
    const response = await fetch(`${url}/v1/requests/deploy`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(args)
    })
    t.equal(response.status, 400)
    return ((await response.json()) as any).errors
  }
  t.match(await refused({ strategy: 'at_once', canary: 1 }), [{ field: 'body/canary' }])
  t.match(await refused({ max_parallel: 1, max_parallel_percent: 10 }), [{ field: 'body/max_parallel_percent' }])
  t.match(await refused({ auto_promote: true }), [{ field: 'body/auto_promote' }])
})

await t.test('a deployment that is limited to some instances leaves the others with what they have', async t => {
  const { ask, stage, pids, deployed, url } = await startCluster(t)
  const before = await pids()
  const blue = configured({ COLOUR: 'blue' })
  await stage({
    ...blue,
    instances: blue.instances.map(({ name }) => ({ name, labels: { site: name === 'sensor-2' ? 'north' : 'south' } }))
  })
  t.match((await ask('deploy', { ...quick, instances: ['sensor-9'] })).results, [
    { error: 'unknown instance sensor-9' }
  ])
  t.match((await ask('deploy', { ...quick, labels: { site: 'x' } })).results, [
    { error: 'no instance has these labels' }
  ])
  t.match(await ask('deploy', { labels: { site: 'north' }, min_healthy_seconds: 0 }), { state: 'succeeded' })
  t.same(changed(before, await pids()), ['worker-1', 'worker-3', 'worker-5'])
  const { configuration, revision } = await deployed()
  t.equal(revision, 2)
  t.same(
    configuration.nodes.filter(({ env }: any) => env?.COLOUR === 'blue').map(({ instance }: any) => instance),
    ['sensor-2', 'sensor-2', 'sensor-2']
  )
  t.notOk((await getJson(`${url}/v1/health`)).reasons.some(({ code }: any) => code === 'rollout_interrupted'))
  const then = await pids()
  t.match(await ask('deploy', { instances: ['sensor-3'], strategy: 'by_role', min_healthy_seconds: 0 }), {
    state: 'succeeded'
  })
  t.same(changed(then, await pids()), ['worker-2', 'worker-4', 'worker-6'])
})

await t.test('the first deployment is of all instances', async t => {
  const { ask } = await startTestController(t)
  t.match(await ask('stage_configuration', { config: configured() }), { state: 'succeeded' })
  t.match((await ask('deploy', { instances: ['sensor-1'] })).results, [
    { error: 'the first deployment is of all instances' }
  ])
  t.notMatch(
    (await ask('deploy', { instances: [], labels: {} })).results,
    [{ error: 'the first deployment is of all instances' }],
    'empty ones, as generated clients send them, count as not given'
  )
})

await t.test('a plan tells the steps, and its deployment takes them', async t => {
  const { url, ask, stage } = await startCluster(t)
  await stage(configured({ COLOUR: 'blue' }, ['worker-1', 'worker-2', 'worker-3', 'worker-7']))
  const plan = await ask('plan', { ...quick, max_parallel: 2, canary: 1, canary_seconds: 0.1, auto_promote: true })
  t.equal(plan.state, 'succeeded')
  const planned = plan.results
    .flatMap(({ node, data }) => (data?.plan?.step === undefined ? [] : [[data.plan.step, node!] as const]))
    .sort(([a, one], [b, other]) => a - b || (one < other ? -1 : 1))
  t.same(
    plan.results.filter(({ data }) => data?.plan?.action === 'none').map(({ data }) => data?.plan),
    [],
    'managers and loggers learn of another worker'
  )
  const stream = await openStream(t, `${url}/v1/events?types=rollout_progress,deploy_response`)
  await stream.next('hello')
  const { state, results } = await ask('deploy', { plan: plan.reqid })
  t.equal(state, 'succeeded', JSON.stringify(results))
  const steps = (await stream.collect(({ type }) => type === 'deploy_response'))
    .filter(({ json }) => json.phase === 'changing')
    .flatMap(({ json }) => [...json.nodes].sort().map((node: string) => [json.step, node]))
  t.same(steps, planned)
  t.ok(steps.length === 9 && steps.at(-1)![0] >= 5, JSON.stringify(steps))
  t.match(
    steps.filter(([, node]) => node === 'worker-4' || node === 'worker-6').map(([step]) => step),
    steps.slice(-2).map(([step]) => step),
    'those that go are last, and no canaries'
  )
})
