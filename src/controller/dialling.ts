import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Instance } from '../../schemas/types.js'
import { AppError, messageOf } from '../errors.js'
import type { Link } from '../link/link.js'
import { backoff } from '../util.js'

const retryMs = 250

export interface DiallingOptions {
  retryMaxMs: number
  log: Logger
  /** Opens a link to the agent of an instance. Rejects when it cannot be reached. */
  open: (name: string, host: string, port: number, signal: AbortSignal) => Promise<Link>
  /** Returns whether a link is that of the instance: its agent has been accepted. */
  isOf: (name: string, link: Link) => boolean
  /** Called with what keeps an instance from being reached that time does not mend. */
  onFault: (problem: string, name: string) => void
}

/** Keeps links to the instances whose agents listen, instead of dialling themselves. */
export class Dialling {
  readonly #options: DiallingOptions
  readonly #dialled = new Map<string, { address: string; stop: AbortController }>()
  readonly #closing = new AbortController()

  constructor(options: DiallingOptions) {
    this.#options = options
  }

  /** Dials the instances that have a `listen_port`, again whenever they are lost, and no other instances. */
  dial(instances: readonly Instance[], hostOf: (instance: Instance) => string | undefined): void {
    const wanted = new Map(
      instances.flatMap(instance => {
        const { name, listen_port: port } = instance
        const host = hostOf(instance)
        return port === undefined || host === undefined ? [] : [[name, { host, port }] as const]
      })
    )
    for (const [name, { address, stop }] of this.#dialled) {
      const target = wanted.get(name)
      if (target && address === `${target.host} ${target.port}`) continue
      stop.abort()
      this.#dialled.delete(name)
    }
    for (const [name, { host, port }] of wanted) {
      if (this.#dialled.has(name)) continue
      const stop = new AbortController()
      this.#dialled.set(name, { address: `${host} ${port}`, stop })
      void this.#keep(name, host, port, AbortSignal.any([stop.signal, this.#closing.signal]))
    }
  }

  /** Dials no more. Open links are kept. */
  close(): void {
    this.#closing.abort()
  }

  /** Dials an instance until the signal aborts. Never rejects. An open link is kept after that. */
  async #keep(name: string, host: string, port: number, signal: AbortSignal): Promise<void> {
    const { open, isOf, onFault, log, retryMaxMs } = this.#options
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        const link = await open(name, host, port, signal)
        await once(link.closed, 'abort', { signal })
        // An agent that was refused does not reset the backoff.
        if (isOf(name, link)) attempt = 0
      } catch (error) {
        const problem = messageOf(error)
        log.debug(`cannot reach instance ${name}: ${problem}`)
        if (attempt === 1 && error instanceof AppError && error.code === 'forbidden') onFault(problem, name)
      }
      await sleep(backoff(attempt, retryMs, retryMaxMs), undefined, { signal }).catch(() => {})
    }
  }
}
