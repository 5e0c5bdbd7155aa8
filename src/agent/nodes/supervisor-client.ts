import { EventEmitter } from 'node:events'
import {
  roleMethods,
  supervisorMethods,
  type Limits,
  type Program,
  type UnitStatus
} from '../../../schemas/supervisor.js'
import { AppError } from '../../errors.js'
import { Link } from '../../link/link.js'
import type { Transport } from '../../link/transport.js'
import { asking, serve } from '../../protocol/methods.js'

/** Timeout for a supervisor that hangs, in milliseconds. */
const hangingMs = 600_000

/** Returns whether a supervisor of an earlier version does not know a method. */
const isUnknown = (error: unknown) => error instanceof AppError && error.code === 'not_found'

const askSupervisor = asking(supervisorMethods)

/**
 * The supervisor, as its agent sees it: over a link. Emits `changed` with a UnitStatus, and `reload` when files are to
 * be read again.
 */
export class SupervisorClient extends EventEmitter<{ changed: [UnitStatus]; reload: [] }> {
  readonly link: Link

  constructor(transport: Transport) {
    super()
    const served = serve(roleMethods, {
      changed: unit => {
        this.emit('changed', unit)
      },
      reload: () => {
        this.emit('reload')
      }
    })
    this.link = new Link(transport, served)
  }

  status(): Promise<UnitStatus[]> {
    return askSupervisor(this.link, 'status', {}, { timeoutMs: hangingMs })
  }

  start(program: Program): Promise<void> {
    return askSupervisor(this.link, 'start', { program }, { timeoutMs: hangingMs })
  }

  /** `takesMs`: from SIGTERM to SIGKILL. */
  stop(name: string, takesMs: number): Promise<void> {
    return askSupervisor(this.link, 'stop', { name }, { timeoutMs: hangingMs + takesMs })
  }

  /** Resolves with why such limits would not hold for a node, each with its name. */
  async obstacles(limits: Limits): Promise<string[]> {
    return await askSupervisor(this.link, 'obstacles', limits, { timeoutMs: hangingMs }).catch((error: unknown) => {
      if (!isUnknown(error)) throw error
      return ['memory_max and nice: the supervisor of this host is of an earlier version; restart zeek-cluster']
    })
  }

  /** Has the supervisor end, and leave the nodes to the next one. */
  async leave(): Promise<void> {
    await askSupervisor(this.link, 'leave', {}, { timeoutMs: hangingMs }).catch((error: unknown) => {
      if (!isUnknown(error)) throw error
      throw new AppError('conflict', 'the supervisor of this host is of an earlier version; restart zeek-cluster')
    })
  }

  output(name: string): Promise<{ stdout: string; stderr: string }> {
    return askSupervisor(this.link, 'output', { name }, { timeoutMs: hangingMs })
  }
}
