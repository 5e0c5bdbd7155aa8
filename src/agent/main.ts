import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { agentApiVersion } from '../../schemas/agent.js'
import type { NodeStatus } from '../../schemas/types.js'
import { Certificates } from '../security/certificates.js'
import { AppError, messageOf } from '../errors.js'
import { bootId } from '../proc.js'
import type { UnitStatus } from '../supervisor/program.js'
import { hostPort, packageVersion } from '../util.js'
import { Archiver, prepareQueue } from './logs/archiver.js'
import { NodeChecks } from './check/check.js'
import { Replays } from './check/replays.js'
import { controllersOf, type AgentContext } from './config.js'
import { hostProbes as thisHost, type HostProbes } from './check/host-probes.js'
import { StatsHistory } from './stats/history.js'
import { LocalInstance } from './stats/instance.js'
import { ShareFile } from './nodes/share-file.js'
import { Identity, identityIn } from './identity.js'
import { methodsOf } from './methods.js'
import { NodeHealth } from './stats/node-health.js'
import { NodeTable } from './nodes/node-table.js'
import { directories } from './nodes/zeek-program.js'
import type { SupervisorClient } from './nodes/supervisor-client.js'
import { Sampler } from './stats/sampler.js'
import { Session } from './session.js'
import { Term } from './term.js'
import { readTopology } from './stats/topology.js'
import { Upgrades } from '../upgrades.js'
import { platform } from './upgrade.js'

/** What an agent needs to run. */
export interface AgentOptions extends AgentContext {
  programs: SupervisorClient
  /** The port at which agents reach a controller on this host. */
  controllerPort: number
  log: Logger
  /** Probes of the host, for the checks before nodes are deployed. */
  host?: HostProbes
}

export interface Agent {
  /** Sends a line of the log to the controller; it is lost when the controller is not connected. */
  notifyLog(level: string, message: string): void
  /** Reads the certificates again. Throws an AppError that names the setting. */
  reload(): void
  /** Ends the link with the controller. The nodes stay. */
  close(): Promise<void>
}

