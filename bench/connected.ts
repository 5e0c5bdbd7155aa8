import { readFileSync, writeFileSync } from 'node:fs'
import { clusterOf, deploy, nodesOfEach } from './cluster.js'
import { startController, type RunningController } from './controller.js'
import type { AgentsJob, AgentsResult } from './loads/agents.js'
import { startOurs, told } from './process.js'

/** What a deployment came to, for each agent. */
export interface Cost {
  ms: number
  cpu: number
  bytes: number
}

/** A controller, and so many agents that are connected to it. */
export async function startCluster(size: number) {
  // A hundred thousand nodes are more than is taken by default.
  const controller = await startController({ 'controller-body-limit': 64 * 1024 * 1024 })
  const empty = controller.resident()
  const load = startOurs(1, './loads/agents.js')
  const ask = async <T>(job: AgentsJob): Promise<T> => {
    load.send(job)
    return await told<T>(load)
  }
  const [started, cpu] = [performance.now(), controller.cpu()]
  await ask({ type: 'connect', port: controller.agentPort, count: size })
  return {
    size,
    connectMs: performance.now() - started,
    connectCpu: controller.cpu() - cpu,
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
    /** Resolves with the CPU time in microseconds that each agent takes in a second while nothing happens. */
    rest: async (ms: number): Promise<number> => {
      const before = controller.cpu()
      // As often as agents do.
      await ask({ type: 'report', everyMs: 10_000, ms })
      return (controller.cpu() - before) / size / (ms / 1000)
    },
    stop: async () => {
      load.disconnect()
      await controller.stop()
    }
  }
}

/** The most memory that was resident since this was asked last, in bytes. */
export function peakOf({ pid }: RunningController): number {
  const peak = 1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  return peak
}
