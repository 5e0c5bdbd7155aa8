import { covers, type Role } from '../schemas/access.js'
import { AppError } from './errors.js'

/** Who has something that is counted. */
export interface Holder {
  /** Key under which the holder is counted. */
  client: string
  role: Role
}

export interface QuotaOptions {
  /** What is counted, in words: "event streams". */
  what: string
  total: number
  perClient: number
}

/**
 * Returns how many of a total are for everyone; the last fifth, at least one of several, is kept for those who must
 * always get in.
 */
export function shared(total: number): number {
  return Math.max(1, Math.floor(total * 0.8))
}

/**
 * Counts what clients have at a time. One client has so many at most, and viewers leave a part of the total to
 * operators and admins: whatever viewers do, the cluster can be operated.
 */
export class Quota {
  /** How often a limit was reached. */
  refused = 0
  #options: QuotaOptions
  #count = 0
  #ofClient = new Map<string, number>()

  constructor(options: QuotaOptions) {
    this.#options = options
  }

  /** Returns why the holder cannot have one more; undefined when it can. */
  refusal({ client, role }: Holder): AppError | undefined {
    const { what, total, perClient } = this.#options
    if ((this.#ofClient.get(client) ?? 0) >= perClient) {
      return new AppError('too_many_requests', `more than ${perClient} ${what} of one client`)
    }
    if (this.#count >= total) return new AppError('unavailable', `there are too many ${what}`)
    if (this.#count < shared(total) || covers(role, 'operator')) return undefined
    return new AppError('unavailable', `there are too many ${what}: the rest is for operators`)
  }

  /** Counts one more, even beyond a limit, until the function that it returns is called. */
  hold({ client }: Holder): () => void {
    this.#add(client, 1)
    let isHeld = true
    return () => {
      if (isHeld) this.#add(client, -1)
      isHeld = false
    }
  }

  /** Counts one more, as `hold` does. Throws `too_many_requests` or `unavailable` when there is none to have. */
  take(holder: Holder): () => void {
    const refusal = this.refusal(holder)
    if (refusal) this.refuse(refusal)
    return this.hold(holder)
  }

  /** Counts a refusal, and throws it. */
  refuse(refusal: AppError): never {
    this.refused++
    throw refusal
  }

  #add(client: string, by: number): void {
    this.#count += by
    addTo(this.#ofClient, client, by)
  }
}

/** Adds to the count of a key, and returns it; a count of zero is removed. */
export function addTo(counts: Map<string, number>, key: string, by: number): number {
  const count = (counts.get(key) ?? 0) + by
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
  return count
}
