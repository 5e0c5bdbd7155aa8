import t, { type Test } from 'tap'
import type { ClusterNode } from '../../schemas/types.js'
import { openStream, type Stream } from '../support/client.js'
import { isRunning } from '../support/running.js'
import { until } from '../support/until.js'
import { Cluster, configurationOf } from './cluster.js'

const two = ['sensor-1', 'sensor-2'] as const
/** Nodes say more often than in life that they live. */
const quick: Partial<ClusterNode>[] = ['manager', 'logger-1', 'worker-1'].map(name => ({
  name,
  options: { 'ZeekClusterController::beat_interval': '0.2sec' }
}))

async function follow(t: Test, { url }: Cluster): Promise<Stream> {
  const stream = await openStream(t, `${url}/v1/events?types=notify_change,notify_health`)
  await stream.next('hello')
  return stream
}

async function deployed(t: Test, flags: Record<string, string>): Promise<Cluster> {
  const cluster = new Cluster(t)
  await cluster.start(two, { 'controller-health-interval': '0.1', 'agent-stats-interval': '0.5', ...flags })
  t.equal((await cluster.deploy(configurationOf(two, quick))).state, 'succeeded')
  await until(
    async () => (await cluster.nodes()).every(({ mgmt_role: role, responding }) => role !== 'NODE' || responding),
    'all respond'
  )
  return cluster
}

/** A process that is not killed by what stops it must not outlive the test. */
function freeze(t: Test, pid: number): void {
  process.kill(pid, 'SIGSTOP')
  t.teardown(() => {
    if (isRunning(pid)) process.kill(pid, 'SIGCONT')
  })
}

await t.test('nodes that run and do not answer', { timeout: 200_000 }, async t => {
  const cluster = await deployed(t, { 'agent-silent-after': '3' })
  const pids = await cluster.pids()
  const frozen = ['logger-1', 'worker-1'] as const
  const health = async () => {
    const response = await fetch(`${cluster.url}/v1/health`)
    return {
      status: response.status,
      ...((await response.json()) as { reasons: { code: string; node?: string; message: string }[] })
    }
  }
  /** What was told of each until all are in a state. */
  const reach = async (stream: Stream, state: string) => {
    const left = new Set<string>(frozen)
    const events = await stream.collect(({ node, new_state: now }) => {
      if (now === state) left.delete(node)
      return left.size === 0
    })
    return events.map(({ json }) => json).filter(({ type }) => type === 'notify_change')
  }

  const freezeAll = () => {
    for (const name of frozen) freeze(t, pids[name]!)
  }
  await t.test('are UNKNOWN and make the cluster not ready, with what to do', async t => {
    const stream = await follow(t, cluster)
    freezeAll()
    const changes = await reach(stream, 'UNKNOWN')
    t.same(changes.map(({ node }) => node).sort(), frozen)
    for (const change of changes) {
      t.match(change, { old_state: 'RUNNING', new_state: 'UNKNOWN', reason: 'has not answered for 3 s' })
    }
    for (const name of frozen) {
      const status = await cluster.node(name)
      t.match(status, {
        state: 'UNKNOWN',
        responding: false,
        reason: 'has not answered for 3 s',
        pid: pids[name],
        restarts: 0
      })
      t.ok(Date.now() - Date.parse(status!.since!) < 60_000)
    }
    await until(
      async () => (await health()).reasons.filter(({ code }) => code === 'node_silent').length === 2,
      'health has both'
    )
    const { status, reasons } = await health()
    t.equal(status, 503)
    for (const name of frozen) {
      t.match(
        reasons.find(({ code, node }) => code === 'node_silent' && node === name)?.message,
        new RegExp(`^${name} has not answered for 3 s: its process ${pids[name]} hangs, or is frozen; .*restart`)
      )
    }
    t.match(
      await cluster.ask('get_node_stats', { nodes: ['worker-1'] }),
      { results: [{ success: true, data: { stats: { pid: pids['worker-1'] } } }] },
      'what it uses can be had'
    )
    t.match(await cluster.ask('get_nodes'), { state: 'succeeded' })
  })

  await t.test('are found so by an agent that was started again', async t => {
    const agent = (await cluster.node('sensor-2'))!.pid!
    process.kill(agent, 'SIGKILL')
    await cluster.reaches('sensor-2', 'RUNNING', agent)
    const seen = new Set<string>()
    const status = await until(async () => {
      const worker = (await cluster.node('worker-1'))!
      seen.add(worker.state)
      return worker.state === 'UNKNOWN' && worker.responding === false && worker
    }, 'it is silent')
    t.match(status, { pid: pids['worker-1'], reason: 'has not answered for 3 s' })
    t.notOk(seen.has('RUNNING'), 'what it has said before is from long ago')
  })

  await t.test('are RUNNING again when they answer, with the same process', async t => {
    const stream = await follow(t, cluster)
    for (const name of frozen) process.kill(pids[name]!, 'SIGCONT')
    for (const change of await reach(stream, 'RUNNING')) {
      t.match(change, { old_state: 'UNKNOWN', reason: 'answers again' })
    }
    await until(async () => (await health()).status === 200, 'the cluster is ready')
    t.match(await cluster.pids(), pids)
    for (const name of frozen) t.match(await cluster.node(name), { state: 'RUNNING', responding: true, restarts: 0 })
  })
})

await t.test('a silent node gets another process where the settings say so', { timeout: 200_000 }, async t => {
  const cluster = await deployed(t, {
    'agent-silent-after': '2',
    'agent-restart-silent': '3',
    'agent-stop-timeout': '0.5'
  })
  const pids = await cluster.pids()
  const stream = await follow(t, cluster)
  freeze(t, pids['worker-1']!)
  const changes = (
    await stream.collect(({ node, new_state: state }) => node === 'worker-1' && state === 'RUNNING')
  ).map(({ json }) => json)
  t.match(changes.filter(({ node }) => node === 'worker-1')[0], { old_state: 'RUNNING', new_state: 'UNKNOWN' })
  const { 'worker-1': successor, ...others } = await cluster.pids()
  t.ok(successor !== undefined && successor !== pids['worker-1'])
  t.notOk(isRunning(pids['worker-1']!))
  t.match(pids, others, 'nobody else')
  await until(async () => (await fetch(`${cluster.url}/v1/health`)).status === 200, 'the cluster is ready')
})
