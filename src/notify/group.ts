import { createHash } from 'node:crypto'
import type { Severity } from '../../schemas/notifications.js'
import { addTo } from '../quota.js'
import { worstOf, type Occurrence } from './occurrence.js'

/** How many of a group are told one by one; of the others it is told how many they are. */
export const namedMax = 30

/** What is told as one. */
export interface Notification {
  /** The same whenever the same is told to the same sink: by it doubles are dropped. */
  id: string
  rule: string
  sink: string
  severity: Severity
  /** How many occurrences, and how many of each severity that are not over, and of those that are. */
  count: number
  counts: Readonly<Partial<Record<Severity | 'over', number>>>
  /** When the first and the last of them have happened, in milliseconds since 1970. */
  from: number
  until: number
  /** The first of them. */
  occurrences: readonly Occurrence[]
  /** How many events were gone before they could be told; their number includes those that no rule would have told. */
  missed?: number
  /** Whether nothing has happened, and somebody wants to know whether the sink works. */
  test?: true
}

/** For whom something is gathered. */
export interface Address {
  rule: string
  sink: string
}

/** What is gathered to be told as one: however much that is, it takes the room of a few. */
export class Gathered {
  #address: Address
  #named: Occurrence[] = []
  #counts = new Map<Severity | 'over', number>()
  #last: Occurrence | undefined
  #worst: Severity = 'info'
  count = 0

  constructor(address: Address) {
    this.#address = address
  }

  /** When the first has happened; undefined while there is none. */
  get began(): number | undefined {
    return this.#named[0]?.time
  }

  /** The number of the last event. */
  get last(): number | undefined {
    return this.#last?.seq
  }

  add(occurrence: Occurrence): void {
    this.count++
    this.#last = occurrence
    this.#worst = worstOf([this.#worst, occurrence.severity])
    addTo(this.#counts, occurrence.over ? 'over' : occurrence.severity, 1)
    if (this.#named.length < namedMax) this.#named.push(occurrence)
  }

  /** Returns what is told. Call it once there is something. */
  get notification(): Notification {
    const [first, last] = [this.#named[0]!, this.#last!]
    return {
      // The time, too: a log that has lost its end gives its numbers out again.
      id: idOf(this.#address, first.seq, first.time, last.seq, last.time),
      ...this.#address,
      severity: this.#worst,
      count: this.count,
      counts: Object.fromEntries(this.#counts),
      from: first.time,
      until: last.time,
      occurrences: this.#named
    }
  }
}

/** Returns what is told of events that were gone before they were told: those after a number, before another one. */
export function missedOf(address: Address, seq: number, earliest: number, now: number): Notification {
  return {
    id: idOf(address, 'missed', seq),
    ...address,
    severity: 'error',
    count: 0,
    counts: {},
    from: now,
    until: now,
    occurrences: [],
    missed: earliest - 1 - seq
  }
}

/** Returns what is told to try a sink. */
export function testOf(sink: string, by: string, now: number): Notification {
  const occurrence = {
    seq: 0,
    time: now,
    type: 'test',
    severity: 'info',
    text: `a test, sent by ${by}: it works`
  } as const
  return {
    id: idOf('test', sink, by, now, Math.random()),
    rule: 'test',
    sink,
    severity: 'info',
    count: 1,
    counts: { info: 1 },
    from: now,
    until: now,
    occurrences: [occurrence],
    test: true
  }
}

function idOf(...parts: unknown[]): string {
  return `msg_${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)}`
}
