import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Logger } from 'pino'
import { refuseExposure as refuseAgentExposure } from '../agent/config.js'
import { refuseAuthority } from '../controller/authority-config.js'
import { refuseExposure as refuseControllerExposure } from '../controller/config.js'
import { agentInNeed, refuseClash } from '../controller/own-agent.js'
import { AppError, messageOf } from '../errors.js'
import type { Role } from '../host.js'
import { IpcTransport } from '../link/ipc.js'
import { Link } from '../link/link.js'
import { roleMethods, supervisorMethods } from '../../schemas/supervisor.js'
import { createLog } from '../log.js'
import { notifying, serve } from '../protocol/methods.js'
import { replicaConfigOf } from '../controller/replica-config.js'
import { agreeWithSupervisor } from '../protocol/supervisor.js'
import { Upgrades } from '../upgrades.js'
import { aborted, hostPort } from '../util.js'
import { parseFlags, readSettings, runTogether, type Settings } from './flags.js'

/** How long a controller that leads no longer may take to end. */
const endMs = 5_000

interface Start {
  settings: Settings
  roles: readonly Role[]
  /** The command that starts the process of a role. */
  command: string[]
  env: NodeJS.ProcessEnv
  /** The umask that this process was started with. */
  umask: number
}

/**
 * Runs the supervisor; in a process that a supervisor has launched, runs the role that the environment names. Returns
 * the exit code.
 */
export async function start(args: readonly string[], program: string, env: NodeJS.ProcessEnv): Promise<number> {
  // What we write is for nobody else: it may hold secrets. What nodes and archivers write is as its owner wants it.
  const umask = process.umask(0o077)
  const { roles: named, file, flags } = parseFlags(args)
  const roles: Role[] = named.length > 0 ? named : ['CONTROLLER', 'AGENT']
  const settings = readSettings({ file, flags, roles, env })
  const role = env['ZEEK_MANAGEMENT_NODE']
  const all = { settings, roles, command: [process.execPath, program, 'start', ...args], env, umask }
  return role === undefined ? await runSupervisor(all) : await runRole(role, all)
}

/** Returns a signal that the first of these process signals aborts; a second one ends the process at once. */
function untilStopped(signals: Partial<Record<NodeJS.Signals, string>>): AbortSignal {
  const stopping = new AbortController()
  for (const [signal, reason] of Object.entries(signals)) {
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(1)
      stopping.abort(reason)
    })
  }
  return stopping.signal
}

async function runSupervisor({ settings, roles, command, env, umask }: Start): Promise<number> {
  // Hosts may share one settings file: problems of a role that does not run here do not matter.
  if (roles.includes('CONTROLLER')) {
    refuseControllerExposure(settings)
    refuseAuthority(settings)
    replicaConfigOf(settings)
  }
  if (roles.includes('AGENT')) refuseAgentExposure(settings)
  if (runTogether(roles)) refuseClash(settings)
  const { nodesStay, runHost } = await import('../host.js')
  const log = createLog({ node: `supervisor-${hostname()}`, role: 'NONE', level: settings.management_log_level })
  const started = await runHost({
    settings,
    roles,
    command,
    env,
    umask,
    log,
    upgrades: Upgrades.of(env),
    onReady: lines => console.log(`zeek-cluster is ready: ${lines.join('; ')}`),
    // At a terminal, SIGHUP means that it has closed; for a service, it means to read the files again.
    signal: untilStopped({
      SIGTERM: 'stop',
      SIGINT: 'stop',
      SIGUSR2: nodesStay,
      ...(process.stdout.isTTY ? { SIGHUP: 'stop' } : {})
    })
  })
  return started ? 0 : 1
}

