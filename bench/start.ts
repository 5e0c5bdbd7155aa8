import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startController } from './controller.js'
import { fill, keepsAll } from './history.js'
import { median, type Bench } from './row.js'

/** How long a controller takes from its start until it is ready, with much in its store and with nothing. */
export const bench: Bench = async function* ({ quick, say }) {
  const rounds = quick ? 1 : 3
  const size = quick ? { events: 10_000, requests: 1_000 } : { events: 1_000_000, requests: 100_000 }
  const directory = await mkdtemp(join(tmpdir(), 'zeek-cluster-bench-'))
  try {
    say('making a store')
    await fill(directory, size)
    const empty: number[] = []
    const full: Record<'SIGTERM' | 'SIGKILL', number[]> = { SIGTERM: [], SIGKILL: [] }
    for (let round = 0; round < rounds; round++) {
      say(`round ${round + 1}`)
      empty.push(await startOf())
      full.SIGTERM.push(await startOf(directory, size.events, 'SIGKILL'))
      full.SIGKILL.push(await startOf(directory, size.events))
    }
    for (const [end, how] of [
      ['SIGTERM', 'a stop'],
      ['SIGKILL', 'a kill']
    ] as const) {
      yield {
        what: `a start after ${how}, with ${size.events.toLocaleString('en')} events`,
        figure: 'ms until ready',
        ours: median(full[end]),
        baseline: 'empty store',
        theirs: median(empty),
        aim: { atMost: 2 },
        rounds: full[end].map((ms, round) => ms / empty[round]!),
        detail: size
      }
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Throws unless everything is there. It ends as the next start is to find it. */
async function startOf(directory?: string, head = 0, signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
  const started = performance.now()
  const controller = await startController(keepsAll, directory === undefined ? {} : { directory })
  try {
    const ready = await fetch(`${controller.url}/readyz`)
    const ms = performance.now() - started
    const page = (await (await fetch(`${controller.url}/v1/requests?limit=200`)).json()) as {
      requests: unknown[]
      event_cursor: string
    }
    if (!ready.ok || page.requests.length !== (head > 0 ? 200 : 0) || !page.event_cursor.endsWith(`.${head}`)) {
      throw new Error(`it has come back with ${page.requests.length} requests, up to ${page.event_cursor}`)
    }
    return ms
  } finally {
    await controller.stop({ keep: directory !== undefined, signal })
  }
}
