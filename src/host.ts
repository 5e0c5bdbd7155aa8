import { once } from 'node:events'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { ManagementRole } from '../schemas/types.js'
import { boot as bootAgent } from './agent/boot.js'
import type { AgentSettings } from './agent/config.js'
import { boot as bootController } from './controller/boot.js'
import type { ControllerSettings } from './controller/config.js'
import { IpcTransport } from './link/ipc.js'
import { Link } from './link/link.js'
import { messageOf } from './errors.js'
import { lockDirectory } from './supervisor/lock.js'
import type { Program, UnitStatus } from './supervisor/program.js'
import { Supervisor } from './supervisor/supervisor.js'

export interface HostOptions {
  settings: ControllerSettings & AgentSettings
  roles: readonly ('CONTROLLER' | 'AGENT')[]
  /** The command line of a role's process; which role it is, its environment says. */
  command: string[]
  env: NodeJS.ProcessEnv
  log: Logger
  /** Told once, when every role is ready, with what each has to say of itself. */
  onReady: (lines: string[]) => void
  /** Aborted when all of it is to stop. */
  signal: AbortSignal
}

/** A role is not given up: without it the host cannot be reached. */
const rolePolicy = { initialMs: 500, maxMs: 30_000, resetMs: 60_000, maxFailures: 0 }

/**
 * The supervisor's process: the roles of this host and, for its agent, the nodes. Resolves when everything is stopped;
 * with false when a role could not start in the first place.
 */
export async function runHost ({ settings, roles, command, env, log, onReady, signal }: HostOptions): Promise<boolean> {
  const lock = await lockDirectory(settings.management_state_dir)
  const links = new Map<string, Link>()
  const ready = new Map<string, string>()
  const stopping = new AbortController()
  let started = true
  const stop = () => stopping.abort()
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()

  const supervisor = new Supervisor(join(settings.management_state_dir, 'supervisor'), {
    changed: status => {
      log[status.state === 'CRASHED' || status.state === 'FAILED' ? 'warn' : 'info'](`${status.name}: ${status.state}, ${status.reason}`)
      for (const link of links.values()) link.notify('changed', status)
      // It has said why; another attempt would end the same way.
      if (status.kind === 'attached' && status.state === 'CRASHED' && ready.size < roles.length && !ready.has(status.name)) {
        started = false
        stop()
      }
    },
    attached: (name, { channel }) => {
      const link = new Link(new IpcTransport(channel!), {
        ready: ({ line }: { line: string }) => {
          ready.set(name, line)
          if (ready.size === roles.length && !announced) {
            announced = true
            onReady([...ready.values()])
          }
        },
        status: () => supervisor.status(),
        start: ({ program }: { program: Program }) => supervisor.start(program),
        stop: ({ name }: { name: string }) => supervisor.stop(name),
        output: ({ name }: { name: string }) => supervisor.output(name)
      }, { onError: error => log.error(`${name}: ${messageOf(error)}`) })
      links.set(name, link)
      link.closed.addEventListener('abort', () => { if (links.get(name) === link) links.delete(name) }, { once: true })
    }
  })
  let announced = false

  try {
    await supervisor.recover()
    const base: Omit<Program, 'name' | 'tag'> = {
      kind: 'attached', command, cwd: process.cwd(), env: definedOnly(env), stopOrder: 0, stopTimeoutMs: settings.management_stop_timeout * 1000, restart: rolePolicy
    }
    const boots: Record<'CONTROLLER' | 'AGENT', () => Promise<void>> = {
      CONTROLLER: () => bootController(supervisor, settings, base),
      AGENT: () => bootAgent(supervisor, settings, base)
    } satisfies Partial<Record<ManagementRole, () => Promise<void>>>
    for (const role of roles) if (!stopping.signal.aborted) await boots[role]()
    if (!stopping.signal.aborted) await once(stopping.signal, 'abort')
  } finally {
    await supervisor.close()
    lock.close()
  }
  return started
}

function definedOnly (env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined))
}

export type { UnitStatus }
