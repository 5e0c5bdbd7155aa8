import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { agentPath, controllerMethods, type Hello } from '../../schemas/agent.js'
import { bearerOf, type Certificates } from '../security/certificates.js'
import { AppError, messageOf, requestTimedOut } from '../errors.js'
import { Link, type Handlers } from '../link/link.js'
import type { Transport } from '../link/transport.js'
import { dial, listen } from '../link/websocket.js'
import { asking, notifying, type ParamsOf } from '../protocol/methods.js'
import { aborted, backoff } from '../util.js'
import type { Term } from './term.js'

const retryMs = 500
const helloMs = 10_000
const renewMs = 30_000
/** How often it is looked whether questions are still being answered, in milliseconds. */
const idleMs = 100
/** Within which agents that have lost their leader dial the others: each at another moment. */
const spreadMs = 250

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
  /** The highest term of a controller so far: one of a lower term is refused. */
  term: Term
  log: Logger
}

/**
 * Agent's end of its link with the controller, whichever side dials. At most one controller is obeyed: the one that was
 * accepted last.
 */
export class Session {
  #options: SessionOptions
  /** Open links, with those of controllers that are not accepted yet. */
  #links = new Set<Link>()
  /** The link of the controller that is obeyed. */
  #obeyed: Link | undefined
  /** Aborted when a controller that was dialled is to be dialled anew, though the link is good. */
  #anew = new AbortController()

  constructor(options: SessionOptions) {
    this.#options = options
  }

  /** Sends a notification to the controller; it is lost when there is no link, as the next hello reports everything. */
  notify<M extends keyof ControllerMethods>(method: M, params: ParamsOf<ControllerMethods[M]>): void {
    // A controller that has heard the hello, and is not accepted yet, would miss what changes meanwhile.
    for (const link of this.#links) notifyController(link, method, params)
  }

  /**
   * Returns a new certificate for a request for one. Throws an AppError: `unavailable` where no controller is obeyed.
   */
  async renew(request: string): Promise<string> {
    if (!this.#obeyed || this.#obeyed.closed.aborted) throw new AppError('unavailable', 'no controller is connected')
    return (await askController(this.#obeyed, 'renew', { request }, { timeoutMs: renewMs })).certificate
  }

  /**
   * Has the controller that was dialled be dialled anew, with the certificate that there is now; the link that there is
   * lasts until then. Waits until no question is being answered, at most so long, in milliseconds.
   */
  async reopen(patienceMs: number): Promise<void> {
    const link = this.#obeyed
    const until = performance.now() + patienceMs
    while (link?.isServing === true && !link.closed.aborted && performance.now() < until) await sleep(idleMs)
    this.#anew.abort()
  }

  /**
   * Dials the controllers in turn until the signal aborts: the next one at once when one cannot be reached or does not
   * lead, and all again, after a while, when none can. When the link is lost, the others are dialled without delay: one
   * of them leads soon. Never rejects.
   */
  async dial(addresses: readonly string[], signal: AbortSignal): Promise<void> {
    const { log, retryMaxMs } = this.#options
    let round = 1
    let failures: string[] = []
    for (let turn = 0; !signal.aborted; turn++) {
      const address = addresses[turn % addresses.length]!
      try {
        this.#anew = new AbortController()
        const link = await this.#greet(await this.#open(address, signal), signal)
        round = 0
        failures = []
        await aborted(AbortSignal.any([link.closed, this.#anew.signal]))
        if (!link.closed.aborted) {
          turn--
          continue
        }
        if (!signal.aborted) log.warn(`lost the controller: ${link.closed.reason}`)
      } catch (error) {
        failures.push(`${address}: ${messageOf(error)}`)
        if (failures.length < addresses.length || signal.aborted) continue
        const which = addresses.length > 1 ? 'any controller: ' : 'the controller at '
        log[round === 1 ? 'warn' : 'debug'](`cannot reach ${which}${failures.join('; ')}`)
        failures = []
      }
      // Spread out: after a restart of the controller all agents come at once.
      const pauseMs =
        round === 0 && addresses.length > 1
          ? Math.random() * spreadMs
          : backoff(round, retryMs, retryMaxMs) * (0.5 + Math.random() / 2)
      await sleep(pauseMs, undefined, { signal }).catch(() => {})
      round++
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

  /**
   * Returns the handlers for a link whose controller is not accepted yet: its questions wait until it is, and fail when
   * it is not, or the link has ended.
   */
  #obeying(accepted: Promise<void>): Handlers {
    return Object.fromEntries(
      Object.entries(this.#options.handlers).map(([method, handle]): [string, Handlers[string]] => [
        method,
        async (params, context) => {
          await accepted
          if (context.signal.aborted) throw new AppError('timeout', requestTimedOut)
          return await handle(params, context)
        }
      ])
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
    const { heartbeatMs, hello, connected, term, log } = this.#options
    let accept = () => {}
    let refuse: (error: unknown) => void = () => {}
    const accepted = new Promise<void>((resolve, reject) => {
      accept = resolve
      refuse = reject
    })
    // It may be that the controller asks nothing.
    accepted.catch(() => {})
    const link = new Link(transport, this.#obeying(accepted), {
      heartbeatMs,
      onError: error => log.error(`link: ${messageOf(error)}`)
    })
    if (!link.closed.aborted) this.#links.add(link)
    link.closed.addEventListener('abort', () => this.#links.delete(link), { once: true })
    signal.addEventListener(
      'abort',
      () => {
        void link.close('the agent is stopping')
      },
      { once: true, signal: link.closed }
    )
    try {
      const said = await askController(link, 'hello', await hello(), { timeoutMs: helloMs, signal })
      await term.accept(said.term)
      if (link.closed.aborted) throw new AppError('unavailable', `the link is closed: ${link.closed.reason}`)
      // Of two links the newer one is the one that works.
      const before = this.#obeyed
      this.#obeyed = link
      accept()
      // Not closed only once the other end has heard it: until then that could still ask, and answer.
      before?.breakOff('another connection has taken over')
      log.info(`connected with ${said.controller}`)
      connected()
      return link
    } catch (error) {
      refuse(error)
      await link.close(messageOf(error))
      throw error
    }
  }
}
