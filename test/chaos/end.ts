import { setTimeout as sleep } from 'node:timers/promises'
import { formatCursor } from '../../src/events/cursor.js'
import { ndjson } from '../../src/events/frame.js'
import { EventLog } from '../../src/store/events.js'
import { RequestTable } from '../../src/store/requests.js'
import { Store } from '../../src/store/store.js'
import { getJson } from '../support/client.js'
import { until } from '../support/until.js'
import type { Config } from './errands.js'
import type { Audited, Shown, Told } from './lines.js'
import { RestClient } from './rest-client.js'
import type { Run } from './run.js'

const patienceMs = 30_000

/** Resolves when each client has had its last answer, or the time is over: nobody waits for ever. */
export async function allDone(run: Run, clients: Promise<void>[]): Promise<void> {
  let left = clients.length
  for (const client of clients) {
    void client.then(() => {
      left--
    })
  }
  await until(() => left === 0, 'all clients are answered', patienceMs).catch(() => {
    run.faults.push(`${left} clients still wait for their answers`)
  })
}

/** Resolves when all agents are connected and nothing is pending. */
export async function calm(run: Run, url: string, { instances }: Config): Promise<void> {
  const get = (path: string) => getJson(`${url}${path}`, run.headers('operator'))
  const hope = (what: () => Promise<boolean>, text: string) =>
    until(what, text, patienceMs).catch(() => {
      run.faults.push(`still not so: ${text}`)
    })
  await hope(async () => {
    const known: { name: string; connected: boolean }[] = (await get('/v1/instances')).instances
    return instances.every(({ name }) => known.some(instance => instance.name === name && instance.connected))
  }, 'all agents are connected')
  await hope(async () => (await get('/v1/requests?state=pending')).requests.length === 0, 'nothing is pending')
}

/** Has the cluster come to rest, with a configuration deployed. Resolves with where that was. */
export async function settle(run: Run, url: string, config: Config): Promise<string> {
  const client = new RestClient(run, url, 'settler')
  await calm(run, url, config)
  await deploy(run, client, config)
  // Reconnecting agents may still tell of their nodes.
  await sleep(500)
  const { event_cursor: cursor } = await getJson(`${url}/v1/nodes`, run.headers('viewer'))
  run.add({ kind: 'settled', cursor })
  await client.list()
  return cursor
}

/** With the controller left alone this has to succeed. */
export async function deploy(run: Run, client: RestClient, { instances, nodes }: Config): Promise<void> {
  const mark = run.name('chaos')
  await client.ask(
    { type: 'stage_configuration', args: { config: { instances, nodes, id: mark } }, mark },
    { wait: 10 }
  )
  const deployed = await client.ask({ type: 'deploy', args: {}, timeout: 30 }, { wait: 30 })
  if (deployed?.request?.state !== 'succeeded') {
    run.faults.push(`a deployment that nobody disturbs is ${JSON.stringify(deployed)}`)
  }
}

/** Resolves when everyone who stays has seen all, or the time is over: the history tells. */
export async function caughtUp(run: Run, goal: string): Promise<void> {
  await until(() => run.isSeen(goal), 'everyone has seen all', patienceMs).catch(() => {})
}

/** What the nodes are, as the controller shows them. */
export async function writeNodes(run: Run, url: string): Promise<void> {
  const { nodes } = await getJson(`${url}/v1/nodes`, run.headers('viewer'))
  run.add({ kind: 'nodes', nodes: nodes.filter((node: { mgmt_role: string }) => node.mgmt_role === 'NODE') })
}

/** What a controller that has ended has left on the disk. */
export function readStore(path: string): { events: Told[]; requests: Shown[]; audit: Audited['entry'][] } {
  const store = new Store(path)
  const [log, audit] = [new EventLog(store), new EventLog(store, 'audit')]
  try {
    return {
      events: log.after(0, 1e9).map(event => JSON.parse(ndjson.event(event, formatCursor(log.epoch, event.seq)))),
      requests: new RequestTable(store)
        .list({ limit: 1e9 })
        .map(
          ({ event_seq: seq, ...shown }) =>
            ({ ...shown, ...(shown.state === 'pending' ? {} : { success: shown.state === 'succeeded' }) }) as Shown
        ),
      audit: audit.after(0, 1e9).map(entry => JSON.parse(ndjson.event(entry, formatCursor(audit.epoch, entry.seq))))
    }
  } finally {
    store.close()
  }
}

/** Writes that down as the whole of what there ever was. */
export function writeStore(run: Run, { events, requests, audit }: ReturnType<typeof readStore>): void {
  for (const event of events) run.add({ kind: 'logged', event })
  for (const request of requests) run.add({ kind: 'stored', request })
  for (const entry of audit) run.add({ kind: 'audited', entry })
}
