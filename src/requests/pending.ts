import type { AppError } from '../errors.js'
import { Quota, type Holder } from '../quota.js'

export interface PendingLimits {
  /** The largest number of pending requests. */
  pendingMax: number
  /** The largest number of pending requests of one client. */
  pendingMaxOfClient?: number
}

/** Who holds a request that no client has submitted. */
const nobody: Holder = { client: '', role: 'admin' }

/** The pending requests of this process, each with the AbortController that ends its work. */
export class Pending {
  #quota: Quota
  #requests = new Map<string, { ending: AbortController; by: Holder; release: () => void }>()

  constructor({ pendingMax, pendingMaxOfClient = Infinity }: PendingLimits) {
    this.#quota = new Quota({ what: 'pending requests', total: pendingMax, perClient: pendingMaxOfClient })
  }

  get size(): number {
    return this.#requests.size
  }
  /** Requests rejected by a limit. */
  get refused(): number {
    return this.#quota.refused
  }

  /** Adds a request. `full` is the error if that exceeds a limit: the calling code decides whether to refuse it. */
  add(reqid: string, by: Holder = nobody): { ending: AbortController; full: AppError | undefined } {
    const full = this.#quota.refusal(by)
    const ending = new AbortController()
    this.#requests.set(reqid, { ending, by, release: this.#quota.hold(by) })
    return { ending, full }
  }

  /** Counts a refused request, and throws the reason. */
  refuse(full: AppError): never {
    this.#quota.refuse(full)
  }

  /** Returns who has submitted a request; undefined when it is not pending. */
  holderOf(reqid: string): Holder | undefined {
    return this.#requests.get(reqid)?.by
  }

  delete(reqid: string): void {
    this.#requests.get(reqid)?.release()
    this.#requests.delete(reqid)
  }

  /** Ends the work on every request. Returns their IDs. */
  abort(reason: string): string[] {
    for (const { ending } of this.#requests.values()) ending.abort(reason)
    return [...this.#requests.keys()]
  }
}