/** Runs an agent. Resolves once it listens or dials. Rejects when it cannot listen. */
export async function startAgent({
  settings,
  env,
  umask,
  programs,
  controllerPort,
  log,
  host = { ...thisHost, obstacles: limits => programs.obstacles(limits) }
}: AgentOptions): Promise<Agent> {
  const context: AgentContext = { settings, env, umask }
  const closing = new AbortController()
  const certificates = Certificates.of('agent', settings)
  await prepareQueue(settings)
  const table = new NodeTable(context, programs, new ShareFile(join(settings.management_state_dir, 'agent.json')))
  const nodeHealth = new NodeHealth(table, directories(settings).node)
  const history = new StatsHistory()
  const sampler = new Sampler(
    table,
    async samples => {
      history.note(
        samples,
        table.statuses().map(({ node }) => node)
      )
      await nodeHealth.note(samples)
    },
    settings.agent_stats_interval * 1000,
    closing.signal
  )
  const archiver = settings.agent_archive_logs
    ? new Archiver({ ...context, log, notify: (method, params) => session.notify(method, params) })
    : undefined
  const instance = new LocalInstance(context, table, nodeHealth, archiver)
  const look = (id: string) => table.content.look(id)
  const checks = new NodeChecks(context, host, look)
  await checks.clean()
  const addresses = controllersOf(settings)
  const dialled = addresses.length === 0

  /** Controllers of this host, as the supervisor has reported them, by name. */
  const controllers = new Map<string, UnitStatus>()
  const remember = (unit: UnitStatus) => {
    if (unit.kind === 'attached' && unit.tag === 'CONTROLLER') controllers.set(unit.name, unit)
  }
  programs.on('changed', remember)
  for (const unit of await programs.status()) remember(unit)

  /** Returns the status of every process of this host that takes part: the agent, a controller, the nodes. */
  const statuses = (): NodeStatus[] => [
    {
      node: settings.agent_name,
      state: 'RUNNING',
      mgmt_role: 'AGENT',
      pid: process.pid,
      ...(dialled ? { port: settings.agent_port } : {})
    },
    ...[...controllers.values()].map(({ name, state, pid }): NodeStatus => ({
      node: name,
      state,
      mgmt_role: 'CONTROLLER',
      ...(pid ? { pid } : {}),
      port: controllerPort
    })),
    ...table.statuses()
  ]

  /** Sends the health report by which the controller judges whether the cluster is well. */
  const report = () => {
    instance.health().then(
      health => session.notify('health', health),
      error => log.error(`its health is not known: ${messageOf(error)}`)
    )
  }

  const upgrades = Upgrades.of(env)
  await upgrades?.forgetNext()
  let isConfirmed = false
  /** Notes that this release has proved itself, once a controller has accepted it. */
  const confirm = () => {
    if (isConfirmed) return
    isConfirmed = true
    upgrades?.confirm().catch((error: unknown) => {
      isConfirmed = false
      log.error(`that this release runs cannot be noted: ${messageOf(error)}`)
    })
  }

  const session: Session = new Session({
    heartbeatMs: settings.management_heartbeat * 1000,
    retryMaxMs: settings.management_retry_max * 1000,
    handlers: methodsOf({
      ...context,
      table,
      checks,
      replays: new Replays(context, look),
      sampler,
      history,
      instance,
      host,
      upgrades,
      leave: () => programs.leave(),
      log
    }),
    log,
    certificates,
    term: await Term.read(join(settings.management_state_dir, 'term'), log),
    connected: () => {
      report()
      confirm()
    },
    // Read each time, so that a new token needs no restart.
    headers: async () =>
      settings.agent_token_file === undefined
        ? {}
        : { authorization: `Bearer ${await readToken(settings.agent_token_file)}` },
    hello: async () => ({
      api_version: agentApiVersion,
      name: settings.agent_name,
      version: packageVersion,
      zeek_version: await instance.zeekVersion(),
      host: settings.agent_advertise_addr,
      machine: bootId,
      directory: await stat(settings.management_state_dir).then(
        ({ dev, ino }) => `${dev}-${ino}`,
        () => undefined
      ),
      config_id: table.share?.config_id,
      topology: await readTopology(),
      times: {
        stop: settings.agent_stop_timeout,
        start: settings.agent_start_timeout,
        capture: settings.agent_capture_timeout,
        upgrade: settings.agent_upgrade_timeout
      },
      platform,
      failed_upgrade: await upgrades?.failed(),
      nodes: statuses()
    })
  })
  const identity =
    settings.agent_tls_cert === identityIn(settings.management_state_dir)
      ? new Identity(settings.agent_tls_cert)
      : undefined
  table.on('changed', change => {
    if (change.old_state !== change.status.state) {
      log.info(`node ${change.status.node}: ${change.old_state} -> ${change.status.state}: ${change.reason}`)
    }
    session.notify('change', change)
    // Nothing starts a failed node again by itself.
    if (change.status.state === 'FAILED') {
      session.notify('error', {
        message: table.hidden(`node ${change.status.node} has failed: ${change.reason}`),
        node: change.status.node
      })
    }
  })

  table.on('gone', nodes => session.notify('gone', { nodes }))

  if (dialled) {
    await session.listen(settings.agent_addr, settings.agent_port, closing.signal).catch(error => {
      // What has been started must not keep the process alive.
      closing.abort()
      throw new AppError('unavailable', `agent_port: ${messageOf(error)}`, { cause: error })
    })
    log.info(`waits for the controller at ${hostPort(settings.agent_addr, settings.agent_port)}`)
  }
  try {
    await table.resume()
  } catch (error) {
    // A damaged share file must not keep the controller from deploying a new share.
    log.error(`cannot go on with the last configuration: ${messageOf(error)}`)
  }
  const archiving = archiver?.run(closing.signal)
  const reporting = setInterval(report, settings.agent_stats_interval * 1000)
  const dialling = dialled ? undefined : session.dial(addresses, closing.signal)
  const renewing = identity?.keep({
    name: settings.agent_name,
    ask: request => session.renew(request),
    renewed: async patienceMs => {
      certificates?.reload()
      await session.reopen(patienceMs)
    },
    log,
    signal: closing.signal
  })
  return {
    notifyLog: (level, message) => session.notify('log', { level, message: table.hidden(message) }),
    reload: () => certificates?.reload(),
    close: async () => {
      closing.abort()
      clearInterval(reporting)
      await Promise.all([dialling, archiving, renewing])
    }
  }
}

/** Throws an AppError that names the setting. */
async function readToken(path: string): Promise<string> {
  return (
    await readFile(path, 'utf8').catch(error => {
      throw new AppError('unavailable', `ZEEK_AGENT_TOKEN_FILE: ${messageOf(error)}`, { cause: error })
    })
  ).trim()
}
