/** A host whose agent fetches bundles, and asks small questions on the same link. Tells how long each took. */
import { setTimeout as sleep } from 'node:timers/promises'
import { controllerMethods } from '../../schemas/agent.js'
import { Content, type BundleSource } from '../../src/agent/content.js'
import { asking } from '../../src/protocol/methods.js'
import { SimulatedAgent } from '../agents.js'
import { timed } from '../schedule.js'

export type HostJob =
  /** Asks so many questions, one after the other. */
  | { type: 'ask'; count: number }
  /** Fetches a bundle into a directory; `asks`: and asks until it is here. */
  | { type: 'fetch'; id: string; directory: string; asks: boolean }

/** How long the job took, and each question, in milliseconds. */
export interface HostReport {
  tookMs: number
  askedMs: number[]
}

const timeoutMs = 60_000
const pauseMs = 2
const ask = asking(controllerMethods)

const [name, port] = process.argv.slice(2)
const { link } = await SimulatedAgent.connect(name!, Number(port))
const source: BundleSource = {
  files: async id => (await ask(link, 'bundle', { id }, { timeoutMs })).files,
  chunk: async (id, offset) =>
    Buffer.from((await ask(link, 'bundle_chunk', { id, offset }, { timeoutMs })).data, 'base64')
}

async function askUntil(isOver: (asked: number) => boolean): Promise<number[]> {
  const took: number[] = []
  while (!isOver(took.length)) {
    // What is refused has gone there and back, too.
    took.push(await timed(async () => await link.ask('no such method', {}, { timeoutMs }).catch(() => {})))
    await sleep(pauseMs)
  }
  return took
}

async function run(job: HostJob): Promise<HostReport> {
  let askedMs: number[] = []
  const tookMs = await timed(async () => {
    if (job.type === 'ask') askedMs = await askUntil(asked => asked === job.count)
    else {
      let isHere = false
      const fetching = new Content(job.directory).ensure(job.id, source).finally(() => (isHere = true))
      if (job.asks) askedMs = await askUntil(() => isHere)
      await fetching
    }
  })
  return { tookMs, askedMs }
}

process.on('message', (job: HostJob) => {
  void run(job).then(report => process.send!(report))
})
process.on('disconnect', () => process.exit())
process.send!('connected')
