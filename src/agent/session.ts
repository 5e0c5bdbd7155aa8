import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { agentPath, controllerMethods, type Hello } from '../../schemas/agent.js'
import { bearerOf, type Certificates } from '../security/certificates.js'
import { AppError, messageOf } from '../errors.js'
import { Link, type Handlers } from '../link/link.js'
import type { Transport } from '../link/transport.js'
import { dial, listen } from '../link/websocket.js'
import { asking, notifying, type ParamsOf } from '../protocol/methods.js'
import { backoff } from '../util.js'

const retryMs = 500
const helloMs = 10_000

export const askController = asking(controllerMethods)
const notifyController = notifying(controllerMethods)

export type ControllerMethods = typeof controllerMethods

export interface SessionOptions {
  heartbeatMs: number
  retryMaxMs: number
  handlers: Handlers
  /** Returns the agent's hello, its first question on a link, as of now. */
  hello: () => Promise<Hello>
  /** Called each time a controller has accepted the agent. */
  connected: () => void
  /** Returns what the agent authenticates with to a controller that it dials. */
  headers: () => Promise<{ authorization?: string }>
  /** For TLS with the controller; undefined without. */
  certificates: Certificates | undefined
  log: Logger
}

/** Agent's end of its link with the controller, whichever side dials. There is at most one link. */
export class Session {
  #options: SessionOptions
  #link: Link | undefined

  constructor(options: SessionOptions) {
    this.#options = options
  }

  /** Sends a notification to the controller; it is lost when there is no link, as the next hello reports everything. */
  notify<M extends keyof ControllerMethods>(method: M, params: ParamsOf<ControllerMethods[M]>): void {
    if (this.#link) notifyController(this.#link, method, params)
  }

  /** Dials the controller until the signal aborts, again whenever the link is lost. Never rejects. */
  async dial(address: string, signal: AbortSignal): Promise<void> {
    const { log, retryMaxMs } = this.#options
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        const link = await this.#greet(await this.#open(address, signal), signal)
        attempt = 0
        if (!link.closed.aborted) await once(link.closed, 'abort')
        if (!signal.aborted) log.warn(`lost the controller: ${link.closed.reason}`)
      } catch (error) {
        if (!signal.aborted) {
          log[attempt === 1 ? 'warn' : 'debug'](`cannot reach the controller at ${address}: ${messageOf(error)}`)
        }
      }
      // Spread out: after a restart of the controller all agents come at once.
      await sleep(backoff(attempt, retryMs, retryMaxMs) * (0.5 + Math.random() / 2), undefined, { signal }).catch(
        () => {}
      )
    }
  }

  /** Listens for the controller until the signal aborts. Throws `unavailable` when the port is taken. */
  async listen(host: string, port: number, signal: AbortSignal): Promise<void> {
    const { certificates, log } = this.#options
    const listener = await listen({
      host,
      port,
      path: agentPath,
      certificates,
      admit: request => {
        if (certificates && bearerOf(request)?.role !== 'controller') {
          throw new AppError('forbidden', 'a certificate of a controller is needed')
        }
      },
      onTransport: transport => {
        this.#greet(transport, signal).catch(error => log.warn(`a controller left: ${messageOf(error)}`))
      }
    })
    signal.addEventListener(
      'abort',
      () => {
        void listener.close()
      },
      { once: true }
    )
  }

  async #open(address: string, signal: AbortSignal): Promise<Transport> {
    const { certificates, headers } = this.#options
    // Reloaded each time, so that new certificates need no restart.
    certificates?.reload()
    return await dial(`ws${certificates ? 's' : ''}://${address}${agentPath}`, signal, {
      headers: await headers(),
      tls: certificates?.options
    })
  }

  async #greet(transport: Transport, signal: AbortSignal): Promise<Link> {
    const { handlers, heartbeatMs, hello, connected, log } = this.#options
    const link = new Link(transport, handlers, {
      heartbeatMs,
      onError: error => log.error(`link: ${messageOf(error)}`)
    })
    signal.addEventListener(
      'abort',
      () => {
        void link.close('the agent is stopping')
      },
      { once: true, signal: link.closed }
    )
    try {
      // Of two links the newer one is the one that works.
      const before = this.#link
      this.#link = link
      await before?.close('another connection has taken over')
      const { controller } = await askController(link, 'hello', await hello(), { timeoutMs: helloMs, signal })
      log.info(`connected with ${controller}`)
      connected()
      return link
    } catch (error) {
      await link.close(messageOf(error))
      throw error
    }
  }
}
