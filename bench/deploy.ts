import { readFileSync, writeFileSync } from 'node:fs'
import { clusterOf, deploy, nodesOfEach } from './cluster.js'
import { startController, type RunningController } from './controller.js'
import type { AgentsJob, AgentsResult } from './loads/agents.js'
import { startOurs, told } from './process.js'
import { median, type Bench } from './row.js'

const sizes = [10, 100, 1000] as const

/** What a deployment came to, for each agent. */
interface Cost {
  ms: number
  cpu: number
  bytes: number
}

/** A controller, and so many agents that are connected to it. */
async function startCluster(size: number) {
  const controller = await startController()
  const empty = controller.resident()
  const load = startOurs(1, './loads/agents.js')
  const ask = async <T>(job: AgentsJob): Promise<T> => {
    load.send(job)
    return await told<T>(load)
  }
  await ask({ type: 'connect', port: controller.agentPort, count: size })
  return {
    size,
    controller,
    empty,
    connected: controller.resident(),
    run: async (id: string, variant: Parameters<typeof clusterOf>[2]): Promise<Cost> => {
      const configuration = clusterOf(size, id, variant)
      await ask({ type: 'tell' })
      const cpu = controller.cpu()
      const ms = await deploy(controller, configuration)
      const cost = { ms: ms / size, cpu: (controller.cpu() - cpu) / size }
      const { deployed, received, sent } = await ask<AgentsResult>({ type: 'tell' })
      const expected = JSON.stringify([{ id, nodes: nodesOfEach, layoutNodes: configuration.nodes.length }])
      for (const asked of deployed) {
        if (JSON.stringify(asked) !== expected) throw new Error(`an agent was asked to be ${JSON.stringify(asked)}`)
      }
      return { ...cost, bytes: (received + sent) / size }
    },
    stop: async () => {
      load.disconnect()
      await controller.stop()
    }
  }
}

/** The most memory that was resident since this was asked last, in bytes. */
function peakOf({ pid }: RunningController): number {
  const peak = 1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  return peak
}

const kinds = {
  'another layout': (round: number) => ({ managerPort: 3000 + round }),
  'another environment': (round: number) => ({ env: String(round) })
}
const figures = { ms: 'ms per agent', cpu: 'CPU us per agent', bytes: 'bytes per agent' } as const

/** Whether what a deployment takes grows with the cluster as its agents do, and not faster. */
export const bench: Bench = async function* ({ quick, say }) {
  const rounds = quick ? 1 : 3
  const clusters: Awaited<ReturnType<typeof startCluster>>[] = []
  try {
    for (const size of quick ? sizes.slice(0, 2) : sizes) {
      say(`${size} agents connect`)
      clusters.push(await startCluster(size))
    }
    for (const [kind, variant] of Object.entries(kinds)) {
      const costs: Cost[][] = clusters.map(() => [])
      for (const { run } of clusters) await run('warm', variant(0))
      for (let round = 1; round <= rounds; round++) {
        say(`${kind}, round ${round}`)
        for (const [at, { run }] of clusters.entries()) {
          costs[at]!.push(await run(`${kind.replace(' ', '-')}-${round}`, variant(round)))
        }
      }
      const [base, ...others] = costs
      for (const [at, own] of others.entries()) {
        for (const [key, figure] of Object.entries(figures) as [keyof Cost, string][]) {
          const ours = own.map(cost => cost[key])
          const theirs = base!.map(cost => cost[key])
          yield {
            what: `deploy ${kind} to ${clusters[at + 1]!.size} x ${nodesOfEach}`,
            figure,
            ours: median(ours),
            baseline: `to ${clusters[0]!.size} agents`,
            theirs: median(theirs),
            ...(key === 'cpu' ? {} : { aim: { atMost: 1.5 } }),
            rounds: ours.map((cost, round) => cost / theirs[round]!)
          }
        }
      }
    }
    for (const { size, controller, empty, connected } of clusters) {
      yield {
        what: `${size} agents, ${size * nodesOfEach} nodes deployed`,
        figure: 'peak MB resident',
        ours: peakOf(controller) / 2 ** 20,
        baseline: 'when it was empty',
        theirs: empty / 2 ** 20,
        detail: { connected: connected / 2 ** 20 }
      }
    }
  } finally {
    for (const { stop } of clusters) await stop()
  }
}
