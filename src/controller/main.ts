import { join } from 'node:path'
import type { Logger } from 'pino'
import { agentPath } from '../../schemas/agent.js'
import type { BundleUser } from '../../schemas/bundles.js'
import type { RequestResult } from '../../schemas/types.js'
import { AppError, messageOf } from '../errors.js'
import { Hub } from '../events/hub.js'
import { fromAgent, listen, type LinkServer } from '../link/websocket.js'
import { Requests } from '../requests/requests.js'
import { AgentCertificateTable } from '../store/agent-certificates.js'
import { TokenTable } from '../store/tokens.js'
import { ConfigurationTable } from '../store/configurations.js'
import { BundleTable } from '../store/bundles.js'
import { EventLog } from '../store/events.js'
import { JoinTable, JoinTokenTable } from '../store/joins.js'
import { RequestTable } from '../store/requests.js'
import { NotificationPlaces } from '../store/notification-places.js'
import { RevisionTable } from '../store/revisions.js'
import { feedTable } from '../store/feeds.js'
import { runtimeOptionTable } from '../store/runtime-options.js'
import { databaseIn } from '../store/database.js'
import { Store } from '../store/store.js'
import { hostPort } from '../util.js'
import { createAccess, type Access, type OwnAgent } from '../server/access/access.js'
import type { WriteAudited } from '../server/access/tokens.js'
import { Audit } from '../requests/audit.js'
import { refuseAuthority } from './authority-config.js'
import type { ControllerSettings } from './config.js'
import { Packs } from '../bundles/packs.js'
import { Bundles } from './bundles.js'
import { Checks } from './work/checks.js'
import { Controller } from './controller.js'
import { Cluster, clusterTables } from './cluster/cluster.js'
import { Deployer } from './cluster/deployer.js'
import { Elastic, elasticCaller } from './elastic/elastic.js'
import { Fleet } from './fleet.js'
import { openIssuing } from './issuing.js'
import { Joins } from './joins.js'
import { Health } from './cluster/health.js'
import { EventHistory } from '../requests/event-history.js'
import { EventJournal } from '../requests/journal.js'
import { Messages } from '../server/messages.js'
import { Metrics } from '../server/metrics.js'
import { Notifications } from './notifications.js'
import { Notifier } from '../notify/notifier.js'
import { Operations } from './work/operations.js'
import { Intel } from './work/intel.js'
import { Options } from './work/options.js'
import { Pruning } from './pruning.js'
import { Plans } from './work/plans.js'
import { Queries } from './work/queries.js'
import { Upgrades } from './work/upgrades.js'
import { EntityTags } from './entity-tags.js'
import { Probation } from './probation.js'
import { Revisions } from './revisions.js'
import { secretNames } from '../security/secret-names.js'
import { createServer } from '../server/server.js'
import type { Group, GroupOptions } from '../replication/group.js'
import { State } from './cluster/state.js'

export interface RunningController {
  /** URL at which clients reach the controller. */
  url: string
  controller: Controller
  /**
   * Reads the certificates again, and what operators are told of. Throws an AppError that names the setting of the
   * certificates.
   */
  reload(): void
  /** Ends streams, answers what is pending, and closes the store. */
  close(): Promise<void>
}

export interface ControllerOptions {
  settings: ControllerSettings
  log: Logger
  /** An agent that runs with the controller, and gets a token in a file. */
  agent?: OwnAgent | undefined
  /** Where the files of the web console and the guide are; where a build puts them, unless a test has its own. */
  pages?: string | undefined
  /** How this controller is one of several; undefined for one that is alone. */
  replication?: Pick<GroupOptions, 'connect' | 'url' | 'leaseMs' | 'ca' | 'ended'> | undefined
  now?: () => number
  /** The environment, of which programs that notifications are handed to get a part. */
  env?: NodeJS.ProcessEnv
}

