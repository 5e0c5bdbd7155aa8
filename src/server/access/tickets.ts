import { randomBytes } from 'node:crypto'

/** Lifetime of a ticket: it is for the very next request of a page. */
const lifetimeMs = 30_000
/** The largest number of open tickets at a time. */
const max = 10_000

/** Tickets that each admit their bearer once, on behalf of their holder. */
export class Tickets<Holder> {
  #now: () => number
  #tickets = new Map<string, { holder: Holder; expires: number }>()

  constructor(now: () => number) {
    this.#now = now
  }

  give(holder: Holder): { ticket: string; expires: number } {
    const now = this.#now()
    // The oldest come first. If there are too many, they are dropped: a client that hoards tickets blocks no other.
    for (const [ticket, { expires }] of this.#tickets) {
      if (expires > now && this.#tickets.size < max) break
      this.#tickets.delete(ticket)
    }
    const ticket = randomBytes(32).toString('base64url')
    const expires = now + lifetimeMs
    this.#tickets.set(ticket, { holder, expires })
    return { ticket, expires }
  }

  /** Uses up a ticket. Returns its holder; undefined for one that is unknown, used or expired. */
  take(ticket: string): Holder | undefined {
    const found = this.#tickets.get(ticket)
    this.#tickets.delete(ticket)
    return found && found.expires > this.#now() ? found.holder : undefined
  }
}
