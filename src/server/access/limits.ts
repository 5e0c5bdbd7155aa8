import type { Server, Socket } from 'node:net'
import { covers } from '../../../schemas/access.js'
import { clientAddress } from '../../addresses.js'
import { Allowance } from '../../allowance.js'
import { AppError } from '../../errors.js'
import { unlimited, type Account } from '../../events/turns.js'
import { addTo, Quota, shared, type Holder } from '../../quota.js'

export interface LimitsOptions {
  /** Requests of one client per second, with bursts of twice as many. 0: no limit. */
  rate: number
  /** Milliseconds of work for one viewer per second, with bursts of twice as many. 0: no limit. */
  work: number
  /** Event streams at a time. */
  streams: Limit
  /** WebSocket clients at a time. */
  messages: Limit
  /** Connections at a time, at each port; one client is an address. */
  connections: Limit
  now: () => number
}

/** Work for a client, by what is known of it. */
export interface Work {
  /** CPU time. */
  ms?: number
  /** Bytes that the client has sent, which are parsed and checked. */
  received?: number
  /** Bytes that it is sent. */
  sent?: number
  /** Results of a request: agents were asked for them, and they are written down and told. */
  results?: number
}

/** Returns about how many milliseconds work takes, as `npm run bench -- routes` has measured it. */
function millisecondsOf({ ms = 0, received = 0, sent = 0, results = 0 }: Work): number {
  return ms + received / 16_384 + sent / 65_536 + results / 20
}

/** Returns what some work returns, and tells how many milliseconds of CPU time it has taken. */
function timed<T>(work: () => T, tell: (ms: number) => void): T {
  const before = process.cpuUsage()
  try {
    return work()
  } finally {
    const { user, system } = process.cpuUsage(before)
    tell((user + system) / 1000)
  }
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
  /** Links of agents: a new one may come before the end of the old one is noticed. */
  readonly links = new Quota({ what: 'links', total: Infinity, perClient: 4 })
  #refused = { rate: 0, work: 0, connections: 0 }
  #requests: Allowance
  #work: Allowance
  #replays: Allowance
  #agents: Allowance
  #options: LimitsOptions

  constructor(options: LimitsOptions) {
    this.#options = options
    this.streams = new Quota({ what: 'event streams', ...options.streams })
    this.messages = new Quota({ what: 'WebSocket clients', ...options.messages })
    this.open = new Quota({ what: 'open requests', ...options.connections })
    const twice = (perSecond: number) => new Allowance({ perSecond, burst: 2 * perSecond, now: options.now })
    this.#requests = twice(options.rate)
    this.#work = twice(options.work)
    this.#replays = twice(options.work)
    this.#agents = new Allowance({ ...agentConnections, now: options.now })
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
    if (this.#options.rate === 0 || this.#requests.take(client)) return
    this.#refused.rate++
    throw new AppError('too_many_requests', `more than ${this.#options.rate} requests in a second`)
  }

  /** Throws `too_many_requests` when a client has had too much work done. */
  refuseToil(holder: Holder): void {
    if (!this.#pays(holder) || !this.#work.isUsedUp(holder.client)) return
    this.#refused.work++
    throw new AppError('too_many_requests', `more than ${this.#options.work} ms of work in a second`)
  }

  /** Returns whether a client has had more work done than it may at once, and goes on. */
  isReckless(holder: Holder): boolean {
    return this.#pays(holder) && this.#work.leftOf(holder.client) < -2 * this.#options.work
  }

  /** Counts work for a client. What is dear for us is limited by what it costs, not by how often it is asked for. */
  charge(holder: Holder, work: Work): void {
    if (this.#pays(holder)) this.#work.charge(holder.client, millisecondsOf(work))
  }

  /** Returns what some work returns, up to its first `await`, and counts the CPU time that it takes. */
  measure<T>(holder: Holder, work: () => T): T {
    return this.#pays(holder) ? timed(work, ms => this.charge(holder, { ms })) : work()
  }

  /**
   * Returns a client's account for reading the past, which is apart from that for other work: a stream that has used it
   * up goes on later, and the client can still ask.
   */
  replayOf(holder: Holder): Account {
    const { client } = holder
    if (!this.#pays(holder)) return { ...unlimited, client }
    return {
      client,
      isUsedUp: () => this.#replays.isUsedUp(client),
      measure: work => timed(work, ms => this.#replays.charge(client, ms))
    }
  }

  /** Returns whether work for a client is limited: not where it may stop the whole cluster anyway. */
  #pays({ role }: Holder): boolean {
    return this.#options.work > 0 && !covers(role, 'operator')
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
}
