import t from 'tap'
import type { ClusterRequest } from '../../schemas/api.js'
import type { HealthReason } from '../../schemas/operations.js'
import type { LoggedEvent } from '../../schemas/events.js'
import { Scope } from '../../src/requests/scope.js'
import { Sight } from '../../src/requests/sight.js'

const deployed = {
  id: 'x',
  instances: [
    { name: 'berlin-1', host: '10.0.0.1', labels: { site: 'berlin' } },
    { name: 'paris-1', host: '10.0.0.2', labels: { site: 'paris' } }
  ],
  nodes: [
    { name: 'berlin-w', instance: 'berlin-1', role: 'WORKER' as const },
    { name: 'paris-w', instance: 'paris-1', role: 'WORKER' as const }
  ]
}
const berlin = { site: 'berlin' }

const request = (
  type: ClusterRequest['type'],
  args: object = {},
  more: Partial<ClusterRequest> = {}
): ClusterRequest => ({
  reqid: 'r',
  type,
  state: 'succeeded',
  arguments: args,
  results: [],
  warnings: ['paris-w is slow'],
  created_at: '',
  expires_at: '',
  event_cursor: 'e.1',
  ...more
})
const sightOn = (...requests: ClusterRequest[]) =>
  new Sight(new Scope(berlin, () => deployed), reqid => requests.find(one => one.reqid === reqid))
const results = [
  { reqid: 'r', success: true, instance: 'berlin-1', node: 'berlin-w', error: 'after paris-w at 10.0.0.2' },
  { reqid: 'r', success: true, instance: 'paris-1', node: 'paris-w' },
  { reqid: 'r', success: false, error: 'of all' }
]

await t.test('a request is seen that names what is seen, or has a result of it, or is of all nodes', async t => {
  const sight = sightOn()
  for (const [isSeen, ...args] of [
    [true, 'restart', {}],
    [true, 'restart', { nodes: ['berlin-w', 'paris-w'] }],
    [true, 'restart', { nodes: [], instances: [] }],
    [false, 'restart', { nodes: ['paris-w'] }],
    [false, 'restart', { nodes: ['gone'] }],
    [true, 'cleanup', { instances: ['berlin-1'] }],
    [false, 'cleanup', { instances: ['paris-1'] }],
    [true, 'deploy', {}],
    [true, 'deploy', { labels: berlin }],
    [false, 'deploy', { labels: { site: 'paris' } }],
    [false, 'stage_configuration', { config: deployed }],
    [false, 'get_configuration', {}],
    [false, 'get_instances', {}],
    [false, 'test_timeout', {}],
    [false, 'set_option', { name: 'a', value: 'b' }],
    [true, 'set_option', { name: 'a', value: 'b' }, { results }],
    [false, 'set_option', { name: 'a', value: 'b' }, { results: results.slice(1) }],
    [false, 'what comes', {}],
    [true, 'test_timeout', {}, { limited_to: berlin }],
    [false, 'test_timeout', {}, { limited_to: { site: 'paris' } }]
  ] as const) {
    t.equal(sight.request(request(...(args as Parameters<typeof request>))) !== undefined, isSeen, JSON.stringify(args))
  }
})

await t.test('of a request of others nothing is seen but what is of instances that are seen', async t => {
  const args = { nodes: ['berlin-w', 'paris-w'], comment: 'for paris', labels: { site: 'paris' }, config: deployed }
  const rollout = { revision: 1, phase: 'changing' as const, step: 1, of: 1, nodes: ['paris-w'], done: 0, total: 1 }
  const seen = sightOn().request(request('restart', args, { results, rollout, limited_to: { tap: 'x' } }))!
  t.same(seen.arguments, { nodes: ['berlin-w'] })
  t.same(seen.results, [{ ...results[0], error: 'after … at …' }])
  t.same(seen.warnings, [])
  t.notMatch(JSON.stringify(seen), /paris|rollout|tap/)
  const elastic = { nodes: ['berlin-w'], comment: 'berlin-w has dropped 4 %' }
  t.same(sightOn().request(request('start', elastic))!.arguments, elastic, 'a comment on what is seen')
})

await t.test('of one of the same scope what the caller has said is seen, too, and the answer to that', async t => {
  const own = request('get_instance_stats', { instances: ['paris-1', 'turin-1'] }, { limited_to: { ...berlin } })
  const answers = ['paris-1', 'turin-1'].map(instance => ({
    reqid: 'r',
    success: false,
    instance,
    error: `${instance}?`
  }))
  const seen = sightOn().request({ ...own, results: [...answers, ...results.slice(0, 2)] })!
  t.same(seen, { ...own, results: [...answers, { ...results[0], error: 'after … at …' }] })
  const known = { reqid: 'r', success: false, instance: 'paris-1', data: { value: '1' }, error: 'x' }
  t.same(sightOn().request({ ...own, results: [known] })!.results, [], 'what was told when it had other labels')
})

