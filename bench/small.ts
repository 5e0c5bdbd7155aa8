import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { packageRoot } from '../src/util.js'
import { freePort } from './controller.js'
import { childrenOf, residentOf, roleOf, shareOf, stop } from './process.js'
import { median, type Bench } from './row.js'

/** Resident at most, in MB, a minute after the start. */
const aims = { supervisor: 35, controller: 90, agent: 50 }
const readyMs = 1000
const MB = 2 ** 20

type Name = keyof typeof aims

/** What one host takes that does nothing, and how long it takes to begin: each process beside a Node that does nothing. */
export const bench: Bench = async function* ({ quick, say }) {
  const rounds = quick ? 1 : 5
  const idleMs = quick ? 2000 : 60_000
  const [ours, theirs]: [number[], number[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    say(`start ${round + 1}`)
    const host = await startHost()
    await host.stop()
    ours.push(host.ms)
    theirs.push(await startEmpty().then(async ({ child, ms }) => (await stop(child), ms)))
  }
  const start = { what: 'a host with all three', figure: 'ms until ready', ours: median(ours) }
  yield {
    ...start,
    baseline: 'an empty Node, until it runs',
    theirs: median(theirs),
    rounds: ours.map((ms, round) => ms / theirs[round]!)
  }
  yield { ...start, baseline: 'the aim', theirs: readyMs, aim: { atMost: 1 } }

  const host = await startHost()
  const { child: empty } = await startEmpty()
  try {
    say(`idle for ${idleMs / 1000} seconds`)
    await sleep(idleMs)
    for (const [name, pid] of Object.entries(host.pids) as [Name, number][]) {
      const row = { what: `${name}, which does nothing` }
      const [resident, share] = [residentOf, shareOf].map(of => ({ ours: of(pid) / MB, theirs: of(empty.pid!) / MB }))
      yield { ...row, figure: 'MB resident', baseline: 'an empty Node', ...resident! }
      yield { ...row, figure: 'MB, shared ones in parts', baseline: 'an empty Node', ...share! }
      for (const [figure, { ours }] of [
        ['MB resident', resident!],
        ['MB, shared ones in parts', share!]
      ] as const) {
        yield { ...row, figure, ours, baseline: 'the aim', theirs: aims[name], aim: { atMost: 1 } }
      }
    }
  } finally {
    await stop(empty)
    await host.stop()
  }
}

/** Starts what the README begins with, on ports of its own, and waits until it says that it is ready. */
async function startHost() {
  const directory = await mkdtemp(join(tmpdir(), 'zeek-cluster-bench-'))
  const [port, agentPort] = await Promise.all([freePort(), freePort()])
  const flags = {
    'management-state-dir': directory,
    'controller-websocket-port': port,
    'controller-port': agentPort
  }
  const { child, ms } = await startNode(
    [
      join(packageRoot, 'dist/src/main.js'),
      'start',
      ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)
    ],
    { ZEEK_BIN: join(packageRoot, 'demo/zeek') }
  )
  const pids: Partial<Record<Name, number>> = { supervisor: child.pid! }
  for (const pid of childrenOf(child.pid!)) pids[roleOf(pid) === 'AGENT' ? 'agent' : 'controller'] = pid
  return {
    ms,
    pids,
    stop: async () => {
      await stop(child)
      await rm(directory, { recursive: true, force: true })
    }
  }
}

const startEmpty = () => startNode(['-e', "console.log('it runs'); setInterval(() => {}, 1e9)"])

/** Starts a Node, and waits for the first line that it says. */
async function startNode(
  args: readonly string[],
  more: NodeJS.ProcessEnv = {}
): Promise<{ child: ChildProcess; ms: number }> {
  const { NODE_OPTIONS: _options, ...env } = process.env
  const started = performance.now()
  const child = spawn(process.execPath, args, { env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'ignore'] })
  const [line] = await Promise.race([once(createInterface(child.stdout!), 'line'), once(child, 'exit')])
  if (typeof line !== 'string') throw new Error(`${args.join(' ')} did not start`)
  return { child, ms: performance.now() - started }
}
