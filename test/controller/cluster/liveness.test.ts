import t from 'tap'
import type { InstanceNode } from '../../../schemas/api.js'
import type { HealthReport } from '../../../schemas/operations.js'
import { controllerSettings } from '../../../src/controller/config.js'
import { assess, type HealthLimits } from '../../../src/controller/cluster/health.js'
import { SplitTimes, splitsOf, type Split } from '../../../src/controller/cluster/splits.js'
import { openStream } from '../../support/client.js'
import { startTestController } from '../../support/controller.js'
import { settingsOf } from '../../support/settings.js'
import { until } from '../../support/until.js'
import { fakeAgent, small, status } from '../fake-agent.js'

const limits: HealthLimits = settingsOf({})
const node = (name: string, more: Partial<InstanceNode> = {}): InstanceNode => ({
  instance: 'a',
  node: name,
  state: 'RUNNING',
  desired_state: 'RUNNING',
  mgmt_role: 'NODE',
  cluster_role: 'WORKER',
  pid: 7,
  ...more
})
const silentOnes = { state: 'UNKNOWN', responding: false, reason: 'has not answered for 60 s' } as const
const manager = node('manager', { cluster_role: 'MANAGER' })
const logger = node('logger', { cluster_role: 'LOGGER' })
const reportsOf = (told: Partial<HealthReport>): Map<string, HealthReport> =>
  new Map([['a', { nodes: [], file_systems: [], ...told }]])
const reasonsOf = (
  nodes: InstanceNode[],
  told: Partial<HealthReport> = {},
  more: Partial<HealthLimits> = {},
  lasting?: (split: Split) => number
) => assess({ nodes, reports: reportsOf(told), ...(lasting ? { lasting } : {}) }, { ...limits, ...more })
const codes = (...args: Parameters<typeof reasonsOf>) =>
  reasonsOf(...args).map(({ code, node: name }) => [code, name].join(' ').trim())

await t.test('the thresholds of what is true of nodes are settings', async t => {
  t.match(limits, {
    controller_health_split_max: 30,
    controller_health_logs_idle_max: 600,
    controller_health_duplicates_allowed: false,
    controller_health_imbalance_max: 5
  })
  t.ok(
    Object.entries(controllerSettings)
      .filter(([key]) => key.startsWith('controller_health_'))
      .every(([, { description }]) => description)
  )
})

await t.test('a node that runs and does not answer is a reason that says what to do', async t => {
  const [reason] = reasonsOf([manager, { ...logger, ...silentOnes }])
  t.same(reason, {
    code: 'node_silent',
    instance: 'a',
    node: 'logger',
    message:
      'logger has not answered for 60 s: its process 7 hangs, or is frozen; diagnose it, and restart it if it does not come back'
  })
  t.same(codes([manager, node('w1', silentOnes), node('w2')]), ['workers_missing', 'node_silent w1'])
  t.same(
    codes([manager, node('w1', silentOnes), node('w2')], {}, { controller_health_workers_missing_max: 1 }),
    [],
    'as one that is missing'
  )
  t.same(codes([manager, node('w1', { ...silentOnes, desired_state: 'STOPPED' })]), [])
})

await t.test('a node whose agent is lost is not said to be silent', async t => {
  t.same(codes([manager, { ...logger, state: 'UNKNOWN' }, node('w1', { state: 'UNKNOWN' })]), [
    'node_not_running logger',
    'workers_missing'
  ])
})

const lasts = (seconds: number) => () => seconds

await t.test('two that run and do not see each other are one reason that names both, once it lasts', async t => {
  const nodes = [manager, node('w1'), node('w2')]
  const told = {
    nodes: [
      { node: 'manager', unseen: ['w1', 'w2'] },
      { node: 'w2', unseen: ['manager'] },
      { node: 'w1', unseen: [] }
    ]
  }
  t.same(codes(nodes, told, {}, lasts(29.9)), [])
  t.same(codes(nodes, told, {}, lasts(30)), ['cluster_split w1', 'cluster_split w2'])
  t.same(codes(nodes, told, { controller_health_split_max: 0 }, lasts(1000)), [])
  const [one, both] = reasonsOf(nodes, told, {}, lasts(30))
  t.match(one!.message, /^manager does not see w1 in the cluster, though both run: /)
  t.match(both!.message, /^manager and w2 do not see each other in the cluster, though both run: /)
})

