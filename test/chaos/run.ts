import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Role } from '../../schemas/access.js'
import { placeOf, type Line } from './lines.js'

/** Numbers that a seed decides (mulberry32). */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  /** At least 0, less than 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  between(from: number, to: number): number {
    return from + this.next() * (to - from)
  }
  chance(probability: number): boolean {
    return this.next() < probability
  }
  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.next() * items.length)]!
  }
  /** Dice of its own for someone whose turns depend on others. */
  fork(): Dice {
    return new Dice(Math.floor(this.next() * 2 ** 32))
  }
}

/** One run: what is written down of it, and whether it still goes on. Emits `line`. */
export class Run extends EventEmitter<{ line: [Line] }> {
  readonly lines: Line[] = []
  /** What should never happen, and is no line of a history. */
  readonly faults: string[] = []
  /** Whether there is to be more of it. */
  isOn = true
  /** With what its clients come in, where the controller wants that. */
  tokens: Partial<Record<Role, string>> = {}
  /** How far those who stay have got, and on which streams. */
  readonly #positions = new Map<string, number>()
  readonly #staying = new Map<string, string>()
  #count = 0

  constructor() {
    super()
    this.setMaxListeners(0)
  }

  add(line: Line): void {
    this.keep(line)
    this.#locate(line)
    this.emit('line', line)
  }

  /** Writes a line down. */
  protected keep(line: Line): void {
    this.lines.push(line)
  }

  /** What a client of this role sends along. */
  headers(role: Role): Record<string, string> {
    const token = this.tokens[role]
    return token === undefined ? {} : { authorization: `Bearer ${token}` }
  }

  /** Whether everyone who stays has got here. */
  isSeen(cursor: string): boolean {
    return [...this.#positions.values()].every(seq => seq >= placeOf(cursor).seq)
  }

  #locate(line: Line): void {
    if (line.kind === 'open' && line.stays) {
      this.#staying.set(line.stream, line.client)
      this.#positions.set(line.client, this.#positions.get(line.client) ?? 0)
    }
    if (line.kind !== 'event' && line.kind !== 'control') return
    const client = this.#staying.get(line.stream)
    const cursor = line.kind === 'event' ? line.event.cursor : line.cursor
    if (client !== undefined && cursor !== undefined) this.#positions.set(client, placeOf(cursor).seq)
  }

  /** A name that nobody has. */
  name(prefix: string): string {
    return `${prefix}_${++this.#count}`
  }

  /** Does something again and again, with pauses. */
  async repeat(dice: Dice, [from, to]: [number, number], turn: () => Promise<void>): Promise<void> {
    while (this.isOn) {
      await turn().catch(error => {
        this.faults.push(String(error?.stack ?? error))
      })
      await sleep(dice.between(from, to))
    }
  }
}
