import { EventEmitter } from 'node:events'
import { Link } from '../../link/link.js'
import type { Transport } from '../../link/transport.js'
import type { Program, UnitStatus } from '../../supervisor/program.js'

/** This is only for a supervisor that hangs. */
const patienceMs = 600_000

/** The supervisor, as its agent sees it: over a link. Emits `changed` with a UnitStatus, and `reload` when files are to be read again. */
export class SupervisorClient extends EventEmitter<{ changed: [UnitStatus]; reload: [] }> {
  readonly link: Link

  constructor(transport: Transport) {
    super()
    this.link = new Link(transport, {
      changed: (unit: UnitStatus) => {
        this.emit('changed', unit)
      },
      reload: () => {
        this.emit('reload')
      }
    })
  }

  status(): Promise<UnitStatus[]> {
    return this.#ask('status')
  }
  start(program: Program): Promise<void> {
    return this.#ask('start', { program })
  }
  /** `takesMs`: from SIGTERM to SIGKILL. */
  stop(name: string, takesMs: number): Promise<void> {
    return this.#ask('stop', { name }, takesMs)
  }
  output(name: string): Promise<{ stdout: string; stderr: string }> {
    return this.#ask('output', { name })
  }

  #ask<R>(method: string, params: object = {}, takesMs = 0): Promise<R> {
    return this.link.ask<R>(method, params, { timeoutMs: patienceMs + takesMs })
  }
}