/** Runs a controller. Resolves once it listens. Throws an AppError that names the setting when it cannot. */
export async function startController({
  settings,
  log,
  agent,
  pages,
  replication,
  now = Date.now,
  env = {}
}: ControllerOptions): Promise<RunningController> {
  const path = databaseIn(settings.management_state_dir)
  const group = replication && (await enter({ ...replication, name: settings.controller_name, database: path, log }))
  const metrics = new Metrics()
  const store = new Store(
    path,
    failure => (failure === undefined ? log.warn('the store can be used again') : log.error(failure)),
    (seconds, writes) => metrics.committed(seconds, writes),
    { isReplica: group !== undefined }
  )
  if (group && store.position === undefined) {
    const ways = 'zeek-cluster replication init makes it the first of several, rebuild has it replaced by theirs'
    throw new AppError('conflict', `${path} is that of a single controller: ${ways}`)
  }
  const createHub = (log: EventLog | EventLog<'audit'>) =>
    new Hub(log, {
      heartbeatMs: settings.controller_events_heartbeat * 1000,
      stallMs: settings.controller_events_stall * 1000
    })
  const [eventLog, auditLog] = [new EventLog(store), new EventLog(store, 'audit')]
  const [hub, auditHub] = [createHub(eventLog), createHub(auditLog)]
  const journal = new EventJournal(store, { log: eventLog, hub }, { log: auditLog, hub: auditHub }, now)
  const notifications = new Notifications(journal, log)
  const audit = new Audit({ log: auditLog, hub: auditHub }, (entry, kind) => {
    journal.record(entry, kind).catch(error => log.debug(`an audit entry is lost: ${messageOf(error)}`))
  })
  const notifier = new Notifier({
    file: settings.controller_notify,
    source: settings.controller_name,
    env,
    store,
    log: eventLog,
    places: new NotificationPlaces(store),
    cursorOf: seq => journal.cursorOf(seq),
    say: {
      info: line => log.info(line),
      warn: line => log.warn(line),
      error: line => log.error(line)
    },
    audit: told => audit.told(told),
    failingMaxMs: settings.controller_notify_failing_max * 1000,
    now
  })
  const writeAudited: WriteAudited = job => journal.write('synced', false, (_append, record) => job(record))
  refuseAuthority(settings)
  const issuing = await openIssuing(settings, log, now)
  const access = createAccess({
    settings,
    store,
    audit,
    write: writeAudited,
    onChange: () => journal.catchUp(),
    now,
    agent
  })
  const [table, revisionTable] = [new RequestTable(store), new RevisionTable(store)]
  const requests = new Requests({
    table,
    journal,
    audit,
    log,
    now,
    pendingMax: settings.controller_pending_max,
    pendingMaxOfClient: settings.controller_pending_per_client,
    onConcluded: ({ type, reqid, state }) => {
      if (type === 'deploy') revisionTable.conclude(reqid, state)
    },
    onStarted: request => messages.started(request),
    onFinished: (request, by) => {
      metrics.finished(request)
      messages.finished(request)
      if (by) access.limits.charge(by, { results: sizeOf(request.results) })
    }
  })
  const cluster = new Cluster(store, new ConfigurationTable(store), {
    options: runtimeOptionTable(store),
    feeds: feedTable(store),
    revisions: revisionTable
  })
  const bundles = new Bundles({
    packs: new Packs(join(settings.management_state_dir, 'bundles'), () => group?.files),
    table: new BundleTable(store),
    limits: { bytes: settings.controller_bundle_max_bytes, files: settings.controller_bundle_max_files },
    write: writeAudited,
    log,
    now,
    usedBy: (id): BundleUser[] => [...cluster.usersOf(id), ...upgrades.usersOf(id)]
  })
  const fleet: Fleet = new Fleet({
    ...(group && { leadership: () => ({ leads: group.leads, term: group.position.term }) }),
    controllerName: settings.controller_name,
    heartbeatMs: settings.management_heartbeat * 1000,
    retryMaxMs: settings.management_retry_max * 1000,
    log,
    now,
    ownerOf: node => cluster.shares?.ownerOf(node),
    layout: digest => cluster.layout(digest),
    bundles,
    dial: (name, address, signal) => access.dialAgent(name, address, signal),
    joins: { isForgotten: serial => joins.isForgotten(serial), renew: async (...what) => await joins.renew(...what) }
  })
  const joins: Joins = new Joins({
    issuing,
    joins: new JoinTable(store),
    joinTokens: new JoinTokenTable(store),
    tokens: new TokenTable(store),
    certificates: new AgentCertificateTable(store),
    agentPort: settings.controller_port,
    isConnected: name => fleet.member(name) !== undefined,
    deployed: name => {
      const deployed = cluster.deployment?.configuration
      if (deployed?.instances.every(instance => instance.name !== name) !== false) return undefined
      return deployed.nodes.filter(({ instance }) => instance === name).map(node => node.name)
    },
    disconnect: (name, why) => fleet.disconnect(name, why),
    write: writeAudited,
    notify: event => notifications.note(event),
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
    complain: (message, instance) => notifications.complain(message, instance),
    ready: instances => notifications.agentsReady(instances)
  })
  const state = new State(fleet, cluster, () => joins.ends())
  const probation = new Probation({
    store,
    table: revisionTable,
    cluster,
    settings,
    log,
    now,
    elapsed: () => performance.now()
  })
  const health = new Health({
    settings,
    fleet,
    state,
    isDeployed: () => cluster.deployment !== undefined,
    outdated: () => deployer.outdated,
    interrupted: () => deployer.interrupted,
    exhausted: () => elastic.exhausted,
    starting: () => elastic.starting,
    ofControllers: () => [...(group?.faults ?? []), ...notifier.faults],
    looked: ({ ready }) => {
      void probation.look(ready)
    },
    changed: health => notifications.healthChanged(health)
  })
  const upgrades = new Upgrades({ fleet, cluster, bundles, controllerName: settings.controller_name })
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
    revisions: new Revisions({
      table: revisionTable,
      bundles,
      isSecret: secretNames(settings.management_secrets),
      deployed: () => cluster.revision
    }),
    joins,
    tags: new EntityTags({ cluster, revisions: revisionTable, requests }),
    checks,
    deployer,
    queries: new Queries(fleet),
    plans: new Plans({ cluster, fleet, deployer }),
    operations: new Operations(fleet, cluster),
    options: new Options({ cluster, fleet, deployer, now }),
    intel: new Intel({ cluster, fleet, deployer, bundles, now }),
    upgrades,
    state,
    health,
    notifier,
    group
  })
  const elastic = new Elastic({
    cluster,
    fleet,
    log,
    now,
    // Nodes of a deployment that has stopped on its way stay as they are, until another one goes on.
    isBusy: () => deployer.isBusy || deployer.interrupted !== undefined,
    act: async ({ action, node, reason }, change) => {
      const args = { nodes: [node], comment: reason }
      const { request } = await controller.request(action, args, { by: elasticCaller, elastic: change })
      await controller.waitForRequest(request.reqid, settings.controller_timeout_max)
    }
  })
  const messages = new Messages(controller, access, settings, log)
  metrics.observe({ controller, health, messages: messages.server, access, store, log: eventLog, hub, notifier, group })

  const pruning = new Pruning({
    settings,
    store,
    events: eventLog,
    audit: auditLog,
    requests: table,
    revisions: revisionTable,
    keeps: () => cluster.revisionsToKeep,
    bundles,
    log,
    now
  })

  // What only one controller does at a time: to write, to accept requests, and to command agents.
  const recover = async () => {
    await openLogs({ events: eventLog, audit: auditLog }, path, log)
    await access.open()
    await bundles.open()
    await requests.recover()
    probation.open()
    notifications.watch(fleet)
    deployer.open()
    health.open()
  }
  const act = () => {
    elastic.open()
    pruning.open()
    notifier.open()
  }

  if (!group) await recover()
  const app = await createServer({
    controller,
    metrics,
    messages,
    access,
    group,
    bodyLimit: settings.controller_body_limit,
    pages,
    log
  })
  const { controller_websocket_addr: host, controller_websocket_port: port } = settings
  await app.listen({ host, port }).catch(error => {
    throw naming('controller_websocket_port', `cannot listen on ${hostPort(host, port)}: ${messageOf(error)}`)
  })
  const agents = await listenToAgents(settings, access, fleet)
  access.limits.watch(agents.server)
  issuing?.open(() => {
    access.certificates!.reload()
    log.info("the controller's certificate is renewed")
  })
  group?.run({
    store,
    connected: () => {
      void bundles.follow()
    },
    applied: tables => {
      journal.catchUp()
      if (clusterTables.some(table => tables.has(table))) cluster.reload()
      if (tables.has('bundles')) void bundles.follow()
    },
    leads: async () => {
      for (const one of [eventLog, auditLog]) one.reload()
      await recover()
      act()
    }
  })
  if (!group) act()
  return {
    url: `http${access.certificates ? 's' : ''}://${hostPort(host, port)}`,
    controller,
    reload: () => {
      // One that is no good keeps the other from nothing.
      notifier.reload()
      access.certificates?.reload()
    },
    close: async () => {
      elastic.close()
      const telling = notifier.close()
      await requests.close()
      await app.close()
      await fleet.close()
      await agents.close()
      access.close()
      issuing?.close()
      await telling
      audit.close()
      health.close()
      await pruning.close()
      // The log has reported its failure itself.
      await eventLog.close().catch(() => {})
      await group?.close()
      store.close()
    }
  }
}

