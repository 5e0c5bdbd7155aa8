import { Superseded, Trimmed, type Entry, type Lease, type Log, type Peers } from '../../src/replication/log.js'
import type { ReplicaStatus } from '../../schemas/replication.js'

/** A clock, virtual or not. */
interface WorldClock {
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>
  random: () => number
}

export const identity = 'simulated'
const never = new Promise<never>(() => {})

/** What all replicas of a simulation share: a log, a lease, and the ways between them, all worse than JetStream's. */
export class SimulatedWorld<C extends WorldClock = WorldClock> {
  readonly clock: C
  readonly names: readonly string[]
  /** What is in the log; undefined for what was written of a frame whose writer died. */
  entries: (Uint8Array | undefined)[] = []
  /** Names of those that reach neither the log nor the others. */
  readonly cut = new Set<string>()
  /** While it is true, nothing is written. */
  isDown = false
  /** Whether nothing is lost any more, nor late. */
  isCalm = false
  #trimmed = 0
  /** Aborts when something is written. */
  #news = new AbortController()
  #lease: { holder: string; revision: number } | undefined
  #answers = new Map<string, () => ReplicaStatus>()

  constructor(clock: C, names: readonly string[]) {
    this.clock = clock
    this.names = names
  }

  /** Returns the ends of one replica's process; they are dead once the signal aborts. */
  connect(name: string, dead: AbortSignal): { log: Log; lease: Lease; peers: Peers } {
    this.#answers.delete(name)
    return { log: this.#log(name, dead), lease: this.#leaseOf(name, dead), peers: this.#peers(name, dead) }
  }

  /** Forgets all after a place, as servers that have lost data. */
  lose(after: number): void {
    this.entries.length = Math.min(this.entries.length, after)
  }

  trim(upTo: number): void {
    this.#trimmed = Math.max(this.#trimmed, Math.min(upTo, this.entries.length))
  }

  /** A way to the log: takes a while, and may lead nowhere. Rejects then. */
  async #way(name: string, dead: AbortSignal): Promise<void> {
    const { random } = this.clock
    await this.clock.sleep(!this.isCalm && random() < 0.05 ? random() * 3000 : 1 + random() * 20)
    if (dead.aborted) await never
    if (this.cut.has(name) || this.isDown || (!this.isCalm && random() < 0.02)) {
      await this.clock.sleep(500 + random() * 1000)
      throw new Error('no answer')
    }
  }

  #log(name: string, dead: AbortSignal): Log {
    const world = this
    const { clock } = this
    const write = (frame: Uint8Array, after: number): number | undefined => {
      if (world.entries.length !== after) return undefined
      // In parts: only the last one is a frame.
      const parts = !world.isCalm && clock.random() < 0.1 ? 2 + Math.floor(clock.random() * 2) : 1
      for (let part = 1; part < parts; part++) {
        world.entries.push(undefined)
        if (clock.random() < 0.1) return undefined
      }
      world.entries.push(frame)
      world.#news.abort()
      world.#news = new AbortController()
      return world.entries.length
    }
    return {
      identity,
      replicas: this.names,
      extent: async () => {
        await this.#way(name, dead)
        return { last: this.entries.length, entries: this.entries.length - this.#trimmed, bytes: 0 }
      },
      append: async (frame, after, signal) => {
        for (;;) {
          if (signal.aborted) throw new Error(`it is not known whether it was written: ${signal.reason}`)
          try {
            await this.#way(name, dead)
            const mine = this.entries.lastIndexOf(frame)
            if (mine >= 0) return mine + 1
            // Something else, or a part of this frame: its writer gives up.
            if (this.entries.length !== after) throw new Superseded()
            const late = !world.isCalm && clock.random() < 0.05
            if (late) {
              // It arrives when nobody waits for it any more.
              void clock.sleep(clock.random() * 8000).then(() => write(frame, after))
            } else write(frame, after)
            await this.#way(name, dead)
          } catch (error) {
            if (error instanceof Superseded) throw error
          }
        }
      },
      entries: async function* (after, { until, signal }) {
        let last: Entry | undefined
        const end = until ?? Infinity
        for (let place = after + 1; !signal.aborted && place <= end;) {
          // Now and then a reader is late, so that it has not all that there is when it wants to lead.
          await clock.sleep(clock.random() * (!world.isCalm && clock.random() < 0.02 ? 8000 : 10), signal)
          if (dead.aborted) await never
          if (signal.aborted) return
          if (place <= world.#trimmed) throw new Trimmed()
          if (world.cut.has(name) || place > world.entries.length) {
            await clock.sleep(500 + clock.random() * 500, AbortSignal.any([signal, world.#news.signal]))
            continue
          }
          const frame = world.entries[place - 1]
          if (frame) yield { place, frame }
          // Told twice.
          if (last && !world.isCalm && clock.random() < 0.05) yield last
          if (frame) last = { place, frame }
          place++
        }
      },
      trim: async upTo => {
        await this.#way(name, dead)
        this.trim(upTo)
      }
    }
  }

  #leaseOf(name: string, dead: AbortSignal): Lease {
    return {
      read: async () => {
        await this.#way(name, dead)
        return this.#lease
      },
      write: async (holder, revision) => {
        await this.#way(name, dead)
        if ((this.#lease?.revision ?? 0) !== revision) throw new Superseded()
        this.#lease = { holder, revision: revision + 1 }
        await this.#way(name, dead)
        return revision + 1
      }
    }
  }

  #peers(name: string, dead: AbortSignal): Peers {
    return {
      answer: status => {
        this.#answers.set(name, status)
        dead.addEventListener('abort', () => this.#answers.get(name) === status && this.#answers.delete(name))
      },
      ask: async timeoutMs => {
        await this.#way(name, dead)
        const statuses: ReplicaStatus[] = []
        for (const [other, status] of this.#answers) {
          if (other === name || this.cut.has(other) || (!this.isCalm && this.clock.random() < 0.05)) continue
          statuses.push(status())
        }
        await this.clock.sleep(statuses.length < this.names.length - 1 ? timeoutMs : 10)
        if (dead.aborted) await never
        return statuses
      }
    }
  }
}
