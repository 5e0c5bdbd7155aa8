import t from 'tap'
import {
  afterEvent,
  changesLists,
  clusterOf,
  nothingKnown,
  withHistory,
  withLists
} from '../../console/model/cluster.js'
import type { Rollout } from '../../console/model/rollout.js'
import type { ClusterRequest, DomainEvent, Node, Snapshot } from '../../console/model/types.js'

const time = '2026-11-22T14:48:56.123Z'
let seq = 0
const stamped = (event: object) => ({ cursor: `e.${++seq}`, time, ...event }) as DomainEvent
const node = (name: string, instance = 'sensor-1'): Node => ({
  instance,
  node: name,
  state: 'RUNNING',
  mgmt_role: 'NODE',
  pid: 7,
  restarts: 0
})
const change = (name: string, state: string, more: object = {}) =>
  stamped({
    type: 'notify_change',
    instance: 'sensor-1',
    node: name,
    old_state: 'RUNNING',
    new_state: state,
    reason: 'killed by SIGKILL',
    ...more
  })
const pending = (reqid: string): ClusterRequest => ({
  reqid,
  type: 'restart',
  state: 'pending',
  arguments: {},
  results: [],
  warnings: [],
  created_at: time,
  expires_at: time,
  event_cursor: 'e.1'
})
const snapshot = (parts: Partial<Snapshot>): Snapshot => ({ type: 'snapshot', ...parts })

await t.test('a snapshot comes in parts, and its nodes are sorted as people count', async t => {
  const { nodes, instances, requests } = clusterOf(
    [
      snapshot({ instances: [{ name: 'sensor-1', connected: true, configured: true }] }),
      snapshot({ nodes: [node('worker-10'), node('worker-2'), node('proxy', 'sensor-2')] }),
      snapshot({ nodes: [node('worker-1')], requests: [pending('a')] })
    ],
    nothingKnown
  )
  t.same(
    [...nodes].map(([instance, group]) => [instance, group.map(({ node }) => node)]),
    [
      ['sensor-1', ['worker-1', 'worker-2', 'worker-10']],
      ['sensor-2', ['proxy']]
    ]
  )
  t.same([...instances.keys(), ...requests.keys()], ['sensor-1', 'a'])
})

await t.test('a change replaces the nodes of its instance, and leaves those of others the same', async t => {
  const before = clusterOf([snapshot({ nodes: [node('a'), node('b'), node('c', 'sensor-2')] })], nothingKnown)
  const after = afterEvent(before, change('a', 'CRASHED'))
  t.match(after.nodes.get('sensor-1'), [{ node: 'a', state: 'CRASHED', since: time, restarts: 0 }, { node: 'b' }])
  t.equal(after.nodes.get('sensor-1')![0]!.pid, undefined, 'its process is gone')
  t.equal(after.nodes.get('sensor-2'), before.nodes.get('sensor-2'))
  t.equal(after.nodes.get('sensor-1')![1], before.nodes.get('sensor-1')![1])
  t.match(before.nodes.get('sensor-1'), [{ state: 'RUNNING' }, {}], 'what was is not touched')
  t.match(afterEvent(after, change('a', 'RUNNING', { pid: 9, restarts: 1 })).nodes.get('sensor-1'), [
    { pid: 9, restarts: 1 },
    {}
  ])
})

await t.test('lists are read again when an event does not say what it changes', async t => {
  const known = clusterOf([snapshot({ nodes: [node('a')] })], nothingKnown)
  const reads = (event: DomainEvent) => changesLists(event, known)
  t.notOk(reads(change('a', 'CRASHED')))
  t.ok(reads(change('new', 'PENDING')), 'a node that is not known')
  t.ok(reads(stamped({ type: 'deploy_response' })))
  t.ok(reads(stamped({ type: 'notify_agent_lost', instance: 'sensor-1' })))
  t.ok(reads(stamped({ type: 'notify_error', instance: 'sensor-1', message: '20 events were left out' })))
  t.notOk(reads(stamped({ type: 'notify_error', message: 'x' })))
  t.notOk(reads(stamped({ type: 'restart_response' })))
  t.same([...withLists(known, [node('b')], []).nodes.values()].flat().length, 1, 'what is not listed is gone')
})

await t.test('a request is followed from its event to its response', async t => {
  const step = (cluster: typeof nothingKnown, event: object) => afterEvent(cluster, stamped(event))
  const reqid = 'r'
  let cluster = step(nothingKnown, {
    type: 'restart_request',
    reqid,
    arguments: { nodes: ['a', 'b'] },
    expires_at: time
  })
  t.match(cluster.requests.get(reqid), { type: 'restart', state: 'pending', arguments: { nodes: ['a', 'b'] } })
  const waiting = [
    { node: 'a', state: 'starting', seconds: 5 },
    { node: 'b', state: 'stopping', seconds: 5 }
  ]
  cluster = step(cluster, { type: 'request_progress', reqid, results: [], waiting })
  cluster = step(cluster, { type: 'request_progress', reqid, results: [{ reqid, success: true, node: 'a' }] })
  t.match(cluster.requests.get(reqid), { results: [{ node: 'a' }], waiting: [{ node: 'b' }] })
  t.equal(cluster.requests.get(reqid)!.waiting!.length, 1, 'what is done is not waited for')
  const results = [
    { reqid, success: true, node: 'a' },
    { reqid, success: false, node: 'b', error: 'still starting' }
  ]
  cluster = step(cluster, { type: 'restart_response', reqid, state: 'partial', success: false, results, warnings: [] })
  t.match(cluster.requests.get(reqid), { state: 'partial', results, waiting: [], finished_at: time })
  t.equal(step(cluster, { type: 'request_progress', reqid: 'other', results: [] }).requests, cluster.requests)
})