/** Runs one role in a process that a supervisor has launched, until the supervisor stops it or ends. */
async function runRole(role: string, { settings, roles, env, umask }: Start): Promise<number> {
  // Signals to the whole process group, such as Ctrl-C, are for the supervisor, which stops all in order.
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR2']) process.on(signal, () => {})
  const stopped = untilStopped({ SIGTERM: 'stop' })
  // Nothing is served yet: there is nothing to end in order.
  const giveUp = () => process.exit(0)
  stopped.addEventListener('abort', giveUp)
  const isAgent = role === 'AGENT'
  let onLine: (level: string, message: string) => void = () => {}
  const log = createLog({
    node: isAgent ? settings.agent_name : settings.controller_name,
    role: isAgent ? 'AGENT' : 'CONTROLLER',
    level: settings.management_log_level,
    directory: settings.management_state_dir,
    onLine: (level, message) => onLine(level, message)
  })
  const { supervisor, line, close, ended } = await (isAgent ? agentRole : controllerRole)()
  stopped.removeEventListener('abort', giveUp)
  notifying(supervisorMethods)(supervisor, 'ready', { line })
  await aborted(AbortSignal.any([stopped, supervisor.closed, ...(ended ? [ended] : [])]))
  if (ended?.aborted === true && !stopped.aborted) {
    log.warn(`beginning anew: ${ended.reason}`)
    // What it could still tell anyone is another one's to tell.
    setTimeout(() => process.exit(1), endMs).unref()
  } else log.info('stopping')
  await close()
  await supervisor.close('done')
  return ended?.aborted === true ? 1 : 0

  // Each process loads only what its role needs.
  async function agentRole() {
    const [{ startAgent }, { SupervisorClient }] = await Promise.all([
      import('../agent/main.js'),
      import('../agent/nodes/supervisor-client.js')
    ])
    const programs = new SupervisorClient(new IpcTransport(process))
    await agreeWithSupervisor(programs.link)
    const starting = startAgent({ settings, env, umask, programs, controllerPort: settings.controller_port, log })
    programs.on('reload', () => reloadWith(starting))
    const agent = await starting
    onLine = (level, message) => {
      if (level === 'WARNING' || level === 'ERROR') agent.notifyLog(level, message)
    }
    return {
      supervisor: programs.link,
      line: `${settings.agent_name} is an agent of ${settings.agent_controller}`,
      close: agent.close,
      ended: undefined
    }
  }

  async function controllerRole() {
    const { startController } = await import('../controller/main.js')
    const controller: { starting?: ReturnType<typeof startController> } = {}
    const ended = new AbortController()
    const link = new Link(
      new IpcTransport(process),
      serve(roleMethods, { changed: () => {}, reload: () => reloadWith(controller.starting) })
    )
    await agreeWithSupervisor(link)
    controller.starting = startController({
      settings,
      log,
      agent: runTogether(roles) ? agentInNeed(settings) : undefined,
      replication: await replicationOf(settings, log, ended),
      env
    })
    const { url, close } = await controller.starting
    return {
      supervisor: link,
      line: `${settings.controller_name} listens on ${url}, for agents on ${hostPort(settings.controller_addr, settings.controller_port)}`,
      close,
      ended: ended.signal
    }
  }

  async function reloadWith(starting: Promise<{ reload(): void }> | undefined) {
    // Before it starts, there is nothing to read again.
    if (!starting) return
    try {
      const role = await starting
      role.reload()
      log.info('the certificates are read again')
    } catch (error) {
      log.error(`the certificates stay as they were: ${messageOf(error)}`)
    }
  }
}

/** Returns how a controller is one of several, which `ended` is aborted by; undefined for one that is alone. */
async function replicationOf(settings: Settings, log: Logger, ended: AbortController) {
  const config = replicaConfigOf(settings)
  if (!config) return undefined
  const { connectReplication } = await import('../replication/jetstream.js')
  const { self, url, leaseMs, nats } = config
  const ca = config.ca === undefined ? undefined : await authoritiesIn(config.ca)
  const connect = () => connectReplication({ ...nats, self, log })
  return { connect, url, ca, leaseMs, ended: (why: string) => ended.abort(why) }
}

/** Returns the authorities of a file beside those that Node knows. Throws an AppError that names the setting. */
async function authoritiesIn(file: string): Promise<string[]> {
  try {
    // The import alone makes texts of all authorities that Node knows.
    const { rootCertificates } = await import('node:tls')
    return [...rootCertificates, readFileSync(file, 'utf8')]
  } catch (error) {
    throw new AppError('invalid_request', `ZEEK_CONTROLLER_URL_CA: ${messageOf(error)}`, { cause: error })
  }
}