const nodeIn = (nodes: readonly InstanceNode[]) => (name: string) => nodes.find(({ node }) => node === name)

await t.test('who does not run need not be seen, and workers need not see each other', async t => {
  const told = {
    nodes: [
      { node: 'manager', unseen: ['w1', 'w2', 'w3', 'ghost', 'manager'] },
      { node: 'w4', unseen: ['w5'] },
      { node: 'w1', unseen: ['manager'] }
    ]
  }
  const nodes = [
    manager,
    node('w1', { state: 'PENDING' }),
    node('w2', { state: 'CRASHED' }),
    node('w3', { state: 'STOPPED', desired_state: 'STOPPED' }),
    node('w4'),
    node('w5')
  ]
  t.same(codes(nodes, told, {}, lasts(1000)), ['workers_missing'])
  t.same(
    splitsOf(
      nodeIn([manager, node('w1', { instance: 'b' })]),
      reportsOf({ nodes: [{ node: 'w1', unseen: ['manager'] }] })
    ),
    [],
    'only its own agent speaks for a node'
  )
})

await t.test(
  'a split lasts from the first time that an agent has told of it to the last, of the same processes',
  async t => {
    const times = new SplitTimes()
    const [both, other] = [manager, { ...manager, pid: 8 }].map(one =>
      splitsOf(nodeIn([one, node('w1')]), reportsOf({ nodes: [{ node: 'w1', unseen: ['manager'] }] }))
    )
    times.note('a', both!, 1000)
    t.equal(times.of(both![0]!), 0)
    times.note('b', [], 9000)
    t.equal(times.of(both![0]!), 0, 'another agent has told of itself')
    times.note('a', both!, 11_000)
    t.equal(times.of(both![0]!), 10)
    t.equal(times.of(other![0]!), 0, 'the manager was started again')
    times.note('a', other!, 21_000)
    times.note('a', other!, 31_000)
    t.equal(times.of(other![0]!), 10)
    times.note('a', [], 41_000)
    times.note('a', other!, 51_000)
    t.equal(times.of(other![0]!), 0, 'they have seen each other meanwhile')
  }
)

await t.test('a logger whose logs do not grow is a reason while workers receive packets', async t => {
  const nodes = [manager, logger, node('w1')]
  const told = (idle: number, packets?: number) => ({
    nodes: [
      { node: 'logger', logs_idle: idle },
      { node: 'w1', ...(packets === undefined ? {} : { packets_per_second: packets }) }
    ]
  })
  t.same(codes(nodes, told(600, 1000)), [])
  t.same(codes(nodes, told(601, 1000)), ['logs_stalled logger'])
  t.match(
    reasonsOf(nodes, told(601.5, 1000.4))[0]!.message,
    /^logger has written no log for 601 s, though workers receive 1000 packets a second; 600 s are allowed: .*restart/
  )
  t.same(codes(nodes, told(601, 9)), [], 'there is next to nothing to log')
  t.same(codes(nodes, told(601)), [], 'or nobody knows')
  t.same(codes(nodes, told(601, 1000), { controller_health_logs_idle_max: 0 }), [])
  t.same(
    codes([manager, { ...logger, ...silentOnes }, node('w1')], told(601, 1000)),
    ['node_silent logger'],
    'one reason is enough'
  )
  t.same(
    codes([manager, logger, node('w1', { desired_state: 'STOPPED' })], told(601, 1000)),
    [],
    'what those count who are to be stopped is of before'
  )
})