await t.test('a deployment in steps is followed, also from its middle', async t => {
  const rollout: Rollout = { revision: 12, phase: 'watching', step: 2, of: 3, nodes: ['w-2'], done: 1, total: 4 }
  const deploy = { ...pending('d'), type: 'deploy' as const, rollout }
  let cluster = clusterOf([snapshot({ requests: [deploy] })], nothingKnown)
  const tell = (more: object) => {
    cluster = afterEvent(cluster, stamped({ type: 'rollout_progress', reqid: 'd', ...rollout, ...more }))
    return cluster.requests.get('d')!
  }
  cluster = afterEvent(
    cluster,
    stamped({
      type: 'request_progress',
      reqid: 'd',
      results: [],
      waiting: [{ node: 'w-2', state: 'starting', seconds: 5 }]
    })
  )
  const next = { phase: 'changing', step: 3, nodes: ['w-3', 'w-4'], done: 2 }
  const then = tell(next)
  t.same(then.rollout, { ...rollout, ...next }, 'without what is of the event')
  t.same(then.waiting, [], 'those of the step before have no results yet')
  t.same(
    [...then.steps!],
    [
      [2, ['w-2']],
      [3, ['w-3', 'w-4']]
    ]
  )
  const back = tell({ ...next, phase: 'reverting', nodes: ['w-1', 'w-2', 'w-3', 'w-4'], reason: 'w-3: exited' })
  t.equal(back.rollout!.reason, 'w-3: exited')
  t.same(back.steps!.get(3), ['w-3', 'w-4'])
  const answer = { state: 'failed', success: false, results: [], warnings: [] }
  cluster = afterEvent(cluster, stamped({ type: 'deploy_response', reqid: 'd', ...answer }))
  t.notOk(cluster.requests.get('d')!.rollout ?? cluster.requests.get('d')!.steps, 'it is not under way any more')
})

await t.test('of a watch that has ended nothing is kept: consoles begin one after the other all day', t => {
  const watch = { ...pending('w'), type: 'get_node_stats' as const }
  const { requests } = afterEvent(
    clusterOf([snapshot({ requests: [watch] })], nothingKnown),
    stamped({
      type: 'get_node_stats_response',
      reqid: 'w',
      state: 'succeeded',
      success: true,
      results: [{ reqid: 'w', success: true, node: 'a' }],
      warnings: []
    })
  )
  t.same([...requests], [])
  t.end()
})

await t.test('of requests that were answered only the last are kept, of those that are pending all', async t => {
  let cluster = clusterOf([snapshot({ requests: [pending('open')] })], nothingKnown)
  for (let n = 0; n < 60; n++) {
    const reqid = `r${n}`
    cluster = afterEvent(cluster, stamped({ type: 'stop_request', reqid, arguments: {}, expires_at: time }))
    const answer = { reqid, state: 'succeeded', success: true, results: [], warnings: [] }
    cluster = afterEvent(cluster, stamped({ type: 'stop_response', ...answer }))
  }
  t.ok(cluster.requests.has('open') && cluster.requests.has('r59'))
  t.equal(cluster.requests.size, 51)
})

await t.test('the news are kept newest first, each once, without samples and outputs', async t => {
  let cluster = nothingKnown
  const [first, second] = [change('a', 'CRASHED'), change('a', 'RUNNING')]
  cluster = afterEvent(afterEvent(cluster, first), second)
  cluster = afterEvent(cluster, stamped({ type: 'get_nodes_response', results: [] }))
  cluster = afterEvent(cluster, stamped({ type: 'node_output', reqid: 'r', lines: ['x'] }))
  const older = stamped({ type: 'notify_health', ready: true, reasons: [] })
  cluster = withHistory(cluster, [second, first, older])
  t.same(cluster.recent, [second, first, older])
  for (let n = 0; n < 300; n++) cluster = afterEvent(cluster, change('a', 'RUNNING'))
  t.equal(cluster.recent.length, 200)
})

await t.test('samples of all instances make one total for each moment', async t => {
  const sample = (name: string, packets: number, at: string, dropped = 0) => ({
    node: name,
    time: at,
    pid: 1,
    uptime: 1,
    cpu_seconds: 1,
    memory_bytes: 100,
    packets_per_second: packets,
    dropped_per_second: dropped,
    cpu_percent: 50,
    packet_lag: packets / 1000
  })
  const at = (seconds: number) => new Date(Date.parse(time) + seconds * 1000).toISOString()
  const told = (instance: string, seconds: number, ...stats: object[]) =>
    stamped({ type: 'node_stats', reqid: 'r', instance, time: at(seconds), stats })
  const {
    packets_per_second: _packets,
    dropped_per_second: _dropped,
    cpu_percent: _cpu,
    ...first
  } = sample('a', 0, at(0))
  t.match(
    afterEvent(nothingKnown, told('s1', 0, first)).totals,
    [{ nodes: 1, packets: undefined, drop: undefined, cpu: undefined, memory: 100 }],
    'of a first sample there are no rates'
  )
  let cluster = afterEvent(nothingKnown, told('s1', 0, sample('a', 10, at(0)), sample('b', 30, at(0))))
  cluster = afterEvent(cluster, told('s2', 0.2, sample('c', 50, at(0.2), 10)))
  t.match(cluster.totals, [{ nodes: 3, packets: 90, drop: 10, lag: 0.05, cpu: 150, memory: 300 }])
  cluster = afterEvent(cluster, told('s1', 10, sample('a', 20, at(10))))
  t.equal(cluster.totals.length, 2)
  // The others are gone, or nobody tells of them.
  cluster = afterEvent(cluster, told('s1', 60, sample('a', 20, at(60))))
  t.match(cluster.totals.at(-1), { nodes: 1, packets: 20, drop: 0 })
})
