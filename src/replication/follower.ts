import type { Store } from '../store/store.js'
import { Diverged, type Position } from '../store/replica.js'
import { decodeFrame } from './frame.js'
import type { Entry, Log } from './log.js'

/** Applies the log to the database of a replica, in order. */
export class Follower {
  #store: Store
  #log: Log
  #applied: (tables: ReadonlySet<string>) => void

  /**
   * `applied` is called after each frame that was applied, with the names of the tables that it concerns. The store has
   * a position in this log.
   */
  constructor(store: Store, log: Log, applied: (tables: ReadonlySet<string>) => void) {
    this.#store = store
    this.#log = log
    this.#applied = applied
  }

  /**
   * Applies what is in the log: until a place, or what comes until the signal aborts. Throws Diverged and Trimmed,
   * which last; and what the database throws, after which it can be called again.
   */
  async follow(options: { until?: number; signal: AbortSignal }): Promise<void> {
    for await (const entry of this.#log.entries(this.position.place, options)) {
      if (options.signal.aborted) return
      this.#apply(entry)
    }
  }

  get position(): Position {
    return this.#store.position!
  }

  #apply({ place, frame: bytes }: Entry): void {
    const before = this.position
    // A log may tell of something twice.
    if (place <= before.place) return
    const { frame, digest } = decodeFrame(bytes)
    if (frame.previous !== before.frame) {
      throw new Diverged(`what is at ${place} of the log does not follow what is here at ${before.place}`)
    }
    const { term, leader } = frame
    if (term < before.term || (term === before.term && leader !== before.leader)) {
      throw new Diverged(`${leader} wrote at ${place} in term ${term}, which ${before.leader} has in ${before.term}`)
    }
    this.#applied(this.#store.apply(frame, { log: before.log, place, frame: digest, term, leader }))
  }
}
