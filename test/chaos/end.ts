import { setTimeout as sleep } from 'node:timers/promises'
import { ndjson } from '../../src/events/frame.js'
import { EventLog } from '../../src/store/events.js'
import { RequestTable } from '../../src/store/requests.js'
import { Store } from '../../src/store/store.js'
import { getJson, until } from '../helper.js'
import type { Config } from './errands.js'
import { placeOf, type Shown } from './lines.js'
import { RestClient } from './rest-client.js'
import type { Run } from './run.js'

const patienceMs = 30_000

/** Resolves when each client has had its last answer, or the time is over: nobody waits for ever. */
export async function allDone (run: Run, clients: Promise<void>[]): Promise<void> {
  let left = clients.length
  for (const client of clients) void client.then(() => { left-- })
  await until(() => left === 0, 'all clients are answered', patienceMs).catch(() => { run.faults.push(`${left} clients still wait for their answers`) })
}

/** Has the cluster come to rest: agents connected, a configuration deployed, nothing pending. */
export async function settle (run: Run, url: string, config: Config): Promise<void> {
  const client = new RestClient(run, url, 'settler')
  const { instances } = config
  const hope = (what: () => Promise<boolean>, text: string) => until(what, text, patienceMs).catch(() => { run.faults.push(`still not so: ${text}`) })
  await hope(async () => {
    const known: { name: string, connected: boolean }[] = (await getJson(`${url}/v1/instances`)).instances
    return instances.every(({ name }) => known.some(instance => instance.name === name && instance.connected))
  }, 'all agents are connected')
  await hope(async () => (await getJson(`${url}/v1/requests?state=pending`)).requests.length === 0, 'nothing is pending')
  await deploy(run, client, config)
  // Reconnecting agents may still tell of their nodes.
  await sleep(500)
  run.add({ kind: 'settled', cursor: (await getJson(`${url}/v1/nodes`)).event_cursor })
  await client.list()
}

/** With the controller left alone this has to succeed. */
export async function deploy (run: Run, client: RestClient, { instances, nodes }: Config): Promise<void> {
  const mark = run.name('chaos')
  await client.ask({ type: 'stage_configuration', args: { config: { instances, nodes, id: mark } }, mark }, { wait: 10 })
  const deployed = await client.ask({ type: 'deploy', args: {}, timeout: 30 }, { wait: 30 })
  if (deployed?.request?.state !== 'succeeded') run.faults.push(`a deployment that nobody disturbs is ${JSON.stringify(deployed)}`)
}

/** Resolves when everyone who stays has seen all, or the time is over: the history tells. */
export async function caughtUp (run: Run): Promise<void> {
  const goal = placeOf(run.lines.find(line => line.kind === 'settled')!.cursor).seq
  const isBehind = () => {
    const clients = new Map<string, number>()
    const streams = new Map<string, string>()
    for (const line of run.lines) {
      if (line.kind === 'open' && line.stays) {
        streams.set(line.stream, line.client)
        clients.set(line.client, clients.get(line.client) ?? 0)
      } else if (line.kind === 'event' || line.kind === 'control') {
        const cursor = line.kind === 'event' ? line.event.cursor : line.cursor
        const client = streams.get(line.stream)
        if (client !== undefined && cursor !== undefined) clients.set(client, placeOf(cursor).seq)
      }
    }
    return [...clients.values()].some(seq => seq < goal)
  }
  await until(() => !isBehind(), 'everyone has seen all', patienceMs).catch(() => {})
}

/** What the nodes are, as the controller shows them. */
export async function writeNodes (run: Run, url: string): Promise<void> {
  const { nodes } = await getJson(`${url}/v1/nodes`)
  run.add({ kind: 'nodes', nodes: nodes.filter((node: { mgmt_role: string }) => node.mgmt_role === 'NODE') })
}

/** What a controller that has ended has left on the disk. */
export function writeStore (run: Run, path: string): void {
  const store = new Store(path)
  const log = new EventLog(store)
  for (const event of log.after(0, 1e9)) run.add({ kind: 'logged', event: JSON.parse(ndjson.event(event, log.epoch)) })
  for (const request of new RequestTable(store).list({ limit: 1e9 })) {
    const { n, event_seq: seq, ...shown } = request
    run.add({ kind: 'stored', request: { ...shown, ...(request.state === 'pending' ? {} : { success: request.state === 'succeeded' }) } as Shown })
  }
  store.close()
}
