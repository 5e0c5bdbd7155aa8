import { SimulatedAgent } from './agents.js'
import { startController } from './controller.js'
import type { MessagesJob, MessagesResult } from './loads/messages.js'
import { startOurs, stop, told } from './process.js'
import { median, type Bench } from './row.js'

/** How fast the WebSocket API answers, with connections x requests under way on each. */
export const bench: Bench = async function * ({ quick, say }) {
  const rounds = quick ? 1 : 5
  const ms = quick ? 500 : 1500
  const controller = await startController()
  const agent = await SimulatedAgent.connect('agent', controller.agentPort)
  const load = startOurs(1, './loads/messages.js')
  const run = async (job: MessagesJob): Promise<MessagesResult> => {
    load.send(job)
    return await told(load)
  }
  try {
    for (const type of ['get_instances', 'get_nodes']) {
      const { ack, answer } = await run({ port: controller.port, type, connections: 1, inFlight: 1, ms: 10 })
      const constant = startOurs(0, './baselines/messages.js', [ack, answer])
      const port = await told<number>(constant)
      for (const [connections, inFlight] of [[1, 1], [1, 16], [4, 16]] as const) {
        const ours: number[] = []
        const theirs: number[] = []
        const job = { type, connections, inFlight, ms }
        say(`${type} ${connections} x ${inFlight}`)
        for (const warm of [controller.port, port]) await run({ ...job, port: warm, ms: 1000 })
        for (let round = 0; round < rounds; round++) {
          ours.push((await run({ ...job, port: controller.port })).rate)
          theirs.push((await run({ ...job, port })).rate)
        }
        yield {
          what: `${type}, WebSocket, ${connections} x ${inFlight} in flight`, figure: 'answers/s',
          ours: median(ours), baseline: 'constant ws server', theirs: median(theirs), aim: { atLeast: 0.75 },
          rounds: ours.map((rate, round) => rate / theirs[round]!)
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
