import type { BaselineJob } from './baselines/roundtrip.js'
import { clusterOf, deploy } from './cluster.js'
import { startController } from './controller.js'
import type { RoundtripJob } from './loads/roundtrip.js'
import { startOurs, told } from './process.js'
import { quantiles, type Bench } from './row.js'

/** How many agents are asked, and how often in a second. */
const loads = [
  [1, 100],
  [10, 50]
] as const

/** From the moment at which a request is to be made to its response, which one node of each agent has a part in. */
export const bench: Bench = async function* ({ quick, say }) {
  const rounds = quick ? 1 : 3
  const seconds = quick ? 1 : 2
  for (const [agents, rate] of quick ? loads.slice(0, 1) : loads) {
    const count = rate * seconds
    const configuration = clusterOf(agents, 'c')
    const nodes = configuration.instances.map(
      ({ name }) => configuration.nodes.find(({ instance }) => instance === name)!.name
    )
    const controller = await startController()
    const load = startOurs(1, './loads/roundtrip.js')
    const baseline = startOurs(0, './baselines/roundtrip.js', [String(agents)])
    try {
      await told(baseline)
      load.send({ type: 'connect', port: controller.agentPort, count: agents } satisfies RoundtripJob)
      await told(load)
      await deploy(controller, configuration)
      const ours = async (): Promise<number[]> => {
        load.send({ type: 'ask', port: controller.port, nodes, rate, count } satisfies RoundtripJob)
        return await told(load)
      }
      const theirs = async (): Promise<number[]> => {
        baseline.send({ nodes, rate, count } satisfies BaselineJob)
        return await told(baseline)
      }
      say(`${agents} agents`)
      const latencies = { ours: [] as number[], theirs: [] as number[] }
      const ratios: number[] = []
      for (let round = -1; round < rounds; round++) {
        const [own, other] = [await ours(), await theirs()]
        // The first is for the compiler.
        if (round < 0) continue
        latencies.ours.push(...own)
        latencies.theirs.push(...other)
        ratios.push(quantiles(own).p99 / quantiles(other).p99)
      }
      const [own, other] = [quantiles(latencies.ours), quantiles(latencies.theirs)]
      const what = `get_id_value, ${agents} agents, ${rate}/s`
      const detail = { ours: own, theirs: other }
      yield { what, figure: 'p50 ms', ours: own.p50, baseline: 'without HTTP and sockets', theirs: other.p50, detail }
      yield {
        what,
        figure: 'p99 ms',
        ours: own.p99,
        baseline: 'without HTTP and sockets',
        theirs: other.p99,
        aim: { atMost: 3 },
        rounds: ratios,
        detail
      }
    } finally {
      if (baseline.connected) baseline.disconnect()
      if (load.connected) load.disconnect()
      await controller.stop()
    }
  }
}
