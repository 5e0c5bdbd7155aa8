import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { InstanceNode } from '../../../schemas/api.js'
import type { ArchiveStatus, FileSystemStats, HealthReport } from '../../../schemas/operations.js'
import { assess, type HealthLimits } from '../../../src/controller/cluster/health.js'
import { getJson, openStream } from '../../support/client.js'
import { startTestController } from '../../support/controller.js'
import { until } from '../../support/until.js'
import { fakeAgent, small, status } from '../fake-agent.js'

const limits: HealthLimits = {
  controller_health_interval: 1,
  controller_health_workers_missing_max: 0,
  controller_health_drop_max: 1,
  controller_health_idle_max: 60,
  controller_health_split_max: 30,
  controller_health_logs_idle_max: 600,
  controller_health_duplicates_allowed: false,
  controller_health_imbalance_max: 5,
  controller_health_free_min: 5,
  controller_health_archive_age_max: 7200
}
const node = (name: string, more: Partial<InstanceNode> = {}): InstanceNode => ({
  instance: 'a',
  node: name,
  state: 'RUNNING',
  desired_state: 'RUNNING',
  mgmt_role: 'NODE',
  cluster_role: 'WORKER',
  ...more
})
const disk = (free: number): FileSystemStats => ({ path: '/var', holds: ['state'], size_bytes: 1000, free_bytes: free })
const archive = (more: Partial<ArchiveStatus>): ArchiveStatus => ({
  queue: '/q',
  directory: '/l',
  files: 1,
  bytes: 1,
  archived: 0,
  deleted: 0,
  failures: 0,
  ...more
})
const report = (more: Partial<HealthReport>): Map<string, HealthReport> =>
  new Map([['a', { nodes: [], file_systems: [], ...more }]])
const codes = (nodes: InstanceNode[], reports = report({}), more: Partial<HealthLimits> = {}) =>
  assess({ nodes, reports }, { ...limits, ...more }).map(({ code, node: name }) => [code, name].join(' ').trim())

await t.test('an elastic group that cannot do with what comes is told as it is', async t => {
  const exhausted = [{ instance: 'a', message: 'w on a: dropped 5 % of its packets' }]
  t.same(assess({ nodes: [], reports: report({}), exhausted }, limits), [
    { code: 'elastic_exhausted', ...exhausted[0] }
  ])
})

await t.test('without a cluster it is not ready; with one whose nodes all run it is', async t => {
  t.match(assess({ nodes: undefined, reports: new Map() }, limits), [{ code: 'not_deployed' }])
  t.same(codes([node('manager', { cluster_role: 'MANAGER' }), node('worker')]), [])
  t.same(codes([]), [], 'an empty one has nothing to miss')
})

await t.test('a manager, logger or proxy that does not run is a reason of its own', async t => {
  t.same(
    codes([
      node('manager', { cluster_role: 'MANAGER', state: 'CRASHED' }),
      node('logger', { cluster_role: 'LOGGER', state: 'PENDING' }),
      node('worker')
    ]),
    ['node_not_running manager', 'node_not_running logger']
  )
})

await t.test('some workers may be missing, and those that are to be stopped do not count', async t => {
  const workers = [
    node('w1', { state: 'UNKNOWN' }),
    node('w2', { state: 'FAILED' }),
    node('w3'),
    node('w4', { state: 'STOPPED', desired_state: 'STOPPED' })
  ]
  t.same(codes(workers, undefined, { controller_health_workers_missing_max: 2 }), [])
  const [reason] = assess(
    { nodes: workers, reports: new Map() },
    { ...limits, controller_health_workers_missing_max: 1 }
  )
  t.same(reason, {
    code: 'workers_missing',
    message: '1 of 3 workers run, 1 is allowed to be missing: w1 is UNKNOWN, w2 is FAILED',
    instances: ['a']
  })
  const many = Array.from({ length: 30 }, (_, n) => node(`w${n}`, { state: 'CRASHED' }))
  t.ok(
    assess({ nodes: many, reports: new Map() }, limits)[0]!.message.endsWith('w9 is CRASHED, …'),
    'not all are named'
  )
})

await t.test('what workers see counts at more than the limit, and only while they run', async t => {
  const nodes = [
    { node: 'w1', dropped_percent: 1, idle: 60 },
    { node: 'w2', dropped_percent: 1.01, idle: 61 },
    { node: 'w3', dropped_percent: 50, idle: 500 }
  ]
  const workers = [node('w1'), node('w2'), node('w3', { state: 'CRASHED' })]
  const allowed = { controller_health_workers_missing_max: 1 }
  t.same(codes(workers, report({ nodes }), allowed), ['packets_dropped w2', 'no_packets w2'])
  t.same(
    codes(workers, report({ nodes }), { ...allowed, controller_health_idle_max: 0, controller_health_drop_max: 100 }),
    []
  )
})

await t.test('disks that are full and logs that are not archived count', async t => {
  t.same(codes([], report({ file_systems: [disk(50)] })), [])
  t.same(codes([], report({ file_systems: [disk(49)] })), ['disk_full'])
  t.same(codes([], report({ archive: archive({ oldest: 7200 }) })), [])
  t.same(codes([], report({ archive: archive({ oldest: 7201 }) })), ['archive_behind'])
  t.same(codes([], report({ archive: archive({ oldest: 7201 }) }), { controller_health_archive_age_max: 0 }), [])
  t.match(
    assess({ nodes: [], reports: report({ archive: archive({ failures: 1, error: 'no space left' }) }) }, limits),
    [{ code: 'archive_failing', instance: 'a', message: 'logs are not archived: no space left' }]
  )
})

