/** A client that asks over HTTP and hears over SSE, and the agents that answer. Tells how long each answer took. */
import { Agent, get, request } from 'node:http'
import { once } from 'node:events'
import { SimulatedAgent } from '../agents.js'
import { hostOf, instanceOf } from '../cluster.js'
import { atRate } from '../schedule.js'

export type RoundtripJob =
  | { type: 'connect'; port: number; count: number }
  | { type: 'ask'; port: number; nodes: string[]; rate: number; count: number }

const http = new Agent({ keepAlive: true })
const agents: SimulatedAgent[] = []

async function connect(port: number, count: number): Promise<void> {
  for (let index = agents.length; index < count; index++) {
    agents.push(await SimulatedAgent.connect(instanceOf(index), port, { host: hostOf(index) }))
  }
}

async function ask({ port, nodes, rate, count }: Extract<RoundtripJob, { type: 'ask' }>): Promise<number[]> {
  const stream = get({
    port,
    host: '127.0.0.1',
    path: '/v1/events?types=get_id_value_response',
    headers: { accept: 'application/x-ndjson' }
  })
  const [response] = await once(stream, 'response')
  /** By reqid: when it was to be asked, and when its response came. */
  const asked = new Map<string, number>()
  const answered = new Map<string, number>()
  let rest = ''
  const heard = new Promise<void>((resolve, reject) =>
    response
      .setEncoding('utf8')
      .on('data', (text: string) => {
        const now = performance.now()
        const lines = (rest + text).split('\n')
        rest = lines.pop()!
        for (const { type, reqid, success, results } of lines.map(line => JSON.parse(line))) {
          if (type !== 'get_id_value_response') continue
          if (!success || results.length !== nodes.length) reject(new Error(`not every node has answered: ${text}`))
          if (answered.has(reqid)) reject(new Error('there were two responses to one request'))
          answered.set(reqid, now)
        }
        if (answered.size === count) resolve()
      })
      .on('error', () => {})
      .on('close', () => reject(new Error('the stream has ended')))
  )
  const body = JSON.stringify({ id: 'Site::name', nodes })
  const headers = { 'content-type': 'application/json', 'content-length': body.length }
  const posts: Promise<void>[] = []
  await atRate(rate, count, scheduled => {
    posts.push(
      new Promise((resolve, reject) => {
        request(
          { port, host: '127.0.0.1', agent: http, method: 'POST', path: '/v1/requests/get_id_value', headers },
          async answer => {
            const { reqid } = JSON.parse((await answer.setEncoding('utf8').toArray()).join(''))
            if (answer.statusCode !== 202) return reject(new Error(`it was answered with ${answer.statusCode}`))
            asked.set(reqid, scheduled)
            resolve()
          }
        )
          .on('error', reject)
          .end(body)
      })
    )
  })
  await Promise.all([heard, ...posts])
  stream.destroy()
  return [...asked].map(([reqid, scheduled]) => answered.get(reqid)! - scheduled)
}

process.on('message', (job: RoundtripJob) => {
  if (job.type === 'connect') void connect(job.port, job.count).then(() => process.send!('connected'))
  else void ask(job).then(latencies => process.send!(latencies))
})
process.on('disconnect', () => process.exit())
