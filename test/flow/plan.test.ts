import t from 'tap'
import { startTestAgent } from '../support/agent.js'
import { pushBundle } from '../support/bundles.js'
import { getJson, openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import { configurationOf } from './cluster.js'

await t.test('a plan tells what a deployment does then, and touches nothing', async t => {
  const { url, settings, ask } = await startTestController(t)
  const sensors = ['sensor-1', 'sensor-2', 'sensor-3']
  const agents = await Promise.all(sensors.map(async name => await startTestAgent(t, name, settings.controller_port)))
  await until(async () => (await getJson(`${url}/v1/instances`)).instances.length === 3, 'all are connected')
  const push = async (files: Record<string, string>) => {
    const entries = Object.entries(files).map(([path, content]) => ({ path, content }))
    t.ok(await pushBundle(url, entries, 'site'))
  }
  const base = { ...configurationOf(sensors, [{ name: 'worker-1', scripts: ['special.zeek'] }]), bundle: 'site' }
  const stage = async (config: object) =>
    t.match(await ask('stage_configuration', { config }), { state: 'succeeded', warnings: [] })
  const plan = async (args: object = {}) => {
    const { state, results } = await ask('plan', args)
    t.equal(state, 'succeeded', JSON.stringify(results))
    return Object.fromEntries(
      results.flatMap(({ node, data }) =>
        data?.plan ? [[node, [data.plan.action, data.plan.reason].filter(Boolean).join(': ')]] : []
      )
    )
  }
  const pids = async () =>
    Object.fromEntries(
      (await getJson(`${url}/v1/nodes?role=MANAGER,LOGGER,WORKER`)).nodes.map((one: any) => [one.node, one.pid])
    )
  /** Deploys what is staged. Returns what has been told of each node that was touched, as a plan says it. */
  const deploy = async (args: object = {}) => {
    const before = await pids()
    const stream = await openStream(t, `${url}/v1/events?types=notify_change,deploy_response`)
    await stream.next('hello')
    const { state, results } = await ask('deploy', args)
    t.equal(state, 'succeeded', JSON.stringify(results))
    const events = (await stream.collect(({ type }) => type === 'deploy_response')).map(({ json }) => json)
    stream.close()
    const begun = events.filter(({ new_state: to }) => to === 'PENDING')
    return Object.fromEntries(
      begun.map(({ node, reason }) => [node, before[node] === undefined ? 'start' : `restart: ${reason}`])
    )
  }
  const changesOf = (planned: Record<string, string>) =>
    Object.fromEntries(Object.entries(planned).filter(([, what]) => what !== 'none' && !what.startsWith('stop')))

  t.match(await ask('plan'), { state: 'failed', results: [{ error: 'no configuration available to deploy' }] })
  await push({ 'scripts/local.zeek': 'event zeek_init() { }\n', 'scripts/special.zeek': 'event zeek_init() { }\n' })
  await stage(base)
  const first = await plan()
  t.same(first, { manager: 'start', 'logger-1': 'start', 'worker-1': 'start', 'worker-2': 'start' })
  t.same(await pids(), {}, 'nothing runs')
  t.same(await deploy(), changesOf(first))
  const nothing = { manager: 'none', 'logger-1': 'none', 'worker-1': 'none', 'worker-2': 'none' }
  t.same(await plan(), nothing, 'after a deployment nothing is left to be done')

  await push({ 'scripts/local.zeek': 'event zeek_init() { }\n', 'scripts/special.zeek': 'event zeek_done() { }\n' })
  await stage(base)
  const before = await pids()
  const edited = await plan()
  t.same(edited, { ...nothing, 'worker-1': 'restart: scripts changed: special.zeek' })
  const told = await ask('plan')
  t.match(
    told.results.flatMap(({ data }) => data?.plan?.last_start_seconds ?? []),
    [Number],
    'and how long its last start took'
  )
  t.same(await pids(), before)
  t.same(await deploy(), changesOf(edited))
  t.same(await plan(), nothing)

  const { nodes } = base
  await stage({
    ...base,
    nodes: [
      ...nodes
        .filter(({ name }) => name !== 'worker-2')
        .map(node => ({ ...node, ...(node.name === 'worker-1' ? { env: { X: 'y' } } : {}) })),
      { name: 'worker-3', instance: 'sensor-3', role: 'WORKER', interface: 'lo' }
    ]
  })
  const changed = await plan()
  t.same(changed, {
    manager: 'restart: configuration changed',
    'logger-1': 'restart: configuration changed',
    'worker-1': 'restart: configuration changed',
    'worker-2': 'stop: not in the configuration',
    'worker-3': 'start'
  })
  t.same(await deploy(), changesOf(changed))

  await t.test('a deployment does what a plan has told, or nothing', async t => {
    t.match(await ask('deploy', { plan: 'nobody' }), { results: [{ error: 'there is no plan nobody' }] })
    const other = await ask('get_nodes')
    t.match(await ask('deploy', { plan: other.reqid }), { results: [{ error: `request ${other.reqid} is no plan` }] })
    await push({ 'scripts/local.zeek': 'event zeek_init() { }\n', 'scripts/special.zeek': '# edited\n' })
    await stage({ ...base, nodes: base.nodes.filter(({ name }) => name !== 'worker-2') })
    const { reqid } = await ask('plan')
    const ran = await pids()
    await ask('restart', { nodes: ['manager'] })
    await stage({ ...base, nodes: base.nodes.map(node => ({ ...node, env: { X: 'z' } })) })
    t.match(await ask('deploy', { plan: reqid }), {
      state: 'failed',
      results: [{ error: new RegExp(`^what is to be done has changed since plan ${reqid}: .* on sensor-`) }]
    })
    t.equal((await pids())['worker-1'], ran['worker-1'])
    const again = await ask('plan', { force: true })
    t.equal((await ask('deploy', { plan: again.reqid })).state, 'succeeded')
    t.not((await pids())['worker-1'], ran['worker-1'])
    t.match(await ask('deploy', { plan: again.reqid }), { state: 'failed' }, 'it has been done')
  })

  await ask('stop', { nodes: ['worker-1'] })
  t.match(await plan({ force: true }), { 'worker-1': 'none', 'worker-2': 'restart: forced' })

  await agents[2]!.close()
  await until(async () => !(await getJson(`${url}/v1/instances`)).instances[2].connected, 'it is away')
  const { state, results } = await ask('plan')
  t.equal(state, 'partial')
  t.match(
    results.find(({ success }) => !success),
    { instance: 'sensor-3', node: 'worker-2', error: 'instance sensor-3 is not connected' }
  )
})
