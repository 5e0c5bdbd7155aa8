import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../src/util.js'
import { noNats, startNats } from '../test/support/nats.js'
import { freePort, startController, type RunningController } from './controller.js'
import { eventsIn, keepsAll } from './history.js'
import type { PostsJob, PostsResult } from './loads/posts.js'
import { pin, startOurs, told } from './process.js'
import { check, stagingJob } from './post.js'
import { median, quantiles, type Bench, type Row } from './row.js'
import { startReaders } from './streamers.js'

const names = ['c1', 'c2', 'c3']
const leaseSeconds = 3

/**
 * Three controllers on three servers of NATS that sync what they acknowledge, all on this machine, beside one that is
 * alone: POSTs until their 202, of the leader and through a follower; what streams of the others cost the leader; and
 * how long it takes until another one accepts requests when the leader is killed. What was answered is looked up in the
 * logs of all three.
 */
export const bench: Bench = async function* ({ quick, say }) {
  if (noNats !== false) return say(noNats)
  const rounds = quick ? 1 : 5
  const ms = quick ? 300 : 3000
  const kills = quick ? 1 : 20
  const endings: (() => unknown)[] = []
  const nats = await startNats({ teardown: (end: () => unknown) => endings.push(end) }, { count: 3 })
  const alone = await startController(keepsAll)
  const group = await startGroup(nats)
  const load = startOurs(1, './loads/posts.js')
  const reqids: string[] = []
  try {
    const run = async (who: RunningController) => {
      load.send({ ...stagingJob, connections: 64, port: who.port, ms } satisfies PostsJob)
      const result = await told<PostsResult>(load)
      if (who !== alone) for (const reqid of result.reqids) reqids.push(reqid)
      return result
    }
    const leader = await group.leader()
    const follower = group.all.find(one => one !== leader)!
    // The others, and the servers, are on other machines where this is used: here they have the core of the load.
    for (const { pid } of group.all) pin(pid, pid === leader.pid ? 0 : 1)
    const who = { alone, leader, follower }
    say('warming up')
    for (const one of Object.values(who)) await run(one)
    const results = { alone: [] as PostsResult[], leader: [] as PostsResult[], follower: [] as PostsResult[] }
    for (let round = 0; round < rounds; round++) {
      say(`round ${round + 1}`)
      for (const key of ['alone', 'leader', 'follower'] as const) results[key].push(await run(who[key]))
    }
    const rates = (key: keyof typeof results) => results[key].map(({ rate }) => rate)
    for (const [key, what, aim] of [
      ['leader', 'of the leader of three', { aim: { atLeast: 0.7 } }],
      ['follower', 'through a follower', {}]
    ] as const) {
      yield {
        what: `202, 64 clients, ${what}`,
        figure: 'requests/s',
        ours: median(rates(key)),
        baseline: 'one that is alone',
        theirs: median(rates('alone')),
        rounds: rates(key).map((rate, round) => rate / rates('alone')[round]!),
        ...aim,
        detail: { latency: results[key].map(({ latency }) => latency) }
      }
    }
    say('streams')
    yield await streamsOf(group, quick)
    const takeovers: number[] = []
    for (let kill = 0; kill < kills; kill++) {
      say(`takeover ${kill + 1}`)
      takeovers.push(await takeover(group, reqids))
    }
    const { p50, p99 } = quantiles(takeovers)
    for (const [name, value] of Object.entries({ p50, p99 })) {
      yield {
        what: `a killed leader until the next 202, ${kills} times`,
        figure: `${name} s`,
        ours: value / 1000,
        baseline: 'controller_lease',
        theirs: leaseSeconds,
        ...(name === 'p99' && { aim: { atMost: 5 / leaseSeconds } })
      }
    }
    await group.leader()
    await group.stop()
    for (const { directory } of group.all) check(reqids, eventsIn(directory, { isReplica: true }))
    say(`${reqids.length} answers, each with its two events in the logs of all three`)
  } finally {
    load.disconnect()
    await Promise.all([alone.stop(), group.stop()])
    await rm(group.directory, { recursive: true, force: true })
    for (const end of endings) await end()
  }
}

