import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { packageRoot } from '../src/util.js'
import { startHost, startNode, type HostRole } from './host.js'
import { residentOf, shareOf, stop } from './process.js'
import { median, type Bench } from './row.js'

/** In MB, a minute after the start. */
const aims: Record<HostRole, number> = { supervisor: 35, controller: 90, agent: 50 }
const readyMs = 1000
const MB = 2 ** 20
/** No node is started. */
const standIn = { ZEEK_BIN: join(packageRoot, 'demo/zeek') }

/**
 * What one host takes that does nothing, and how long it takes to begin: each process beside a Node that does nothing.
 */
export const bench: Bench = async function* ({ quick, say }) {
  const rounds = quick ? 1 : 5
  const idleMs = quick ? 2000 : 60_000
  const [ours, theirs]: [number[], number[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    say(`start ${round + 1}`)
    const host = await startHost({ env: standIn })
    await host.stop()
    ours.push(host.ms)
    const empty = await startEmpty()
    await stop(empty.child)
    theirs.push(empty.ms)
  }
  const start = { what: 'a host with all three', figure: 'ms until ready', ours: median(ours) }
  yield {
    ...start,
    baseline: 'an empty Node, until it runs',
    theirs: median(theirs),
    rounds: ours.map((ms, round) => ms / theirs[round]!)
  }
  yield { ...start, baseline: 'the aim', theirs: readyMs, aim: { atMost: 1 } }

  const directory = await mkdtemp(join(tmpdir(), 'zeek-cluster-bench-'))
  // Of its own: pages of a program are shared with all that run it, and this process does, too.
  const node = join(directory, 'node')
  await copyFile(process.execPath, node)
  const host = await startHost({ node, env: standIn })
  const { child: empty } = await startEmpty()
  try {
    say(`idle for ${idleMs / 1000} seconds`)
    await sleep(idleMs)
    const theirs = residentOf(empty.pid!) / MB
    for (const [name, pid] of Object.entries(host.pids) as [HostRole, number][]) {
      const row = { what: `${name}, which does nothing` }
      const [resident, share] = [residentOf(pid) / MB, shareOf(pid) / MB]
      yield { ...row, figure: 'MB resident', ours: resident, baseline: 'an empty Node', theirs }
      for (const [figure, ours] of [
        ['MB resident', resident],
        ['MB, its share', share]
      ] as const) {
        yield { ...row, figure, ours, baseline: 'the aim', theirs: aims[name], aim: { atMost: 1 } }
      }
    }
    const all = shareOf(...Object.values(host.pids)) / MB
    yield { what: 'all three, which do nothing', figure: 'MB together', ours: all, baseline: 'an empty Node', theirs }
  } finally {
    await stop(empty)
    await host.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

const startEmpty = () => startNode(process.execPath, ['-e', "console.log('it runs'); setInterval(() => {}, 1e9)"])
