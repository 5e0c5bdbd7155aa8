import type { ClusterNode } from '../schemas/types.js'
import type { Cluster } from '../src/controller/cluster/cluster.js'
import { plan } from '../src/controller/cluster/plan.js'
import { Shares } from '../src/controller/cluster/shares.js'
import type { Fleet } from '../src/controller/fleet.js'
import { changesOf } from '../src/controller/rollout/changes.js'
import { mixtureOf } from '../src/controller/rollout/mixture.js'
import { stepsOf } from '../src/controller/rollout/steps.js'
import { paceOf } from '../src/controller/rollout/strategy.js'
import type { Deployment } from '../src/store/configurations.js'
import { clusterOf, hostOf, instanceOf } from './cluster.js'
import { median, type Bench } from './row.js'
import { timed } from './schedule.js'

const none: ReadonlySet<string> = new Set()

/**
 * What a deployment in steps takes the controller, agents left out: to plan it, and for a step. Beside reading the same
 * configuration as JSON.
 */
export const bench: Bench = async function* ({ quick, say }) {
  const [instances, each] = quick ? [20, 20] : [200, 20]
  say(`${instances} instances with ${each} nodes each`)
  const before = deploymentOf(instances, each, 'red')
  const after = deploymentOf(instances, each, 'blue')
  const written = JSON.stringify(after.configuration)
  const [planning, stepping, reading]: [number[], number[], number[]] = [[], [], []]
  for (let round = 0; round < 20; round++) {
    let steps: ClusterNode[][] = []
    planning.push(
      await timed(async () => {
        deploymentOf(instances, each, 'blue', before)
        steps = await planOf(before, after)
      })
    )
    const changed = steps.flat().length
    if (changed !== after.configuration.nodes.length) throw new Error(`${changed} nodes are changed`)
    const half = new Set(
      steps
        .slice(0, steps.length / 2)
        .flat()
        .map(({ name }) => name)
    )
    stepping.push(
      await timed(async () => {
        const shares = new Shares(mixtureOf(before, after, half))
        JSON.stringify(shares.deployment)
        for (const name of shares.names) shares.of(name, none, half)
      })
    )
    reading.push(await timed(async () => JSON.parse(written)))
  }
  const what = `${after.configuration.nodes.length} nodes on ${instances}`
  const theirs = { baseline: 'JSON.parse of the configuration', theirs: median(reading) }
  yield {
    ...{ what: `plan steps for ${what}`, figure: 'ms', ours: median(planning), ...theirs },
    aim: { atMost: 25 },
    detail: { worst: Math.max(...planning) }
  }
  yield {
    ...{ what: `a step among ${what}`, figure: 'ms', ours: median(stepping), ...theirs },
    aim: { atMost: 10 },
    detail: { worst: Math.max(...stepping) }
  }
}

/** What is deployed, with ports and addresses, where something else was before. */
function deploymentOf(instances: number, each: number, env: string, deployed?: Deployment): Deployment {
  const { errors: _errors, ...deployment } = plan(
    clusterOf(instances, env, { env, each }),
    new Map(Array.from({ length: instances }, (_, index) => [instanceOf(index), { host: hostOf(index) }])),
    {
      controllerPorts: [],
      brokerStart: 10_000,
      metricsStart: 20_000,
      zeromqStart: 30_000,
      ...(deployed && { deployed })
    },
    'zeromq'
  )
  return deployment
}

/** Plans the steps: agents say at once that each node is to be restarted. */
async function planOf(before: Deployment, after: Deployment): Promise<ClusterNode[][]> {
  const fleet = {
    member: () => ({}),
    ask: async (instance: string, _method: string, { share }: { share: { nodes: ClusterNode[] } }) =>
      share.nodes.map(({ name: node }) => ({
        success: true,
        instance,
        node,
        data: { plan: { action: 'restart', reason: 'configuration changed' } }
      }))
  } as unknown as Fleet
  const cluster = {
    deployment: before,
    offering: async <T>(_shares: Shares, job: () => Promise<T>) => await job(),
    shareOf: (shares: Shares, instance: string) => shares.of(instance, none)
  } as unknown as Cluster
  const task = {
    reqid: 'bench',
    remainingMs: () => 1000,
    signal: new AbortController().signal,
    progress: () => {},
    tell: () => {}
  }
  const answer = await changesOf({ cluster, fleet }, new Shares(after), { args: {}, skipped: none }, task)
  if ('answer' in answer) throw new Error(JSON.stringify(answer))
  return stepsOf(answer.changes, paceOf({ max_parallel_percent: 25 }, 'rolling'))
}
