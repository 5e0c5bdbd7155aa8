import { startController } from './controller.js'
import { eventsIn, keepsAll } from './history.js'
import type { PostsJob, PostsResult } from './loads/posts.js'
import { cpuOf, startOurs, stop, told } from './process.js'
import { median, type Bench } from './row.js'

const type = 'stage_configuration'
const config = {
  id: 'bench',
  instances: [{ name: 'agent' }],
  nodes: [
    { name: 'manager', instance: 'agent', role: 'MANAGER' },
    { name: 'logger', instance: 'agent', role: 'LOGGER' },
    { name: 'proxy', instance: 'agent', role: 'PROXY' },
    { name: 'worker', instance: 'agent', role: 'WORKER', interface: 'eth0' }
  ]
}

/** Staging, as it is asked for. */
export const stagingJob = { path: `/v1/requests/${type}`, body: JSON.stringify({ config }) }

/**
 * A POST until its 202. Staging is what is asked for: it changes something, so that it is on the disk before, and
 * nobody else
 * has a part in it. What was answered is looked up in the log afterwards.
 */
export const bench: Bench = async function* ({ quick, say }) {
  const rounds = quick ? 1 : 5
  const ms = quick ? 300 : 3000
  const job = { ...stagingJob, connections: 64 }
  const controller = await startController(keepsAll)
  const load = startOurs(1, './loads/posts.js')
  const bare = startOurs(0, './baselines/posts.js')
  const constant = startOurs(0, './baselines/posts.js', ['constant'])
  const reqids: string[] = []
  try {
    const ports = { ours: controller.port, bare: await told<number>(bare), constant: await told<number>(constant) }
    const pids = { ours: controller.pid, bare: bare.pid!, constant: constant.pid! }
    /** With the CPU time of one request, in microseconds. */
    const run = async (who: keyof typeof ports, more: Pick<PostsJob, 'ms' | 'rate'>) => {
      const before = cpuOf(pids[who])
      load.send({ ...job, port: ports[who], ...more })
      const result = await told<PostsResult>(load)
      if (who === 'ours') for (const reqid of result.reqids) reqids.push(reqid)
      return { ...result, cpu: (cpuOf(pids[who]) - before) / result.reqids.length }
    }
    say('warming up')
    for (const who of ['ours', 'bare', 'constant'] as const) await run(who, { ms: quick ? 300 : 2000 })
    const ceiling = await run('constant', { ms })
    const results: Record<'ours' | 'bare', Awaited<ReturnType<typeof run>>[]> = { ours: [], bare: [] }
    for (let round = 0; round < rounds; round++) {
      say(`round ${round + 1}`)
      for (const who of ['ours', 'bare'] as const) results[who].push(await run(who, { ms }))
    }
    const figures = (who: 'ours' | 'bare', of: 'rate' | 'cpu') => results[who].map(result => result[of])
    const row = (of: 'rate' | 'cpu', figure: string) => ({
      what: `${type} to its 202, 64 clients`,
      figure,
      ours: median(figures('ours', of)),
      baseline: 'bare Fastify route',
      theirs: median(figures('bare', of)),
      rounds: figures('ours', of).map((one, round) => one / figures('bare', of)[round]!)
    })
    yield {
      what: 'the load: what it gets of the baseline',
      figure: 'requests/s',
      ours: median(figures('bare', 'rate')),
      baseline: 'constant socket',
      theirs: ceiling.rate
    }
    yield {
      ...row('rate', 'requests/s'),
      aim: { atLeast: 0.6 },
      detail: { latency: results.ours.map(({ latency }) => latency) }
    }
    yield row('cpu', 'CPU us per request')
    const rate = Math.floor(median(figures('ours', 'rate')) / 2)
    say(`at ${rate} a second`)
    const open = { ms: quick ? 300 : 5000, rate }
    const [ours, theirs] = [await run('ours', open), await run('bare', open)]
    for (const quantile of ['p50', 'p99', 'p999'] as const) {
      yield {
        what: `${type} to its 202, ${rate}/s on schedule`,
        figure: `${quantile} ms`,
        ours: ours.latency[quantile],
        baseline: 'bare Fastify route',
        theirs: theirs.latency[quantile]
      }
    }
    await controller.stop({ keep: true })
    check(reqids, eventsIn(controller.directory))
    say(`${reqids.length} answers, each with its two events in the log`)
  } finally {
    load.disconnect()
    await Promise.all([bare, constant].map(child => stop(child)))
    await controller.stop()
  }
}

/** Throws unless each request is in the log with one request event, and then one response. */
export function check(reqids: readonly string[], events: Iterable<{ type: string; reqid: string | null }>): void {
  const told = new Map<string, string>()
  for (const { type, reqid } of events) if (reqid !== null) told.set(reqid, `${told.get(reqid) ?? ''} ${type}`)
  if (new Set(reqids).size !== reqids.length) throw new Error('an ID was given twice')
  for (const reqid of reqids) {
    if (told.get(reqid) !== ` ${type}_request ${type}_response`) {
      throw new Error(`of ${reqid} the log has: ${told.get(reqid)}`)
    }
  }
}
