import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startController } from './controller.js'
import { fill, keepsAll } from './history.js'
import type { PostsJob, PostsResult } from './loads/posts.js'
import type { ReplayJob, ReplayResult } from './loads/replay.js'
import { startOurs, told } from './process.js'
import type { Bench } from './row.js'

/** What those who write have to wait while others read the whole log: many at once, or one. */
export const bench: Bench = async function* ({ quick, say }) {
  const events = quick ? 5_000 : 100_000
  const ms = quick ? 500 : 10_000
  const directory = await mkdtemp(join(tmpdir(), 'zeek-cluster-bench-'))
  await fill(directory, { events, requests: events / 10 })
  const controller = await startController(keepsAll, { directory })
  const [writers, readers] = [startOurs(1, './loads/posts.js'), startOurs(1, './loads/replay.js')]
  const config = {
    id: 'bench',
    instances: [{ name: 'agent' }],
    nodes: [{ name: 'manager', instance: 'agent', role: 'MANAGER' }]
  }
  const post = async (more: Pick<PostsJob, 'ms' | 'rate'>) => {
    writers.send({
      port: controller.port,
      path: '/v1/requests/stage_configuration',
      body: JSON.stringify({ config }),
      connections: 16,
      ...more
    } satisfies PostsJob)
    return await told<PostsResult>(writers)
  }
  const run = async (clients: number) => {
    readers.send({ port: controller.port, clients, ms, head: events } satisfies ReplayJob)
    const written = post({ ms, rate: 100 })
    const [{ latency }, read] = await Promise.all([written, told<ReplayResult>(readers)])
    say(`${clients} read ${Math.round(read.rate).toLocaleString('en')} events/s, ${read.replays} times all of them`)
    return { latency, read }
  }
  try {
    say('warming up')
    await post({ ms: quick ? 500 : 2_000 })
    const one = await run(1)
    const many = await run(100)
    const what = `POSTs, 100/s, while 100 replay ${events.toLocaleString('en')} events`
    yield {
      what,
      figure: 'p99 ms to the 202',
      ours: many.latency.p99,
      baseline: 'while one does',
      theirs: one.latency.p99,
      aim: { atMost: 2 },
      detail: { ours: many, theirs: one }
    }
    yield {
      what,
      figure: 'p50 ms to the 202',
      ours: many.latency.p50,
      baseline: 'while one does',
      theirs: one.latency.p50
    }
    yield {
      what: `the replay of ${events.toLocaleString('en')} events by 100`,
      figure: 'events/s',
      ours: many.read.rate,
      baseline: 'by one',
      theirs: one.read.rate
    }
  } finally {
    writers.disconnect()
    readers.disconnect()
    await controller.stop()
    await rm(directory, { recursive: true, force: true })
  }
}
