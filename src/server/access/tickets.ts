import { randomBytes } from 'node:crypto'

/** A ticket is for the very next thing that a page does. */
const lifetimeMs = 30_000
/** So many may be out at a time. */
const max = 10_000

/** Tickets that let their bearers in once, in somebody's name. */
export class Tickets<Holder> {
  #now: () => number
  #tickets = new Map<string, { holder: Holder; expires: number }>()

  constructor(now: () => number) {
    this.#now = now
  }

  give(holder: Holder): { ticket: string; expires: number } {
    const now = this.#now()
    // The oldest come first. Where there are too many they make room: whoever hoards tickets is in nobody's way.
    for (const [ticket, { expires }] of this.#tickets) {
      if (expires > now && this.#tickets.size < max) break
      this.#tickets.delete(ticket)
    }
    const ticket = randomBytes(32).toString('base64url')
    const expires = now + lifetimeMs
    this.#tickets.set(ticket, { holder, expires })
    return { ticket, expires }
  }

  /** Whose it is; undefined for one that is unknown, used or expired. */
  take(ticket: string): Holder | undefined {
    const found = this.#tickets.get(ticket)
    this.#tickets.delete(ticket)
    return found && found.expires > this.#now() ? found.holder : undefined
  }
}
