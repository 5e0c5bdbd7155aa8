/**
 * The yardstick of a round trip: the controller's own parts without HTTP and without sockets. Requests are calls,
 * agents are at the
 * other end of a link in memory, and responses are heard at the hub.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { contentOf } from '../../src/events/sink.js'
import { Filter } from '../../src/events/filter.js'
import { ndjson } from '../../src/events/frame.js'
import { Hub } from '../../src/events/hub.js'
import { controllerSettings } from '../../src/controller/config.js'
import { Checks } from '../../src/controller/work/checks.js'
import { Controller } from '../../src/controller/controller.js'
import { Bundles } from '../../src/controller/bundles.js'
import { EntityTags } from '../../src/controller/entity-tags.js'
import { Revisions } from '../../src/controller/revisions.js'
import { Packs } from '../../src/bundles/packs.js'
import { BundleTable } from '../../src/store/bundles.js'
import { Cluster } from '../../src/controller/cluster/cluster.js'
import { Deployer } from '../../src/controller/cluster/deployer.js'
import { Fleet } from '../../src/controller/fleet.js'
import { Health } from '../../src/controller/cluster/health.js'
import { EventHistory } from '../../src/requests/event-history.js'
import { EventJournal } from '../../src/requests/journal.js'
import { Joins } from '../../src/controller/joins.js'
import { AgentCertificateTable } from '../../src/store/agent-certificates.js'
import { JoinTable, JoinTokenTable } from '../../src/store/joins.js'
import { TokenTable } from '../../src/store/tokens.js'
import { Operations } from '../../src/controller/work/operations.js'
import { Intel } from '../../src/controller/work/intel.js'
import { Upgrades } from '../../src/controller/work/upgrades.js'
import { Options } from '../../src/controller/work/options.js'
import { Plans } from '../../src/controller/work/plans.js'
import { Queries } from '../../src/controller/work/queries.js'
import { State } from '../../src/controller/cluster/state.js'
import { memoryPair } from '../../src/link/transport.js'
import { Requests } from '../../src/requests/requests.js'
import { loadSettings, managementSettings } from '../../src/settings.js'
import { ConfigurationTable } from '../../src/store/configurations.js'
import { EventLog } from '../../src/store/events.js'
import { RequestTable } from '../../src/store/requests.js'
import { NotificationPlaces } from '../../src/store/notification-places.js'
import { Notifier } from '../../src/notify/notifier.js'
import { RevisionTable } from '../../src/store/revisions.js'
import { feedTable } from '../../src/store/feeds.js'
import { runtimeOptionTable } from '../../src/store/runtime-options.js'
import { Store } from '../../src/store/store.js'
import { SimulatedAgent } from '../agents.js'
import { clusterOf, hostOf, instanceOf } from '../cluster.js'
import { atRate } from '../schedule.js'

export type BaselineJob = { nodes: string[]; rate: number; count: number }

const count = Number(process.argv[2])
const directory = mkdtempSync(join(tmpdir(), 'zeek-cluster-bench-'))
const settings = loadSettings(
  { ...managementSettings, ...controllerSettings },
  {
    flags: {
      'management-state-dir': directory,
      'controller-pending-max': '1000000',
      'controller-health-interval': '0'
    },
    env: {}
  }
)
const log = pino({ level: 'silent' })
const now = Date.now
const store = new Store(join(directory, 'controller.sqlite'))
const [eventLog, auditLog] = [new EventLog(store), new EventLog(store, 'audit')]
const [hub, auditHub] = [eventLog, auditLog].map(log => new Hub(log, { heartbeatMs: 600_000, stallMs: 600_000 })) as [
  Hub,
  Hub
]
const journal = new EventJournal(store, { log: eventLog, hub }, { log: auditLog, hub: auditHub }, now)
const requests = new Requests({ table: new RequestTable(store), journal, log, now, pendingMax: 1_000_000 })
const revisionTable = new RevisionTable(store)
const cluster = new Cluster(store, new ConfigurationTable(store), {
  options: runtimeOptionTable(store),
  feeds: feedTable(store),
  revisions: revisionTable
})
const fleet = new Fleet({
  controllerName: 'controller',
  heartbeatMs: 5000,
  retryMaxMs: 5000,
  log,
  now,
  ownerOf: () => undefined,
  layout: digest => cluster.layout(digest),
  bundles: { files: () => [], chunk: async () => '' },
  joins: { isForgotten: () => false, renew: async () => 'none' },
  dial: async () => {
    throw new Error('nobody is dialled')
  }
})
const bundles = new Bundles({
  packs: new Packs('none'),
  table: new BundleTable(store),
  limits: { bytes: 0, files: 0 },
  write: job => journal.write('synced', false, (_append, record) => job(record)),
  log,
  now,
  usedBy: () => []
})
const joins = new Joins({
  issuing: undefined,
  joins: new JoinTable(store),
  joinTokens: new JoinTokenTable(store),
  tokens: new TokenTable(store),
  certificates: new AgentCertificateTable(store),
  agentPort: 2150,
  isConnected: () => false,
  deployed: () => undefined,
  disconnect: () => {},
  write: job => journal.write('synced', false, (_append, record) => job(record)),
  notify: () => {},
  now
})
const checks = new Checks(fleet, cluster)
const deployer = new Deployer({
  settings,
  cluster,
  fleet,
  checks,
  log,
  now,
  complain: () => {},
  ready: () => {}
})
const state = new State(fleet, cluster)
const health = new Health({
  settings,
  fleet,
  state,
  isDeployed: () => true,
  outdated: () => new Map(),
  interrupted: () => undefined,
  changed: () => {}
})
const controller = new Controller({
  settings,
  store,
  cluster,
  requests,
  journal,
  history: new EventHistory({ log: eventLog, hub }),
  hub,
  fleet,
  bundles,
  revisions: new Revisions({ table: revisionTable, bundles, isSecret: () => false, deployed: () => 1 }),
  joins,
  tags: new EntityTags({ cluster, revisions: revisionTable, requests }),
  checks,
  deployer,
  queries: new Queries(fleet),
  plans: new Plans({ cluster, fleet, deployer }),
  operations: new Operations(fleet, cluster),
  options: new Options({ cluster, fleet, deployer, now }),
  intel: new Intel({ cluster, fleet, deployer, bundles, now }),
  upgrades: new Upgrades({ fleet, cluster, bundles, controllerName: settings.controller_name }),
  state,
  health,
  notifier: new Notifier({
    file: undefined,
    source: 'controller',
    env: {},
    store,
    log: eventLog,
    places: new NotificationPlaces(store),
    cursorOf: seq => journal.cursorOf(seq),
    say: { info: () => {}, warn: () => {}, error: () => {} },
    audit: () => {},
    failingMaxMs: 0
  }),
  group: undefined
})
await auditLog.open()
await eventLog.open()
deployer.open()
for (let index = 0; index < count; index++) {
  const [ours, theirs] = memoryPair()
  fleet.accept(theirs, hostOf(index))
  await SimulatedAgent.over(ours, instanceOf(index), { host: hostOf(index) })
}
for (const [type, args] of [
  ['stage_configuration', { config: clusterOf(count, 'c') }],
  ['deploy', { check: false }]
] as const) {
  const { request } = await controller.request(type, args)
  const { success } = await controller.waitForRequest(request.reqid, 30)
  if (!success) throw new Error(`${type} has failed`)
}

/** Hears of responses as a stream of events does. */
function hear(tell: (event: any) => void): () => void {
  let close = () => {}
  const sink = {
    write: (chunk: Buffer) => {
      for (const line of String(contentOf(chunk)).trimEnd().split('\n')) tell(JSON.parse(line))
      return true
    },
    end: () => {},
    destroy: () => {},
    on: (event: string, listener: () => void) => {
      if (event === 'close') close = listener
    }
  }
  hub.follow(sink, {
    start: hub.startAt('latest'),
    filter: new Filter({ types: ['get_id_value_response'] }),
    format: ndjson,
    opening: []
  })
  return () => close()
}

async function run({ nodes, rate, count }: BaselineJob): Promise<number[]> {
  const asked = new Map<string, number>()
  const answered = new Map<string, number>()
  const started: Promise<void>[] = []
  let done = () => {}
  const heard = new Promise<void>(resolve => {
    done = resolve
  })
  const leave = hear(({ type, reqid, success, results }) => {
    if (type !== 'get_id_value_response') return
    if (!success || results.length !== nodes.length) throw new Error('not every node has answered')
    if (answered.has(reqid)) throw new Error('there were two responses to one request')
    answered.set(reqid, performance.now())
    if (answered.size === count) done()
  })
  await atRate(rate, count, scheduled => {
    started.push(
      controller.request('get_id_value', { id: 'Site::name', nodes }).then(({ request }) => {
        asked.set(request.reqid, scheduled)
      })
    )
  })
  await Promise.all([heard, ...started])
  leave()
  return [...asked].map(([reqid, scheduled]) => answered.get(reqid)! - scheduled)
}

process.on('message', (job: BaselineJob) => {
  void run(job).then(latencies => process.send!(latencies))
})
process.on('disconnect', () => {
  rmSync(directory, { recursive: true, force: true })
  process.exit()
})
process.send!('ready')
