/** A thousand agents in one process. Told to, they connect, and tell what they were asked and what has gone over their links. */
import { SimulatedAgent } from '../agents.js'
import { hostOf, instanceOf } from '../cluster.js'

export type AgentsJob =
  /** Those of the first `count` that are not connected. Answered when they are, with `undefined`. */
  | { type: 'connect', port: number, count: number }
  /** Answered with what each has been asked to be and what has gone over the links, since this was asked last. */
  | { type: 'tell' }

export interface AgentsResult {
  deployed: { id: string, nodes: number, layoutNodes: number }[][]
  received: number
  sent: number
}

/** How many open a connection at the same time. */
const atOnce = 100

const agents: SimulatedAgent[] = []

async function connect (port: number, count: number): Promise<void> {
  const wanted = Array.from({ length: count }, (_, index) => index).filter(index => !agents[index] || agents[index].link.closed.aborted)
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let index = wanted.shift(); index !== undefined; index = wanted.shift()) {
      agents[index] = await SimulatedAgent.connect(instanceOf(index), port, { host: hostOf(index), before: agents[index] })
    }
  }))
}

function tell (): AgentsResult {
  const result: AgentsResult = { deployed: agents.map(({ deployed }) => deployed.splice(0)), received: 0, sent: 0 }
  for (const { bytes } of agents) {
    result.received += bytes.received
    result.sent += bytes.sent
    bytes.received = bytes.sent = 0
  }
  return result
}

process.on('message', (job: AgentsJob) => {
  if (job.type === 'tell') process.send!(tell())
  else void connect(job.port, job.count).then(() => process.send!('connected'))
})
process.on('disconnect', () => process.exit())