await t.test('a cluster is ready exactly when there is no reason, whatever is told', async t => {
  const states = fc.constantFrom('PENDING', 'RUNNING', 'STOPPED', 'FAILED', 'CRASHED', 'UNKNOWN')
  const nodes = fc.array(fc.record({ state: states, desired: fc.constantFrom('RUNNING', 'STOPPED') }))
  fc.assert(
    fc.property(nodes, fc.integer({ min: 0, max: 5 }), (list, max) => {
      const workers = list.map(({ state, desired }, n) =>
        node(`w${n}`, { state, desired_state: desired } as Partial<InstanceNode>)
      )
      const missing = list.filter(({ state, desired }) => desired === 'RUNNING' && state !== 'RUNNING').length
      return (codes(workers, undefined, { controller_health_workers_missing_max: max }).length === 0) === missing <= max
    })
  )
})

async function deployed(t: Test) {
  const controller = await startTestController(t, { 'controller-health-interval': '0.05' })
  const stream = await openStream(t, `${controller.url}/v1/events?types=notify_health`)
  await stream.next('hello')
  const agent = await fakeAgent(t, controller.settings.controller_port, {
    hello: { nodes: [status('manager', 'RUNNING', { cluster_role: 'MANAGER' }), status('worker-1')] }
  })
  await controller.ask('stage_configuration', { config: small() })
  await controller.ask('deploy')
  return {
    ...controller,
    agent,
    stream,
    told: async (code?: string) =>
      (
        await stream.collect(({ reasons }) =>
          code === undefined ? reasons?.length === 0 : reasons?.some((reason: any) => reason.code === code)
        )
      ).at(-1)!.json
  }
}

await t.test('each change of the reasons is one event, and what it says is what GET /v1/health says', async t => {
  const { url, agent, told } = await deployed(t)
  t.match(await told(), { ready: true })
  const tell = (percent: number, free = 900) =>
    agent.link.notify('health', {
      nodes: [{ node: 'worker-1', dropped_percent: percent, idle: 0 }],
      file_systems: [disk(free)]
    })
  tell(2)
  t.match(await told('packets_dropped'), {
    ready: false,
    reasons: [
      {
        code: 'packets_dropped',
        node: 'worker-1',
        instance: 'agent-a',
        message: 'worker-1 drops 2 % of its packets, 1 % is allowed: it needs more workers beside it, or less to do'
      }
    ]
  })
  tell(3)
  await until(
    async () => (await getJson(`${url}/v1/health`)).reasons[0]?.message.includes('3 %'),
    'the other figure is known'
  )
  tell(3, 10)
  t.match(
    (await told('disk_full')).reasons,
    [
      { code: 'packets_dropped' },
      { code: 'disk_full', message: '1 % is free at /var, 5 % must be: delete, or archive elsewhere' }
    ],
    'and it was no event'
  )
  agent.change('worker-1', 'RUNNING', 'CRASHED')
  t.match(
    (await told('workers_missing')).reasons.map(({ code }: any) => code),
    ['workers_missing', 'disk_full']
  )
  const response = await fetch(`${url}/v1/health`)
  t.equal(response.status, 503)
  t.match(await response.json(), {
    ready: false,
    reasons: [{ code: 'workers_missing' }, { code: 'disk_full' }],
    event_cursor: /\./
  })
  const metrics = await (await fetch(`${url}/metrics`)).text()
  t.match(metrics, /^zeek_cluster_ready 0$/m)
  t.match(metrics, /^zeek_cluster_file_system_free_ratio\{instance="agent-a",path="\/var"\} 0.01$/m)
  agent.change('worker-1', 'CRASHED', 'RUNNING')
  tell(0)
  t.match(await told(), { ready: true })
  t.equal((await fetch(`${url}/v1/health`)).status, 200)
})

await t.test('what a lost agent has told no longer counts', async t => {
  const { url, agent, told } = await deployed(t)
  agent.link.notify('health', {
    nodes: [],
    file_systems: [disk(1)],
    archive: archive({ files: 7, failures: 2, error: 'x' })
  })
  await told('disk_full')
  t.match(await (await fetch(`${url}/metrics`)).text(), /^zeek_cluster_log_queue_files\{instance="agent-a"\} 7$/m)
  await agent.close()
  t.match(
    (await told('workers_missing')).reasons.map(({ code }: any) => code),
    ['node_not_running', 'workers_missing']
  )
  t.notMatch(await (await fetch(`${url}/metrics`)).text(), /zeek_cluster_log_queue_files\{/)
})

await t.test('a report that makes no sense is refused, and changes nothing', async t => {
  const { url, agent, told } = await deployed(t)
  await told()
  agent.link.notify('health', { nodes: 'all well' })
  agent.link.notify('health', { nodes: [], file_systems: [disk(1)] })
  await told('disk_full')
  t.equal((await getJson(`${url}/v1/health`)).reasons.length, 1)
})
