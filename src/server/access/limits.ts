import type { Server, Socket } from 'node:net'
import { AppError } from '../../errors.js'

export interface LimitsOptions {
  /** Requests of one client per second, with bursts of twice as many. 0: no limit. */
  rate: number
  /** Event streams of one client at a time. */
  streams: number
  /** Connections of all clients. */
  connections: number
  /** Connections of one address. */
  connectionsOfAddress: number
  now: () => number
}

/** Kinds of refusals, for the metrics. */
export type Refusal = 'rate' | 'streams' | 'connections'

/** Limits how much of the server one client may use, so that enough is left for the others. */
export class Limits {
  readonly refused: Record<Refusal, number> = { rate: 0, streams: 0, connections: 0 }
  #options: LimitsOptions
  /** Requests that each client has left, as of `at`. Clients with a full allowance are removed. */
  #left = new Map<string, { count: number; at: number }>()
  #streams = new Map<string, number>()
  #forgetting: NodeJS.Timeout

  constructor(options: LimitsOptions) {
    this.#options = options
    this.#forgetting = setInterval(() => {
      for (const client of this.#left.keys()) if (this.#leftOf(client) >= this.#burst) this.#left.delete(client)
    }, 10_000).unref()
  }

  close(): void {
    clearInterval(this.#forgetting)
  }

  /** Counts a request. Throws `too_many_requests`. */
  spend(client: string): void {
    if (this.#options.rate === 0) return
    const count = this.#leftOf(client)
    if (count < 1) {
      this.refused.rate++
      throw new AppError('too_many_requests', `more than ${this.#options.rate} requests in a second`)
    }
    this.#left.set(client, { count: count - 1, at: this.#options.now() })
  }

  /** Counts a stream until it closes. Throws `too_many_requests`. */
  stream(client: string, stream: { once: (event: 'close', listener: () => void) => unknown }): void {
    const count = this.#streams.get(client) ?? 0
    if (count >= this.#options.streams) {
      this.refused.streams++
      throw new AppError('too_many_requests', `more than ${this.#options.streams} event streams`)
    }
    this.#streams.set(client, count + 1)
    stream.once('close', () => add(this.#streams, client, -1))
  }

  /** Has a server drop connections that exceed the limit of all, or of one address. */
  watch(server: Server): void {
    const ofAddress = new Map<string, number>()
    const counted = new WeakSet<Socket>()
    server.maxConnections = this.#options.connections
    server.on('drop', () => {
      this.refused.connections++
    })
    server.on('connection', (socket: Socket) => {
      // A connection is emitted again when it is handed back after an ignored upgrade.
      if (counted.has(socket)) return
      counted.add(socket)
      const address = socket.remoteAddress ?? ''
      add(ofAddress, address, 1)
      socket.once('close', () => add(ofAddress, address, -1))
      if (ofAddress.get(address)! <= this.#options.connectionsOfAddress) return
      this.refused.connections++
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

/** Adds to the count of a key; a count of zero is removed. */
function add(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}
