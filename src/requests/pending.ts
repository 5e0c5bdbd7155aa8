import { AppError } from '../errors.js'

export interface PendingLimits {
  /** The largest number of pending requests. */
  pendingMax: number
  /** The largest number of pending requests of one client. */
  pendingMaxOfClient?: number
}

/** The pending requests of this process, each with the AbortController that ends its work. */
export class Pending {
  /** Requests rejected by a limit. */
  refused = 0
  #limits: PendingLimits
  #requests = new Map<string, { ending: AbortController; client: string | undefined }>()

  constructor(limits: PendingLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#requests.size
  }

  /** Adds a request. `full` is the error if that exceeds a limit: the calling code decides whether to refuse it. */
  add(reqid: string, client: string | undefined): { ending: AbortController; full: AppError | undefined } {
    const full = this.#fullFor(client)
    const ending = new AbortController()
    this.#requests.set(reqid, { ending, client })
    return { ending, full }
  }

  /** Counts a refused request, and throws the reason. */
  refuse(full: AppError): never {
    this.refused++
    throw full
  }

  delete(reqid: string): void {
    this.#requests.delete(reqid)
  }

  /** Ends the work on every request. Returns their IDs. */
  abort(reason: string): string[] {
    for (const { ending } of this.#requests.values()) ending.abort(reason)
    return [...this.#requests.keys()]
  }

  #fullFor(client: string | undefined): AppError | undefined {
    const { pendingMax, pendingMaxOfClient = Infinity } = this.#limits
    if (this.size >= pendingMax) return new AppError('unavailable', 'too many requests are pending')
    if (this.size < pendingMaxOfClient) return undefined
    const own = [...this.#requests.values()].filter(request => request.client === client).length
    return own < pendingMaxOfClient
      ? undefined
      : new AppError('too_many_requests', `more than ${pendingMaxOfClient} requests of one client are pending`)
  }
}
