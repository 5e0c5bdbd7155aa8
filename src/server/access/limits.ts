import type { Server, Socket } from 'node:net'
import { clientAddress } from '../../addresses.js'
import { Allowance } from '../../allowance.js'
import { AppError } from '../../errors.js'
import { addTo, Quota, shared } from '../../quota.js'

export interface LimitsOptions {
  /** Requests of one client per second, with bursts of twice as many. 0: no limit. */
  rate: number
  /** Event streams at a time. */
  streams: Limit
  /** WebSocket clients at a time. */
  messages: Limit
  /** Connections at a time, at each port; one client is an address. */
  connections: Limit
  now: () => number
}

/** How many there may be at a time. */
export interface Limit {
  total: number
  perClient: number
}

/** Connections with which an address is let in where others find the server full: enough to operate the cluster. */
const fewConnections = 8
/** Connections of one agent: it dials again when it is lost, and goes on with its nodes when it is refused. */
const agentConnections = { perSecond: 1, burst: 60 }
/** Tickets live for half a minute only. */
const ticketLimit: Limit = { total: 10_000, perClient: 1_000 }

/** Limits how much of the server one client may use, so that enough is left for the others. */
export class Limits {
  readonly streams: Quota
  readonly messages: Quota
  readonly tickets = new Quota({ what: 'tickets', ...ticketLimit })
  /** Requests that are not answered yet, streams included: a connection can hold many of them. */
  readonly open: Quota
  #refused = { rate: 0, connections: 0 }
  #agents: Allowance
  #options: LimitsOptions
  /** Requests that each client has left, as of `at`. Clients with a full allowance are removed. */
  #left = new Map<string, { count: number; at: number }>()
  #forgetting: NodeJS.Timeout

  constructor(options: LimitsOptions) {
    this.#options = options
    this.streams = new Quota({ what: 'event streams', ...options.streams })
    this.messages = new Quota({ what: 'WebSocket clients', ...options.messages })
    this.open = new Quota({ what: 'open requests', ...options.connections })
    this.#agents = new Allowance({ ...agentConnections, now: options.now })
    this.#forgetting = setInterval(() => {
      for (const client of this.#left.keys()) if (this.#leftOf(client) >= this.#burst) this.#left.delete(client)
    }, 10_000).unref()
  }

  close(): void {
    clearInterval(this.#forgetting)
  }

  /** How often each limit was reached, for the metrics. */
  get refused(): Record<string, number> {
    const { streams, messages, tickets, open } = this
    return {
      ...this.#refused,
      streams: streams.refused,
      messages: messages.refused,
      tickets: tickets.refused,
      open: open.refused
    }
  }

  /** Counts a request. Throws `too_many_requests`. */
  spend(client: string): void {
    if (this.#options.rate === 0) return
    const count = this.#leftOf(client)
    if (count < 1) {
      this.#refused.rate++
      throw new AppError('too_many_requests', `more than ${this.#options.rate} requests in a second`)
    }
    this.#left.set(client, { count: count - 1, at: this.#options.now() })
  }

  /** Counts a connection of an agent. Throws `too_many_requests`. */
  connectAgent(client: string): void {
    if (this.#agents.take(client)) return
    this.#refused.connections++
    throw new AppError('too_many_requests', `more than ${agentConnections.burst} connections of one agent in a minute`)
  }

  /**
   * Has a server drop connections that exceed the limit of all, or of one address. Nobody has said yet who they are, so
   * the part of the total that is kept is for addresses with few connections.
   */
  watch(server: Server): void {
    const { total, perClient } = this.#options.connections
    const ofAddress = new Map<string, number>()
    const counted = new WeakSet<Socket>()
    let all = 0
    server.maxConnections = total
    server.on('drop', () => {
      this.#refused.connections++
    })
    server.on('connection', (socket: Socket) => {
      // A connection is emitted again when it is handed back after an ignored upgrade.
      if (counted.has(socket)) return
      counted.add(socket)
      const address = clientAddress(socket.remoteAddress ?? '')
      const own = addTo(ofAddress, address, 1)
      all++
      socket.once('close', () => {
        addTo(ofAddress, address, -1)
        all--
      })
      if (own <= (all > shared(total) ? Math.min(perClient, fewConnections) : perClient)) return
      this.#refused.connections++
      socket.destroy()
    })
  }

  get #burst(): number {
    return 2 * this.#options.rate
  }

  #leftOf(client: string): number {
    const left = this.#left.get(client)
    return left
      ? Math.min(this.#burst, left.count + (Math.max(0, this.#options.now() - left.at) / 1000) * this.#options.rate)
      : this.#burst
  }
}
