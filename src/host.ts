import { EventEmitter, once } from 'node:events'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { boot as bootAgent } from './agent/boot.js'
import type { AgentSettings } from './agent/config.js'
import { boot as bootController } from './controller/boot.js'
import type { ControllerSettings } from './controller/config.js'
import { roleMethods, supervisorApiVersion, supervisorMethods } from '../schemas/supervisor.js'
import { AppError, messageOf } from './errors.js'
import { IpcTransport } from './link/ipc.js'
import { Link, type Handlers } from './link/link.js'
import { notifying, serve } from './protocol/methods.js'
import { closeStateDirectory } from './state-directory.js'
import { lockDirectory } from './store/lock.js'
import { Cgroups, delegatedCgroup } from './supervisor/cgroups.js'
import type { Program, RestartPolicy, UnitStatus } from './supervisor/program.js'
import { Supervisor, type SupervisorEvents } from './supervisor/supervisor.js'
import type { Upgrades } from './upgrades.js'
import { aborted } from './util.js'

export type Role = 'CONTROLLER' | 'AGENT'

export interface HostOptions {
  settings: ControllerSettings & AgentSettings
  /** In the order in which they begin. */
  roles: readonly Role[]
  /** Command line of a role's process; its environment says which role it is. */
  command: string[]
  env: NodeJS.ProcessEnv
  /** The umask that this process was started with, for what it starts. */
  umask?: number | undefined
  log: Logger
  /** What this host was upgraded to; undefined where that is not possible. */
  upgrades?: Upgrades | undefined
  /** Called once, when every role is ready, with the line that each has reported. */
  onReady: (lines: string[]) => void
  /**
   * Aborted when everything is to stop; with `nodesStay` as the reason, everything but the nodes, which the next
   * supervisor adopts.
   */
  signal: AbortSignal
}

export const nodesStay = 'the nodes stay'

const notifyRole = notifying(roleMethods)

/** Restart policy of a role. A role is not given up: without it the host cannot be reached. */
const rolePolicy: Omit<RestartPolicy, 'maxMs'> = { initialMs: 500, resetMs: 60_000, maxFailures: 0 }

/** What the host does for a controller or an agent. */
interface ForRole {
  /** Called when it serves, with a line that says so. */
  ready: (line: string) => void
  /** Resolves when it is its turn to begin. */
  turn: () => Promise<void>
  /** Called when the supervisor is to end, and to leave the nodes. */
  leave: () => void
}

const nothing: ForRole = { ready: () => {}, turn: async () => {}, leave: () => {} }

/**
 * Returns the supervisor's handlers for a controller or an agent. A node that has the name of one must not take its
 * place.
 */
export function supervisorHandlers(supervisor: Supervisor, { ready, turn, leave }: ForRole = nothing): Handlers {
  const assertNotRole = (name: string) => {
    if (supervisor.status().some(unit => unit.name === name && unit.kind === 'attached')) {
      throw new AppError('invalid_request', `${name} is the name of a controller or agent on this host`)
    }
  }
  return serve(supervisorMethods, {
    version: () => ({ version: supervisorApiVersion }),
    status: () => supervisor.status(),
    start: async ({ program }) => {
      assertNotRole(program.name)
      await supervisor.start(program)
    },
    stop: async ({ name }) => {
      assertNotRole(name)
      await supervisor.stop(name)
    },
    obstacles: limits => supervisor.obstacles(limits),
    output: ({ name }) => supervisor.output(name),
    ready: ({ line }) => ready(line),
    turn,
    leave
  })
}

/**
 * Runs the supervisor's process: the roles of this host and, for its agent, the nodes. Resolves when everything is
 * stopped; with false when a role could not start in the first place, which it has reported itself: then nodes stay,
 * for the next supervisor.
 */