/** Becomes one of several controllers. */
async function enter(options: Omit<GroupOptions, 'clock'>): Promise<Group> {
  const [{ Group }, { systemClock }] = await Promise.all([
    import('../replication/group.js'),
    import('../replication/clock.js')
  ])
  return await Group.enter({ ...options, clock: systemClock })
}

/** Returns how many things results tell of: that of get_nodes tells of all nodes of an instance. */
function sizeOf(results: readonly RequestResult[]): number {
  return results.reduce((sum, { data }) => sum + 1 + (data?.nodes?.length ?? 0), 0)
}

/** Opens the logs, and warns of those whose past events cannot be trusted. Throws an AppError that names the file. */
async function openLogs(
  { events, audit }: { events: EventLog; audit: EventLog<'audit'> },
  path: string,
  log: Logger
): Promise<void> {
  for (const one of [audit, events]) {
    await one.open().catch(error => {
      throw naming(path, error)
    })
  }
  for (const [what, { distrust }] of [
    ['events', events],
    ['the audit log', audit]
  ] as const) {
    if (distrust !== undefined) log.warn(`streams of ${what} start anew (reset): ${distrust}`)
  }
}

/** Listens for agents, and admits those that authenticate. Throws an AppError that names the setting. */
async function listenToAgents(settings: ControllerSettings, access: Access, fleet: Fleet): Promise<LinkServer> {
  return await listen({
    host: settings.controller_addr,
    port: settings.controller_port,
    path: agentPath,
    certificates: access.certificates,
    intake: fromAgent,
    admit: request => {
      const { principal, name } = access.guard.admitAgent(request)
      access.guard.hold(principal, request.socket)
      return { address: principal.address, name, serial: principal.serial }
    },
    // The address that a proxy forwards: the proxy's own is of no use to other instances.
    onTransport: (transport, _peerAddress, { address, name, serial }) => {
      fleet.accept(
        transport,
        address,
        name === undefined ? undefined : { name, complaint: `the token or certificate of ${name} is shown by`, serial }
      )
    }
  }).catch(error => {
    throw naming('controller_port', error)
  })
}

/** Returns an error for what keeps the controller from starting, as one line that says where to look. */
function naming(setting: string, problem: unknown): AppError {
  return new AppError('unavailable', `${setting}: ${messageOf(problem)}`, { cause: problem })
}
