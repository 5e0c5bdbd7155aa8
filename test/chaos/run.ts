import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Line } from './lines.js'

/** Numbers that a seed decides (mulberry32). */
export class Dice {
  #state: number

  constructor (seed: number) {
    this.#state = seed
  }

  /** At least 0, less than 1. */
  next (): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  between (from: number, to: number): number { return from + this.next() * (to - from) }
  chance (probability: number): boolean { return this.next() < probability }
  pick<T> (items: readonly T[]): T { return items[Math.floor(this.next() * items.length)]! }
  /** Dice of its own for someone whose turns depend on others. */
  fork (): Dice { return new Dice(Math.floor(this.next() * 2 ** 32)) }
}

/** One run: what is written down of it, and whether it still goes on. Emits `line`. */
export class Run extends EventEmitter<{ line: [Line] }> {
  readonly lines: Line[] = []
  /** What should never happen, and is no line of a history. */
  readonly faults: string[] = []
  /** Whether there is to be more of it. */
  isOn = true
  #count = 0

  constructor () {
    super()
    this.setMaxListeners(0)
  }

  add (line: Line): void {
    this.lines.push(line)
    this.emit('line', line)
  }

  /** A name that nobody has. */
  name (prefix: string): string { return `${prefix}_${++this.#count}` }

  /** Does something again and again, with pauses. */
  async repeat (dice: Dice, [from, to]: [number, number], turn: () => Promise<void>): Promise<void> {
    while (this.isOn) {
      await turn().catch(error => { this.faults.push(String(error?.stack ?? error)) })
      await sleep(dice.between(from, to))
    }
  }
}
