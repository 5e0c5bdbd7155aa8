import t from 'tap'
import { filterOf, queryOf, rowsOf, sampleOf, statesIn } from '../../console/model/node-rows.js'
import { nodeStates } from '../../console/model/states.js'
import type { Node, NodeStats } from '../../console/model/types.js'

const node = (name: string, more: Partial<Node> = {}): Node => ({
  instance: 'sensor-1',
  node: name,
  state: 'RUNNING',
  mgmt_role: 'NODE',
  cluster_role: 'WORKER',
  ...more
})
const sample = (name: string, more: Partial<NodeStats>): NodeStats => ({
  node: name,
  time: '2026-11-22T15:00:00Z',
  pid: 1,
  uptime: 1,
  cpu_seconds: 1,
  memory_bytes: 1,
  ...more
})
const nodes = [
  [
    node('worker-10'),
    node('worker-2', { state: 'CRASHED', reason: 'killed by SIGSEGV' }),
    node('manager', { cluster_role: 'MANAGER' }),
    node('sensor-1', { mgmt_role: 'AGENT', cluster_role: undefined as never })
  ],
  [node('worker-3', { instance: 'sensor-2', state: 'FAILED' })]
]
const stats = new Map([
  ['worker-10', sample('worker-10', { cpu_percent: 5 })],
  ['manager', sample('manager', { cpu_percent: 50 })],
  ['worker-2', sample('worker-2', { cpu_percent: 99 })]
])
const names = (query: string) =>
  rowsOf(nodes, stats, filterOf(new URLSearchParams(query))).map(({ node: { node } }) => node)

await t.test('lists nodes that fit each part of a filter', async t => {
  t.same(names(''), ['manager', 'worker-2', 'worker-3', 'worker-10'])
  t.same(names('state=CRASHED,FAILED'), ['worker-2', 'worker-3'])
  t.same(names('state=CRASHED,FAILED&instance=sensor-2'), ['worker-3'])
  t.same(names('role=MANAGER'), ['manager'])
  t.same(names('role=AGENT,CONTROLLER'), ['sensor-1'], 'the others only where they are asked for')
  t.same(names('q=sigsegv WORKER'), ['worker-2'])
  t.same(names('q=nothing'), [])
})

await t.test('sorts them; those without a value come last', async t => {
  t.same(names('sort=-cpu'), ['manager', 'worker-10', 'worker-2', 'worker-3'])
  t.same(names('sort=cpu'), ['worker-10', 'manager', 'worker-2', 'worker-3'])
  t.same(names('sort=-name'), ['worker-10', 'worker-3', 'worker-2', 'manager'])
  t.same(names('sort=state'), ['worker-2', 'worker-3', 'manager', 'worker-10'], 'what is amiss comes first')
  t.same(names('sort=nosuch'), names(''))
})

await t.test('a filter is a query, and the other way round', async t => {
  for (const query of ['', 'q=a+b&role=WORKER,PROXY&state=CRASHED&instance=x&sort=-cpu', 'q=%26%3D']) {
    t.equal(queryOf(filterOf(new URLSearchParams(query))), query)
  }
})

await t.test('a sample of the process before is none', async t => {
  const all = new Map([['w', sample('w', {})]])
  t.ok(sampleOf(node('w'), all))
  t.ok(sampleOf(node('w', { since: '2026-11-22T14:59:00Z' }), all))
  t.equal(sampleOf(node('w', { since: '2026-11-22T15:00:01Z' }), all), undefined)
  t.equal(sampleOf(node('w', { state: 'STOPPED' }), all), undefined)
})

await t.test('offers the states that are known, and others that are asked for', async t => {
  t.same(statesIn(nodes, ['STOPPED', 'NEW']), [...nodeStates, 'NEW'])
})
