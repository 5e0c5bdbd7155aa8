import t from 'tap'
import { openStream } from '../support/client.js'
import { isRunning } from '../support/running.js'
import { until } from '../support/until.js'
import { Cluster, configurationOf } from './cluster.js'

const two = ['sensor-1', 'sensor-2'] as const

await t.test('nodes are started, stopped and restarted', { timeout: 300_000 }, async t => {
  const cluster = new Cluster(t)
  await cluster.start(two, { 'controller-health-interval': '0.2' })
  const stream = await openStream(t, `${cluster.url}/v1/events?types=notify_health`)
  await stream.next('hello')
  const health = async () => {
    const response = await fetch(`${cluster.url}/v1/health`)
    return {
      status: response.status,
      ...((await response.json()) as { ready: boolean; reasons: { code: string; node?: string }[] })
    }
  }
  t.match(await health(), { status: 503, ready: false, reasons: [{ code: 'not_deployed' }] })
  t.equal((await cluster.deploy(configurationOf(two))).state, 'succeeded')
  t.match((await stream.collect(({ ready }) => ready)).at(-1)?.json, {
    type: 'notify_health',
    ready: true,
    reasons: []
  })
  t.match(await health(), { status: 200, ready: true })
  const pids = await cluster.pids()

  await t.test('a node that is stopped is gone, and the others keep running', async t => {
    t.match(await cluster.ask('stop', { nodes: ['worker-1'] }), {
      state: 'succeeded',
      results: [{ instance: 'sensor-2', node: 'worker-1', success: true }]
    })
    t.notOk(isRunning(pids['worker-1']!))
    t.match(await cluster.node('worker-1'), { state: 'STOPPED', desired_state: 'STOPPED' })
    const { 'worker-1': stopped, ...others } = await cluster.pids()
    t.equal(stopped, undefined)
    t.match(pids, others)
    t.equal((await cluster.ask('stop', { nodes: ['worker-1'] })).state, 'succeeded', 'stopping it again is no error')
    t.match(await health(), { status: 200, ready: true }, 'it is not missed')
  })

  await t.test('it stays stopped, whatever is restarted or deployed', async t => {
    const agent = (await cluster.node('sensor-2'))!.pid!
    process.kill(agent, 'SIGKILL')
    await cluster.reaches('sensor-2', 'RUNNING', agent)
    t.match(await cluster.reaches('worker-1', 'STOPPED'), { desired_state: 'STOPPED' })
    t.equal((await cluster.ask('deploy', { force: true })).state, 'succeeded')
    t.match(await cluster.node('worker-1'), { state: 'STOPPED' })
    await cluster.hosts.get('sensor-2')!.stop()
    await cluster.startHost('sensor-2', false)
    await cluster.connected('sensor-2')
    t.match(await cluster.reaches('worker-1', 'STOPPED'), { desired_state: 'STOPPED' })
    t.match(await cluster.ask('restart', { nodes: ['worker-1'] }), {
      state: 'failed',
      results: [{ error: 'node worker-1 was stopped by an operator' }]
    })
  })

  await t.test('it runs once it is started, and starting it again leaves it alone', async t => {
    t.match(await cluster.ask('start', { roles: ['WORKER'] }), {
      state: 'succeeded',
      results: [{ node: 'worker-1', success: true }]
    })
    const { pid } = (await cluster.node('worker-1'))!
    t.ok(isRunning(pid!))
    t.equal((await cluster.ask('start')).state, 'succeeded')
    t.equal((await cluster.node('worker-1'))!.pid, pid)
  })

  await t.test('a rolling restart gives every node another process, one after the other', async t => {
    const before = await cluster.pids()
    const events = await openStream(t, `${cluster.url}/v1/events?types=notify_change`)
    await events.next('hello')
    t.equal((await cluster.ask('restart', { strategy: 'rolling' })).state, 'succeeded')
    const after = await cluster.pids()
    for (const [name, pid] of Object.entries(before)) t.not(after[name], pid, name)
    const last = Object.keys(before).at(-1)!
    const seen = (await events.collect(json => json.node === last && json.new_state === 'RUNNING')).map(
      ({ json }) => json
    )
    // Nobody is stopped while another is not yet back.
    let away: string | undefined
    for (const { node, new_state: state } of seen) {
      t.ok(away === undefined || away === node, `${node} ${state}`)
      away = state === 'RUNNING' ? undefined : node
    }
  })

  await t.test('a worker that is missing makes the cluster not ready until it is back', async t => {
    const { pid } = (await cluster.node('worker-1'))!
    await cluster.hosts.get('sensor-2')!.stop('SIGKILL')
    await cluster.reaches('worker-1', 'UNKNOWN')
    t.match(await health(), {
      status: 503,
      reasons: [
        { code: 'workers_missing', message: '0 of 1 workers run, 0 are allowed to be missing: worker-1 is UNKNOWN' }
      ]
    })
    t.ok(isRunning(pid!))
    await cluster.startHost('sensor-2', false)
    await until(async () => (await health()).status === 200, 'the cluster is ready')
  })
})
