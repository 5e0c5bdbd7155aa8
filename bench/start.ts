import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventLog } from '../src/store/events.js'
import { Store } from '../src/store/store.js'
import { startController } from './controller.js'
import { median, type Bench } from './row.js'

const retention = { 'controller-events-max-count': 10_000_000, 'controller-events-max-bytes': 2 ** 36, 'controller-requests-max-count': 10_000_000 }

/** How long a controller takes from its start until it is ready, with much in its store and with nothing. */
export const bench: Bench = async function * ({ quick, say }) {
  const rounds = quick ? 1 : 3
  const size = quick ? { events: 100_000, requests: 10_000 } : { events: 1_000_000, requests: 100_000 }
  const directory = await mkdtemp(join(tmpdir(), 'zeek-cluster-bench-'))
  try {
    say('making a store')
    await fill(directory, size)
    const what = `a start with ${size.events.toLocaleString('en')} events, ${size.requests.toLocaleString('en')} requests`
    const empty: number[] = []
    const full: Record<'SIGTERM' | 'SIGKILL', number[]> = { SIGTERM: [], SIGKILL: [] }
    for (let round = 0; round < rounds; round++) {
      say(`round ${round + 1}`)
      empty.push(await startOf())
      full.SIGTERM.push(await startOf(directory, size.events, 'SIGKILL'))
      full.SIGKILL.push(await startOf(directory, size.events))
    }
    for (const [end, how] of [['SIGTERM', 'a stop'], ['SIGKILL', 'a kill']] as const) {
      yield {
        what: `a start after ${how}, with ${size.events.toLocaleString('en')} events`, figure: 'ms until ready',
        ours: median(full[end]), baseline: 'empty store', theirs: median(empty), aim: { atMost: 2 },
        rounds: full[end].map((ms, round) => ms / empty[round]!), detail: size
      }
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Throws unless everything is there. It ends as the next start is to find it. */
async function startOf (directory?: string, head = 0, signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
  const started = performance.now()
  const controller = await startController(retention, directory === undefined ? {} : { directory })
  try {
    const ready = await fetch(`${controller.url}/readyz`)
    const ms = performance.now() - started
    const page = await (await fetch(`${controller.url}/v1/requests?limit=200`)).json() as { requests: unknown[], event_cursor: string }
    if (!ready.ok || page.requests.length !== (head > 0 ? 200 : 0) || !page.event_cursor.endsWith(`.${head}`)) throw new Error(`it has come back with ${page.requests.length} requests, up to ${page.event_cursor}`)
    return ms
  } finally {
    await controller.stop({ keep: directory !== undefined, signal })
  }
}

/** A history as a controller leaves it: of every request its two events, and what agents have told between. */
async function fill (directory: string, { events, requests }: { events: number, requests: number }): Promise<void> {
  const store = new Store(join(directory, 'controller.sqlite'))
  const log = new EventLog(store)
  await log.open()
  const now = Date.now()
  const numbers = (count: number) => `WITH RECURSIVE numbers (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i < ${count - 1})`
  const reqid = (i: string) => `printf('0193-%012x-7000-8000-%012x', ${i}, ${i})`
  const each = events / requests
  await store.write('written', () => {
    store.run(`${numbers(events)} INSERT INTO events (time, type, reqid, instance, transient, body)
      SELECT ?, type, reqid, CASE WHEN reqid IS NULL THEN 'agent' END, 0, json_object('type', type, 'reqid', reqid, 'message', hex(zeroblob(100))) FROM (SELECT
        CASE i % ${each} WHEN 0 THEN 'restart_request' WHEN 1 THEN 'restart_response' ELSE 'notify_log' END AS type,
        CASE WHEN i % ${each} < 2 THEN ${reqid(`i / ${each}`)} END AS reqid FROM numbers)`, now)
    store.run(`${numbers(requests)} INSERT INTO requests (reqid, type, state, arguments, results, warnings, created_at, finished_at, expires_at, event_seq, transient)
      SELECT ${reqid('i')}, 'restart', 'succeeded', '{"nodes":["worker-1"]}', json_array(json_object('reqid', ${reqid('i')}, 'success', json('true'), 'instance', 'agent', 'node', 'worker-1')), '[]', ?, ?, ?, i * ${each}, 0 FROM numbers`, now, now, now)
  })
  await new EventLog(store).close()
  store.close()
}
