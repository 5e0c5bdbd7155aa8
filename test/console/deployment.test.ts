import t from 'tap'
import { differenceOf, type Configuration } from '../../console/model/configuration-difference.js'
import {
  consequencesOf,
  culpritOf,
  endingOf,
  hasDeployed,
  isPlanRefused,
  revisionOf,
  stagedSince,
  stepsOf,
  summaryOf
} from '../../console/model/deployment.js'
import type { ClusterRequest, Node } from '../../console/model/types.js'

const before: Configuration = {
  instances: [
    { name: 'a', host: '192.0.2.1' },
    { name: 'b', host: '192.0.2.2' }
  ],
  nodes: [
    { name: 'manager', instance: 'a', role: 'MANAGER', port: 2200, metrics_port: 9000 },
    { name: 'w-1', instance: 'b', role: 'WORKER', interface: 'eth0', metrics_port: 9001, scripts: ['x', 'y'] },
    { name: 'w-2', instance: 'b', role: 'WORKER', interface: 'eth1', metrics_port: 9002, env: { A: '1', B: '2' } }
  ]
}
const [manager, first, second] = before.nodes as [
  Configuration['nodes'][0],
  Configuration['nodes'][0],
  Configuration['nodes'][0]
]
const changed = (...nodes: Configuration['nodes']): Configuration => ({ ...before, nodes })

function consequences(after: Configuration, more: { force?: boolean; states?: Record<string, Partial<Node>> } = {}) {
  const { force = false, states = {} } = more
  const nodes = new Map(
    before.nodes.map(({ name, instance }) => [
      name,
      { node: name, instance, state: 'RUNNING', mgmt_role: 'NODE', ...states[name] } as Node
    ])
  )
  return consequencesOf({
    difference: differenceOf(before, after),
    configuration: after,
    nodes,
    instances: new Map([
      ['a', { connected: true }],
      ['b', { connected: true }]
    ]),
    health: undefined,
    force
  })
}
const texts = (...args: Parameters<typeof consequences>) => consequences(...args).map(({ text }) => text)

await t.test('the same configuration has no difference, however it is written', async t => {
  const other = changed(manager, first, { env: { B: '2', A: '1' }, ...second, options: {}, scripts: [] })
  t.match(differenceOf(before, other), {
    nodes: { added: [], removed: [], changed: [], unchanged: ['manager', 'w-1', 'w-2'] },
    isLayoutOther: false
  })
  t.same(texts(other), ['leaves 3 nodes alone: manager, w-1, w-2'])
  t.equal(summaryOf(consequences(other)), 'Nothing differs: 3 nodes are left alone.')
})

await t.test('a node that differs is restarted, and the others are not', async t => {
  const after = changed(manager, { ...first, scripts: ['y', 'x'] }, { ...second, env: { A: '1', B: '3', C: '4' } })
  t.same(differenceOf(before, after).nodes.changed, [
    { name: 'w-1', changes: [{ field: 'scripts', before: 'x y', after: 'y x' }] },
    {
      name: 'w-2',
      changes: [
        { field: 'env B', before: '2', after: '3' },
        { field: 'env C', before: undefined, after: '4' }
      ]
    }
  ])
  t.same(texts(after), [
    'restarts 2 nodes whose configuration differs: w-1 (scripts), w-2 (env B, env C)',
    'leaves 1 node alone: manager'
  ])
  t.equal(summaryOf(consequences(after)), 'It restarts 2 nodes, leaves 1 alone.')
})

await t.test('what all nodes read of each other restarts all', async t => {
  const added = { ...second, name: 'w-3', metrics_port: 9003 }
  t.same(texts(changed(manager, first, added)), [
    'starts 1 node: w-3',
    'stops 1 node that the configuration has no more: w-2',
    'restarts 2 nodes since the layout differs, which all nodes read: manager, w-1'
  ])
  for (const after of [
    changed(manager, first),
    changed({ ...manager, port: 2201 }, first, second),
    { ...before, instances: [{ name: 'a', host: '192.0.2.9' }, before.instances[1]!] }
  ]) {
    t.ok(differenceOf(before, after).isLayoutOther)
  }
})

await t.test('nodes of an instance whose address is not known are not in what the others read', async t => {
  const instances = [before.instances[0]!, { name: 'b' }]
  const [earlier, after] = [
    { instances, nodes: [manager, first] },
    { instances, nodes: [manager, second] }
  ]
  t.notOk(differenceOf(earlier, after).isLayoutOther)
})

await t.test('force restarts all', async t => {
  t.same(texts(before, { force: true }), ['restarts 3 nodes that do not differ, as was asked: manager, w-1, w-2'])
})

await t.test('what does not run is started, unless an operator has stopped it', async t => {
  const states = { 'w-1': { state: 'FAILED' }, 'w-2': { state: 'STOPPED', desired_state: 'STOPPED' } } as const
  t.same(texts(before, { states }), [
    'starts again 1 node: w-1',
    'leaves 1 node alone: manager',
    'leaves 1 node stopped, as an operator wants: w-2'
  ])
})

await t.test('the first deployment starts all', async t => {
  const difference = differenceOf(undefined, before)
  t.same(difference.nodes.added, ['manager', 'w-1', 'w-2'])
  t.notOk(difference.isLayoutOther)
  const found = consequencesOf({
    difference,
    configuration: before,
    nodes: new Map(),
    instances: new Map([['a', { connected: true }]]),
    health: undefined,
    force: false
  })
  t.same(
    found.map(({ text }) => text),
    ['starts 3 nodes: manager, w-1, w-2', 'instance b is not connected: it follows when it connects']
  )
})