await t.test(
  'workers of an interface that count the same, and one that counts many times as many, are reasons',
  async t => {
    const nodes = [manager, ...['w1', 'w2', 'w3'].map(name => node(name))]
    const told = (more: object) => ({
      fan_out: [{ interface: 'eth0', nodes: ['w1', 'w2', 'w3'], duplicated: false, ...more }]
    })
    t.same(codes(nodes, told({})), [])
    t.match(reasonsOf(nodes, told({ duplicated: true })), [
      {
        code: 'duplicated',
        instance: 'a',
        message: /^w1, w2, w3 count the same packets of eth0: .*AF_Packet::fanout_id/
      }
    ])
    t.same(codes(nodes, told({ duplicated: true }), { controller_health_duplicates_allowed: true }), [])
    t.same(
      codes(
        [...nodes.slice(0, 2), ...['w2', 'w3'].map(name => node(name, { desired_state: 'STOPPED' }))],
        told({ duplicated: true })
      ),
      [],
      'one is left'
    )
    t.same(codes(nodes, told({ heaviest: { node: 'w2', times: 4.99 } })), [])
    t.match(reasonsOf(nodes, told({ heaviest: { node: 'w2', times: 5 } })), [
      {
        code: 'imbalance',
        instance: 'a',
        node: 'w2',
        message: /^w2 receives 5.0 times as many packets of eth0 as the median of its 3 workers: /
      }
    ])
    t.same(codes(nodes, told({ heaviest: { node: 'w2', times: 5 } }), { controller_health_imbalance_max: 0 }), [])
  }
)

await t.test('what agents tell of their nodes is health, and goes by itself', async t => {
  const controller = await startTestController(t, {
    'controller-health-interval': '0.05',
    'controller-health-split-max': '0.3'
  })
  const stream = await openStream(t, `${controller.url}/v1/events?types=notify_health,notify_change`)
  await stream.next('hello')
  const agent = await fakeAgent(t, controller.settings.controller_port, {
    hello: { nodes: [status('manager', 'RUNNING', { cluster_role: 'MANAGER' }), status('worker-1')] }
  })
  await controller.ask('stage_configuration', { config: small() })
  await controller.ask('deploy')
  const told = async (code?: string) =>
    (
      await stream.collect(({ reasons }) =>
        code === undefined ? reasons?.length === 0 : reasons?.some((reason: any) => reason.code === code)
      )
    ).map(({ json }) => json)
  await told()
  const change = (more: object, old: string) =>
    agent.link.notify('change', { status: { ...status('worker-1'), ...more }, old_state: old, reason: 'a test' })
  change({ ...silentOnes, restarts: 2 }, 'RUNNING')
  const events = await told('node_silent')
  t.match(events[0], { type: 'notify_change', node: 'worker-1', old_state: 'RUNNING', new_state: 'UNKNOWN' })
  t.match(events.at(-1).reasons, [
    { code: 'workers_missing' },
    { code: 'node_silent', node: 'worker-1', message: /^worker-1 has not answered for 60 s/ }
  ])
  const metrics = async () =>
    (await (await fetch(`${controller.url}/metrics`)).text())
      .split('\n')
      .filter(line => /^zeek_cluster_(node_|health_reasons.*(silent|workers_missing|split))/.test(line))
  t.same(
    await metrics(),
    [
      'zeek_cluster_node_responding{instance="agent-a",node="worker-1"} 0',
      'zeek_cluster_node_restarts{instance="agent-a",node="worker-1"} 2',
      'zeek_cluster_health_reasons{code="workers_missing"} 1',
      'zeek_cluster_health_reasons{code="node_silent"} 1',
      'zeek_cluster_health_reasons{code="cluster_split"} 0'
    ],
    'nothing is said of a manager whose agent does not say it'
  )
  change({ responding: true }, 'UNKNOWN')
  t.match((await told()).at(0), { type: 'notify_change', node: 'worker-1', old_state: 'UNKNOWN', new_state: 'RUNNING' })

  const say = (unseen: string[]) =>
    agent.link.notify('health', { nodes: [{ node: 'worker-1', unseen }], file_systems: [] })
  const saying = setInterval(() => say(['manager']), 50)
  t.teardown(() => clearInterval(saying))
  t.match((await told('cluster_split')).at(-1).reasons, [{ code: 'cluster_split', node: 'worker-1' }])
  clearInterval(saying)
  say([])
  await told()
  await until(() => controller.controller.health.ready, 'it is ready')
})