const event = (body: Record<string, unknown>): LoggedEvent => ({
  seq: 1,
  time: 0,
  type: String(body.type),
  reqid: (body.reqid as string | undefined) ?? null,
  instance: (body.instance as string | undefined) ?? null,
  node: (body.node as string | undefined) ?? null,
  body: JSON.stringify(body)
})

await t.test('an event is seen as far as it is of instances that are seen', async t => {
  const sight = sightOn(
    request('restart', {}, { results }),
    { ...request('get_configuration'), reqid: 'c' },
    { ...request('test_timeout', {}, { limited_to: berlin }), reqid: 'o' }
  )
  const see = (body: Record<string, unknown>) => {
    const seen = sight.see(event(body))
    return seen && JSON.parse(seen.body)
  }
  const change = { type: 'notify_change', old_state: 'RUNNING', new_state: 'CRASHED' }
  for (const [body, expected] of [
    [
      { ...change, instance: 'berlin-1', node: 'berlin-w', reason: 'paris-w' },
      { reason: '…', node: 'berlin-w' }
    ],
    [{ ...change, instance: 'paris-1', node: 'paris-w', reason: '' }, undefined],
    [{ ...change, instance: 'gone', node: 'berlin-w', reason: '' }, undefined],
    [{ type: 'notify_error', message: 'berlin-1 has no disk' }, undefined],
    [{ type: 'notify_agents_ready', instances: ['berlin-1', 'paris-1'] }, { instances: ['berlin-1'] }],
    [{ type: 'notify_agents_ready', instances: ['paris-1'] }, undefined],
    [{ type: 'what comes', message: 'paris' }, undefined],
    [{ type: 'restart_request', reqid: 'r', arguments: { nodes: ['paris-w'] }, expires_at: '' }, { arguments: {} }],
    [
      { type: 'restart_response', reqid: 'r', results, warnings: ['paris'] },
      { results: [{ node: 'berlin-w' }], warnings: [] }
    ],
    [{ type: 'get_configuration_response', reqid: 'c', results: [{ data: {} }], warnings: [] }, undefined],
    [{ type: 'restart_response', reqid: 'gone', results, warnings: [] }, undefined],
    [{ type: 'request_expired', reqid: 'r' }, { reqid: 'r' }],
    [{ type: 'request_expired', reqid: 'o' }, { reqid: 'o' }],
    [{ type: 'request_expired', reqid: 'c' }, undefined],
    [{ type: 'rollout_progress', reqid: 'r', nodes: ['paris-w'] }, undefined],
    [{ type: 'request_progress', reqid: 'r', results, waiting: [] }, undefined],
    [{ type: 'request_progress', reqid: 'r', instance: 'berlin-1', results }, { results: [{ error: 'after … at …' }] }],
    [{ type: 'node_output', reqid: 'r', instance: 'paris-1', node: 'paris-w', lines: ['x'] }, undefined],
    [{ type: 'node_output', reqid: 'r', instance: 'berlin-1', node: 'berlin-w', lines: ['paris-w'] }, { lines: ['…'] }]
  ] as const) {
    if (expected === undefined) t.equal(see(body), undefined, JSON.stringify(body))
    else t.match(see(body), expected, JSON.stringify(body))
  }
  t.equal(see({ type: 'restart_response', reqid: 'r', results, warnings: [] }).results.length, 1)
})

await t.test('health is that of the instances that are seen, in an answer and in an event', async t => {
  const reasons: HealthReason[] = [
    { code: 'node_not_running', message: 'berlin-w sees no paris-w', instance: 'berlin-1', node: 'berlin-w' },
    { code: 'node_not_running', message: 'paris-w is CRASHED', instance: 'paris-1', node: 'paris-w' },
    { code: 'workers_missing', message: '1 of 27 workers run: paris-w', instances: ['paris-1', 'berlin-1'] },
    { code: 'workers_missing', message: '1 of 27 workers run: paris-w', instances: ['paris-1'] },
    { code: 'workers_missing', message: 'of an earlier version: paris-w' },
    { code: 'rollout_interrupted', message: 'paris-w' }
  ]
  const seen = [
    { code: 'node_not_running', message: 'berlin-w sees no …', instance: 'berlin-1', node: 'berlin-w' },
    { code: 'workers_missing', message: 'workers do not run', instances: ['berlin-1'] }
  ]
  t.same(sightOn().reasons(reasons), seen)
  const body = sightOn().see(event({ type: 'notify_health', ready: false, reasons }))!.body
  t.same(JSON.parse(body), { type: 'notify_health', ready: false, reasons: seen })
  const healthy = sightOn().see(event({ type: 'notify_health', ready: false, reasons: reasons.slice(1, 2) }))!.body
  t.same(JSON.parse(healthy), { type: 'notify_health', ready: true, reasons: [] })
  const nobody = new Sight(new Scope({ site: 'rome' }, () => deployed), () => undefined)
  t.same(nobody.reasons([]), [{ code: 'not_deployed', message: 'no cluster is deployed' }])
})