await t.test('files that have changed are told', async t => {
  const message = 'local.zeek changed on disk after w-1 had started; deploy again'
  const found = consequencesOf({
    difference: differenceOf(before, before),
    configuration: before,
    nodes: new Map(),
    instances: new Map(),
    health: { ready: false, reasons: [{ code: 'drift', message }] },
    force: false
  })
  t.ok(found.some(({ text }) => text === `restarts, too: ${message}`))
})

const request = (more: Partial<ClusterRequest>) =>
  ({ reqid: 'r', type: 'deploy', state: 'pending', results: [], warnings: [], ...more }) as ClusterRequest

await t.test('each node is as far as its result, its step or its state says', async t => {
  const pending = {
    ...request({
      results: [
        { reqid: 'r', success: true, node: 'w-1' },
        { reqid: 'r', success: false, node: 'w-2', error: 'exited' }
      ]
    }),
    waiting: [{ node: 'manager', state: 'starting', seconds: 5 }] as const
  }
  const nodes = new Map([['w-1', { node: 'w-1', state: 'RUNNING' } as Node]])
  t.same(
    stepsOf(pending, ['manager', 'w-1', 'w-2', 'w-3'], nodes).map(({ node, phase, text }) => [node, phase, text]),
    [
      ['w-2', 'failed', 'failed'],
      ['manager', 'busy', 'starting, 5 s'],
      ['w-3', 'waiting', 'not there yet'],
      ['w-1', 'done', 'RUNNING']
    ]
  )
})

await t.test('a deployment that was refused has changed nothing', async t => {
  const failed = { reqid: 'r', success: false, node: 'w-1', error: 'no such interface' }
  t.notOk(hasDeployed(request({ state: 'failed', results: [failed] })))
  t.ok(hasDeployed(request({ state: 'partial', results: [failed, { reqid: 'r', success: true, data: { id: '1' } }] })))
})

await t.test('of a deployment in steps it is told where it has ended', async t => {
  const whole = (error: string, data?: object) => ({ reqid: 'r', success: false, error, ...(data && { data }) })
  const back = (node: string, error = 'reverted') => ({ reqid: 'r', success: false, node, instance: 'b', error })
  const told = (state: string, ...results: object[]) => {
    const one = request({ state: state as never, results: results as never, arguments: { plan: 'p' } })
    const { kind, revision } = endingOf(one)!
    return [kind, revision, revisionOf(one), hasDeployed(one), culpritOf(one), isPlanRefused(one)]
  }
  const reverted = { id: '1', revision: 11, reverted: true }
  t.same(told('succeeded', { reqid: 'r', success: true, data: { id: '1', revision: 12 } }), [
    'deployed',
    12,
    12,
    true,
    undefined,
    false
  ])
  t.same(
    told('failed', back('w-1'), back('w-2', 'exited with code 1'), whole('reverted to revision 11: w-2: …', reverted)),
    ['reverted', 11, undefined, true, 'w-2', false]
  )
  t.same(
    told('failed', back('w-1'), back('w-2'), whole('reverted to revision 11: w-2 drops 30 % of its packets', reverted)),
    ['reverted', 11, undefined, true, 'w-2', false],
    'its figures were told at the end only'
  )
  t.same(
    told(
      'failed',
      back('w-1'),
      whole('reverted to what was deployed before: ada has reverted it', { id: '1', reverted: true })
    ),
    ['reverted', undefined, undefined, true, undefined, false]
  )
  t.same(
    told(
      'partial',
      { reqid: 'r', success: true, node: 'w-1' },
      back('w-2', 'exited'),
      whole('w-2: exited: 1 of 2 nodes are changed', { revision: 12 })
    ),
    ['stopped', 12, 12, true, 'w-2', false]
  )
  t.same(told('failed', whole('ada has cancelled it: nothing was changed')), [
    'nothing',
    undefined,
    undefined,
    false,
    undefined,
    false
  ])
  t.same(told('failed', whole('what is to be done has changed since plan p: w-1')), [
    'nothing',
    undefined,
    undefined,
    false,
    undefined,
    true
  ])
  t.match(told('interrupted', whole('request interrupted')), ['unknown', undefined, undefined, true])
  t.match(told('timed_out', whole('request timed out', { revision: 12 })), ['stopped', 12, 12, true])
  t.equal(endingOf(request({})), undefined)
})

await t.test('a node that went back with the others has not failed', async t => {
  const results = [
    { reqid: 'r', success: false, node: 'w-1', error: 'reverted' },
    { reqid: 'r', success: false, node: 'w-2', error: 'exited' }
  ]
  const nodes = new Map([['w-1', { node: 'w-1', state: 'RUNNING' } as Node]])
  t.match(stepsOf(request({ state: 'failed', results }), ['w-1', 'w-2'], nodes), [
    { node: 'w-2', phase: 'failed' },
    { node: 'w-1', phase: 'done', tone: 'doubt', text: 'RUNNING, as before' }
  ])
})

await t.test('who stages after somebody else is told of', async t => {
  const staging = (reqid: string, second: number, state = 'succeeded') =>
    [
      reqid,
      request({ reqid, type: 'stage_configuration', state: state as never, created_at: `2026-11-22T14:48:0${second}Z` })
    ] as const
  const ours = staging('ours', 3)
  const requests = new Map([staging('early', 1), ours, staging('failed', 5, 'failed')])
  t.equal(stagedSince(requests, ours[1]), undefined)
  t.equal(stagedSince(new Map([...requests, staging('late', 6)]), ours[1])?.reqid, 'late')
})
