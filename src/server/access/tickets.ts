import { randomBytes } from 'node:crypto'
import type { Holder, Quota } from '../../quota.js'

/** Lifetime of a ticket: it is for the very next request of a page. */
const lifetimeMs = 30_000

/** Tickets that each admit their bearer once, on behalf of their holder. */
export class Tickets<Of extends Holder> {
  #quota: Quota
  #now: () => number
  /** The oldest come first. */
  #tickets = new Map<string, { holder: Of; expires: number; release: () => void }>()

  constructor(quota: Quota, now: () => number) {
    this.#quota = quota
    this.#now = now
  }

  /** Returns a new ticket. Throws what the quota throws. */
  give(holder: Of): { ticket: string; expires: number } {
    const now = this.#now()
    for (const [ticket, { expires }] of this.#tickets) {
      if (expires > now) break
      this.take(ticket)
    }
    const release = this.#quota.take(holder)
    const ticket = randomBytes(32).toString('base64url')
    const expires = now + lifetimeMs
    this.#tickets.set(ticket, { holder, expires, release })
    return { ticket, expires }
  }

  /** Uses up a ticket. Returns its holder; undefined for one that is unknown, used or expired. */
  take(ticket: string): Of | undefined {
    const found = this.#tickets.get(ticket)
    this.#tickets.delete(ticket)
    found?.release()
    return found && found.expires > this.#now() ? found.holder : undefined
  }
}
