import type { Clock } from '../../src/replication/clock.js'

/** Returns a generator of numbers from 0 to 1 that follow from a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

interface Sleeper {
  at: number
  order: number
  wake: () => void
}

/** A clock that only goes on when nothing is left to be done at its present time. */
export class VirtualClock implements Clock {
  readonly random: () => number
  #now = 0
  #order = 0
  #waiting: Sleeper[] = []

  constructor(random: () => number) {
    this.random = random
  }

  now = (): number => this.#now

  sleep = (ms: number, signal?: AbortSignal): Promise<void> => {
    if (signal?.aborted) return Promise.resolve()
    return new Promise(resolve => {
      const wake = () => {
        signal?.removeEventListener('abort', early)
        resolve()
      }
      const sleeper = { at: this.#now + ms, order: this.#order++, wake }
      const early = () => {
        this.#waiting = this.#waiting.filter(one => one !== sleeper)
        resolve()
      }
      signal?.addEventListener('abort', early, { once: true })
      this.#waiting.push(sleeper)
    })
  }

  /** Lets `ms` milliseconds pass: all that is waiting for them happens, in order. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms
    for (;;) {
      await settled()
      const next = this.#waiting.reduce<Sleeper | undefined>(
        (first, one) => (!first || one.at < first.at || (one.at === first.at && one.order < first.order) ? one : first),
        undefined
      )
      if (!next || next.at > end) break
      this.#waiting = this.#waiting.filter(one => one !== next)
      this.#now = Math.max(this.#now, next.at)
      next.wake()
    }
    this.#now = end
  }
}

/** Resolves once promises and immediates have had their turns: a store commits in an immediate. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise(resolve => setImmediate(resolve))
}
