import { Quota, type Holder } from '../quota.js'

export interface PendingLimits {
  /** The largest number of pending requests. */
  pendingMax: number
  /** The largest number of pending requests of one client. */
  pendingMaxOfClient?: number
}

/** Requests that follow what nodes write or use, each for up to an hour. */
const followingLimit = { total: 50, perClient: 10 }

/** Who holds a request that no client has submitted. */
const nobody: Holder = { client: '', role: 'admin' }

/** Throws why a request is one too many; undefined when it is not. */
type Full = (() => never) | undefined

/** The pending requests of this process, each with the AbortController that ends its work. */
export class Pending {
  #quota: Quota
  #following = new Quota({ what: 'requests that follow nodes', ...followingLimit })
  #requests = new Map<string, { ending: AbortController; by: Holder; release: () => void }>()

  constructor({ pendingMax, pendingMaxOfClient = Infinity }: PendingLimits) {
    this.#quota = new Quota({ what: 'pending requests', total: pendingMax, perClient: pendingMaxOfClient })
  }

  get size(): number {
    return this.#requests.size
  }
  /** Requests rejected by a limit. */
  get refused(): number {
    return this.#quota.refused + this.#following.refused
  }

  /**
   * Adds a request. `full` throws the error if that exceeds a limit, which counts as refused: the calling code decides
   * whether to refuse it.
   */
  add(reqid: string, by: Holder = nobody, { follows = false } = {}): { ending: AbortController; full: Full } {
    const quotas = [this.#quota, ...(follows ? [this.#following] : [])]
    const refusals = quotas.map(quota => [quota, quota.refusal(by)] as const)
    const [first, refusal] = refusals.find(([, refusal]) => refusal) ?? []
    const ending = new AbortController()
    const releases = quotas.map(quota => quota.hold(by))
    this.#requests.set(reqid, { ending, by, release: () => releases.forEach(release => release()) })
    return { ending, full: refusal && (() => first!.refuse(refusal)) }
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
