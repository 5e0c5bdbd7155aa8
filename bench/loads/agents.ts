/**
 * A thousand agents in one process. Told to, they connect, and tell what they were asked and what has gone over their
 * links.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { backoff } from '../../src/util.js'
import { SimulatedAgent } from '../agents.js'
import { hostOf, instanceOf } from '../cluster.js'
import { atRate } from '../schedule.js'

export type AgentsJob =
  /** So many, once. Answered when they are connected. */
  | { type: 'connect'; port: number; count: number }
  /** So many, again whenever they are lost, each with the patience of an agent. Answered when all of them are. */
  | { type: 'keep'; port: number; count: number }
  /** Each says something that becomes an event. */
  | { type: 'log' }
  /** All tell of their health, one after the other, so often for so long. Answered then. */
  | { type: 'report'; everyMs: number; ms: number }
  /** Answered when each has been asked to be something since it was told last. */
  | { type: 'settled' }
  /** Answered with what each has been asked to be and what has gone over the links, since this was asked last. */
  | { type: 'tell' }

export interface AgentsResult {
  deployed: { id: string; nodes: number; layoutNodes: number }[][]
  received: number
  sent: number
}

/** How many open a connection at the same time. */
const atOnce = 100

const agents: SimulatedAgent[] = []

async function connectOne(port: number, index: number): Promise<SimulatedAgent> {
  return (agents[index] = await SimulatedAgent.connect(instanceOf(index), port, {
    host: hostOf(index),
    before: agents[index]
  }))
}

async function connect(port: number, count: number): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < count) await connectOne(port, next++)
    })
  )
}

/** Resolves when it is connected first, and goes on. As Session has it. */
async function keep(port: number, index: number): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const { link } = await connectOne(port, index)
      link.closed.addEventListener('abort', () => {
        void pause(1).then(() => keep(port, index))
      })
      return
    } catch {
      await pause(attempt)
    }
  }
}

function pause(attempt: number): Promise<void> {
  return sleep(backoff(attempt, 500, 5_000) * (0.5 + Math.random() / 2))
}

async function settled(): Promise<void> {
  while (!agents.every(({ deployed, link }) => deployed.length > 0 && !link.closed.aborted)) await sleep(20)
}

async function report({ everyMs, ms }: { everyMs: number; ms: number }): Promise<void> {
  let next = 0
  await atRate((agents.length * 1000) / everyMs, (agents.length * ms) / everyMs, () => {
    agents[next++ % agents.length]!.report()
  })
}

function tell(): AgentsResult {
  const result: AgentsResult = { deployed: agents.map(({ deployed }) => deployed.splice(0)), received: 0, sent: 0 }
  for (const { bytes } of agents) {
    result.received += bytes.received
    result.sent += bytes.sent
    bytes.received = bytes.sent = 0
  }
  return result
}

process.on('message', (job: AgentsJob) => {
  const done = () => {
    process.send!('done')
  }
  switch (job.type) {
    case 'tell':
      process.send!(tell())
      break
    case 'log':
      for (const agent of agents) agent.log('something has happened')
      break
    case 'report':
      void report(job).then(done)
      break
    case 'settled':
      void settled().then(done)
      break
    case 'connect':
      void connect(job.port, job.count).then(done)
      break
    case 'keep':
      void Promise.all(Array.from({ length: job.count }, (_, index) => keep(job.port, index))).then(done)
  }
})
process.on('disconnect', () => process.exit())