type Group = Awaited<ReturnType<typeof startGroup>>

/** Three controllers that share a log. */
async function startGroup({ urls, monitors }: { urls: string[]; monitors: string[] }) {
  const directory = await mkdtemp(join(tmpdir(), 'zeek-cluster-bench-'))
  const flagsOf = (name: string) => ({
    ...keepsAll,
    'controller-name': name,
    'controller-nats': urls.join(','),
    'controller-nats-monitors': monitors.join(','),
    'controller-lease': leaseSeconds
  })
  const init = Object.entries({ ...flagsOf('c1'), 'management-state-dir': join(directory, 'c1') })
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      join(packageRoot, 'dist/src/main.js'),
      ...['replication', 'init', '--controllers', names.join(',')],
      ...init.map(([name, value]) => `--${name}=${value}`)
    ],
    { encoding: 'utf8' }
  )
  if (status !== 0) throw new Error(stderr)
  const start = async (name: string, ports?: readonly [number, number]) =>
    await startController(flagsOf(name), { directory: join(directory, name), ...(ports && { ports }) })
  const all = await Promise.all(names.map(async name => await start(name, [await freePort(), await freePort()])))
  /** Resolves with the one that leads, once all answer. */
  const leader = async (): Promise<RunningController> => {
    for (;;) {
      for (const { url } of all) {
        const response = await fetch(`${url}/v1/replication`).catch(() => undefined)
        const { replicas = [] } = ((await response?.json()) ?? {}) as {
          replicas?: { answers: boolean; role: string }[]
        }
        const at = replicas.findIndex(({ role }) => role === 'leader')
        if (at >= 0 && replicas.every(({ answers }) => answers)) return all[at]!
      }
    }
  }
  let stopped: Promise<unknown> | undefined
  const stop = async () => {
    stopped ??= Promise.all(all.map(async one => await one.stop({ keep: true })))
    await stopped
  }
  return { all, directory, leader, stop }
}

/** What the leader spends on events while many read them: they are connected with the others. */
async function streamsOf({ all, leader }: Group, quick: boolean): Promise<Row> {
  const [count, rate, ms, rounds] = quick ? [200, 5, 500, 1] : [5000, 5, 4000, 3]
  const leading = await leader()
  const serverOf = ({ port }: RunningController) => ({
    port,
    path: '/v1/events',
    publish: { agentPort: leading.agentPort }
  })
  const readers = startReaders()
  /** Microseconds of the leader for each event, with its one reader. */
  const measure = async (): Promise<number[]> => {
    const costs: number[] = []
    for (let round = 0; round < rounds; round++) {
      const { cpu, deliveries } = await readers.do({ do: 'run', pids: [leading.pid], rate, burst: 1, ms })
      costs.push((cpu * deliveries) / ((rate * ms) / 1000))
    }
    return costs
  }
  try {
    await readers.do({ do: 'open', server: serverOf(leading), count: 1 })
    const without = await measure()
    const others = all.filter(one => one !== leading)
    for (const other of others) {
      await readers.do({ do: 'open', server: serverOf(other), count: count / others.length })
    }
    const costs = await measure()
    return {
      what: `an event, with ${count} streams of the two others`,
      figure: "CPU us of the leader's",
      ours: median(costs),
      baseline: 'with none',
      theirs: median(without),
      rounds: costs.map((cost, round) => cost / without[round]!),
      aim: { atMost: 1.1 }
    }
  } finally {
    await readers.do({ do: 'close' })
    readers.stop()
  }
}

/** Kills the leader. Resolves with the milliseconds until another one has accepted a request. */
async function takeover({ all, leader }: Group, reqids: string[]): Promise<number> {
  const killed = await leader()
  const others = all.filter(one => one !== killed)
  process.kill(killed.pid, 'SIGKILL')
  const began = performance.now()
  for (let turn = 0; ; turn++) {
    const response = await fetch(`${others[turn % 2]!.url}${stagingJob.path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: stagingJob.body
    })
    const answer = (await response.json()) as { reqid: string }
    if (response.status !== 202) continue
    reqids.push(answer.reqid)
    return performance.now() - began
  }
}
