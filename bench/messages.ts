import { SimulatedAgent } from './agents.js'
import { startController } from './controller.js'
import type { MessagesJob, MessagesResult } from './loads/messages.js'
import { cpuOf, startOurs, stop, told } from './process.js'
import { median, type Bench } from './row.js'

/** How fast the WebSocket API answers, with connections x requests under way on each. */
export const bench: Bench = async function* ({ quick, say }) {
  const rounds = quick ? 1 : 5
  const ms = quick ? 200 : 1000
  const controller = await startController()
  const agent = await SimulatedAgent.connect('agent', controller.agentPort)
  const load = startOurs(1, './loads/messages.js')
  const run = async (job: MessagesJob): Promise<MessagesResult> => {
    load.send(job)
    return await told(load)
  }
  try {
    for (const type of quick ? ['get_instances'] : ['get_instances', 'get_nodes']) {
      const { ack, answer } = await run({ port: controller.port, type, connections: 1, inFlight: 1, ms: 10 })
      const constant = startOurs(0, './baselines/messages.js', [ack, answer])
      const port = await told<number>(constant)
      for (const [connections, inFlight] of [
        [1, 1],
        [1, 16],
        [4, 16]
      ] as const) {
        const job = { type, connections, inFlight, ms }
        const pids = { ours: controller.pid, theirs: constant.pid! }
        const results: Record<'ours' | 'theirs', { rate: number; cpu: number }[]> = { ours: [], theirs: [] }
        say(`${type} ${connections} x ${inFlight}`)
        for (const warm of [controller.port, port]) await run({ ...job, port: warm, ms: quick ? 200 : 1000 })
        for (let round = 0; round < rounds; round++) {
          for (const who of ['ours', 'theirs'] as const) {
            const before = cpuOf(pids[who])
            const { rate, answers } = await run({ ...job, port: who === 'ours' ? controller.port : port })
            results[who].push({ rate, cpu: (cpuOf(pids[who]) - before) / answers })
          }
        }
        for (const [of, figure] of [
          ['rate', 'answers/s'],
          ['cpu', 'CPU us per answer']
        ] as const) {
          const [ours, theirs] = [results.ours.map(result => result[of]), results.theirs.map(result => result[of])]
          yield {
            what: `${type}, WebSocket, ${connections} x ${inFlight} in flight`,
            figure,
            ours: median(ours),
            baseline: 'constant ws server',
            theirs: median(theirs),
            ...(of === 'rate' ? { aim: { atLeast: 0.75 } } : {}),
            rounds: ours.map((one, round) => one / theirs[round]!)
          }
        }
      }
      await stop(constant)
    }
  } finally {
    load.disconnect()
    await agent.close()
    await controller.stop()
  }
}
