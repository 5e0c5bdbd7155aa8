import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ClusterRole, NodeState } from '../../../schemas/types.js'
import { NodeHealth } from '../../../src/agent/stats/node-health.js'
import type { Sample } from '../../../src/agent/stats/rates.js'
import { directoryOf } from '../../support/directory.js'

interface Node {
  role: ClusterRole
  state?: NodeState
  interface?: string
  unseen?: string[]
}

/** What is known of nodes that a test describes, and may change. */
function healthOf(t: Test, nodes: Record<string, Node>) {
  const directory = directoryOf(t)
  for (const name of Object.keys(nodes)) mkdirSync(join(directory, name))
  const table: any = {
    share: { layout: { nodes: Object.entries(nodes).map(([name, { role }]) => ({ name, role })) } },
    statuses: () => Object.keys(nodes).map(node => ({ node })),
    get: (name: string) => {
      const { state = 'RUNNING', unseen = [], ...node } = nodes[name]!
      return { node: { name, ...node }, unseen, status: { state } }
    }
  }
  let at = 0
  const health = new NodeHealth(table, name => join(directory, name))
  /** Ten seconds later. */
  const sample = async (samples: Record<string, Partial<Sample['stats']>>) => {
    at += 10_000
    const all = Object.entries(samples).map(([node, stats]): [string, Sample] => {
      const whole = { node, time: '', pid: 1, uptime: 1e6, cpu_seconds: 0, memory_bytes: 0, ...stats }
      return [node, { reading: { process: 'p', at, stats: whole }, stats: whole }]
    })
    await health.note(new Map(all))
    const report = health.report()
    // Files have a clock of their own.
    return {
      ...report,
      nodes: report.nodes.map(node =>
        node.logs_idle === undefined ? node : { ...node, logs_idle: Math.round(node.logs_idle) }
      )
    }
  }
  const write = (node: string) => appendFileSync(join(directory, node, 'conn.log'), 'a line\n')
  return { nodes, sample, write }
}

await t.test('only what there is to tell of a node is told', async t => {
  const { sample } = healthOf(t, {
    manager: { role: 'MANAGER', unseen: ['../nonsense', 'worker', 'ghost'] },
    logger: { role: 'LOGGER' },
    worker: { role: 'WORKER', interface: 'eth0' }
  })
  t.same(
    await sample({
      manager: { packets_per_second: 0 },
      logger: {},
      worker: { dropped_percent: 1, packets_per_second: 5, idle: 2 }
    }),
    {
      nodes: [
        { node: 'manager', unseen: ['worker'] },
        { node: 'worker', dropped_percent: 1, packets_per_second: 5, idle: 2 }
      ]
    }
  )
  t.same(
    await sample({}),
    { nodes: [{ node: 'manager', unseen: ['worker'] }] },
    'whom it does not see is known without a sample'
  )
})

await t.test(
  'whoever writes logs is told with how long they have not grown: the loggers, without any the manager',
  async t => {
    const both = healthOf(t, { manager: { role: 'MANAGER' }, logger: { role: 'LOGGER' } })
    both.write('manager')
    both.write('logger')
    await both.sample({ manager: {}, logger: {} })
    t.same(await both.sample({ manager: {}, logger: {} }), { nodes: [{ node: 'logger', logs_idle: 10 }] })
    both.write('logger')
    t.same(await both.sample({ manager: {}, logger: {} }), { nodes: [{ node: 'logger', logs_idle: 0 }] })
    const alone = healthOf(t, { manager: { role: 'MANAGER' } })
    alone.write('manager')
    await alone.sample({ manager: {} })
    t.same(await alone.sample({ manager: {} }), { nodes: [{ node: 'manager', logs_idle: 10 }] })
  }
)

await t.test(
  'workers of one device are compared, by whatever source they read it, with what the kernel has counted for them',
  async t => {
    const worker = (source: string): Node => ({ role: 'WORKER', interface: source })
    const { nodes, sample } = healthOf(t, {
      w1: worker('af_packet::eth0'),
      w2: worker('eth0'),
      w3: worker('eth1'),
      w4: worker('eth1'),
      w5: { ...worker('eth0'), state: 'STOPPED' }
    })
    let told: Awaited<ReturnType<typeof sample>> | undefined
    const run = async (samples: number) => {
      for (let n = 0; n < samples; n++) {
        count += 5000
        told = await sample({
          w1: { packets_link: count, packets_received: 1 },
          w2: { packets_link: count },
          w3: { packets_received: count },
          ...(n % 2 === 0 ? { w4: { packets_received: 2 * count } } : {})
        })
      }
    }
    let count = 0
    await run(9)
    t.same(told!.fan_out, [{ interface: 'eth0', nodes: ['w1', 'w2'], duplicated: true }])
    await run(9)
    t.same(
      told!.fan_out?.[1],
      { interface: 'eth1', nodes: ['w3', 'w4'], duplicated: false },
      'every other sample of one was missing'
    )
    nodes.w2!.state = 'UNKNOWN'
    await run(1)
    t.same(
      told!.fan_out?.map(({ interface: device }) => device),
      ['eth1'],
      'one is left'
    )
    nodes.w2!.state = 'RUNNING'
    await run(8)
    t.same(
      told!.fan_out?.map(({ interface: device }) => device),
      ['eth1'],
      'it begins anew'
    )
  }
)