export async function runHost(options: HostOptions): Promise<boolean> {
  const { settings, roles, command, env, umask, log, upgrades, onReady, signal } = options
  const links = new Map<string, Link>()
  const reload = () => {
    for (const link of links.values()) notifyRole(link, 'reload', {})
  }
  // Installed first: a SIGHUP that comes before there is any link must not end the process.
  process.on('SIGHUP', reload)
  const { management_state_dir: state } = settings
  const closed = closeStateDirectory(state)
  if (closed !== undefined) log.warn(closed)
  const lock = lockDirectory(state, `another zeek-cluster runs with the state directory ${state}`)
  const ready = new Map<string, string>()
  const failed = new AbortController()
  const leaving = new AbortController()
  const ending = AbortSignal.any([signal, failed.signal, leaving.signal])
  const order = roles.map(role => (role === 'CONTROLLER' ? settings.controller_name : settings.agent_name))
  const readiness = new EventEmitter<{ ready: [] }>()
  const untilReady = async (names: readonly string[]) => {
    while (names.some(name => !ready.has(name))) await once(readiness, 'ready')
  }
  const leave = () => {
    // Whoever asks for it is answered before.
    setImmediate(() => leaving.abort())
  }
  /** Ends a release that is tried, and has not proved itself: the next start goes back to the one before. */
  const giveUp = async (why: string) => {
    if ((await upgrades?.isTrying()) !== true) return
    log.warn(`this release is given up: ${why}`)
    // Without a note of why, it is given up all the same.
    await upgrades!.fail(why).catch((error: unknown) => log.error(messageOf(error)))
    leaving.abort()
  }
  const { agent_upgrade_timeout: trial } = settings
  const trying = setTimeout(() => {
    giveUp(`no controller has accepted it within ${trial} seconds`).catch((error: unknown) =>
      log.error(messageOf(error))
    )
  }, trial * 1000)

  const events: SupervisorEvents = {
    changed: status => {
      tell(log, status)
      for (const link of links.values()) notifyRole(link, 'changed', status)
      // The role has reported why; another attempt would end the same way.
      if (status.kind === 'attached' && status.state === 'CRASHED' && !ready.has(status.name)) {
        failed.abort(`${status.name}: ${status.reason}`)
      }
    },
    attached: (name, { channel }) => {
      const handlers = supervisorHandlers(supervisor, {
        ready: line => {
          ready.set(name, line)
          readiness.emit('ready')
        },
        turn: () => untilReady(order.slice(0, order.indexOf(name))),
        leave
      })
      const onError = (error: unknown) => log.error(`${name}: ${messageOf(error)}`)
      const link = new Link(new IpcTransport(channel!), handlers, { onError })
      links.set(name, link)
      link.closed.addEventListener(
        'abort',
        () => {
          if (links.get(name) === link) links.delete(name)
        },
        { once: true }
      )
    }
  }
  const supervisor = new Supervisor(join(state, 'supervisor'), events, {
    umask,
    cgroups: new Cgroups(settings.agent_cgroup ?? delegatedCgroup())
  })

  try {
    await supervisor.recover()
    const base: Omit<Program, 'name' | 'tag'> = {
      kind: 'attached',
      command,
      cwd: process.cwd(),
      env: env as Record<string, string>,
      stopOrder: 0,
      stopTimeoutMs: settings.management_stop_timeout * 1000,
      restart: { ...rolePolicy, maxMs: settings.management_restart_delay_max * 1000 }
    }
    // They are loaded side by side, and begin in their turn, so that the agent finds its controller.
    for (const role of roles) {
      if (ending.aborted) break
      await (role === 'CONTROLLER' ? bootController(supervisor, settings, base) : bootAgent(supervisor, settings, base))
    }
    await Promise.race([untilReady(order), aborted(ending)])
    if (!ending.aborted) {
      onReady([...ready.values()])
      await aborted(ending)
    }
    if (failed.signal.aborted) await giveUp(failed.signal.reason)
  } finally {
    clearTimeout(trying)
    // A supervisor whose roles could not start must not stop nodes that an earlier one has left running.
    await supervisor.close({
      detachedStay: failed.signal.aborted || leaving.signal.aborted || signal.reason === nodesStay
    })
    lock.close()
    process.off('SIGHUP', reload)
  }
  return !failed.signal.aborted
}

function tell(log: Logger, { name, state, reason }: UnitStatus): void {
  log[state === 'CRASHED' || state === 'FAILED' ? 'warn' : 'info'](`${name}: ${reason}`)
}
