import { Gathered, missedOf, type Notification } from './group.js'
import { nothingAmiss, occurrencesOf } from './occurrence.js'
import type { Reader } from './reader.js'
import type { Lane as LaneName, Rule } from './rule.js'

/** What is next to be told. */
export interface Next {
  notification: Notification
  /** The number of the last event that is told with it. */
  until: number
}

export interface LaneOptions {
  rule: Rule
  sink: string
  lane: LaneName
  /** The number of the last event that is told, and when something was last told. */
  told: number
  toldAt: number | undefined
  reader: Reader
  now: () => number
}

/** How much of what waits is gathered ahead: what is beyond stays in the log. */
const aheadMax = 32

/** Something that waits: a group, which is told once it is due; or that events are gone. */
type Waiting = { group: Gathered; due: number; missed?: never } | { missed: Next; due: number; group?: never }

/**
 * What a rule has to tell a sink, in the order of the log. What is told as one follows from the events behind the last
 * one that was told, so that after a crash the same is told again, under the same ids.
 */
export class LaneQueue {
  readonly rule: Rule
  readonly sink: string
  readonly lane: LaneName
  /** The number of the last event that is told, or that was none to tell. */
  #told: number
  /** When something was last told, in milliseconds since 1970. */
  toldAt: number | undefined
  /** The place that is stored. */
  stored: number
  /** The number of the last event that is read. Before what was told, only what is amiss follows from events. */
  #read: number
  #amiss = nothingAmiss()
  #waiting: Waiting[] = []
  /** Whether the first of those that wait is being told: nothing is added to it. */
  #isTelling = false
  #reader: Reader
  #now: () => number

  constructor({ rule, sink, lane, told, toldAt, reader, now }: LaneOptions) {
    this.rule = rule
    this.sink = sink
    this.lane = lane
    this.toldAt = toldAt
    this.#told = this.stored = told
    this.#reader = reader
    this.#now = now
    this.#read = Math.min(reader.earliest - 1, told)
    if (this.#read === told) this.#noteMissing()
  }

  /** Until where everything is told. */
  get place(): number {
    return this.#waiting.length === 0 ? Math.max(this.#told, this.#read) : this.#told
  }

  /** How much waits, as far as the log is read. */
  get waiting(): number {
    return this.#waiting.reduce((sum, { group }) => sum + (group?.count ?? 1), 0)
  }

  /** When the next is to be told, in milliseconds since 1970; undefined while there is nothing. */
  get due(): number | undefined {
    const [first, second] = this.#waiting
    // Until all is read, more may belong to it: what is told as one must not depend on how far that is.
    if (!first || (first.group && !second && !this.#isTelling && this.isBehind)) return undefined
    const now = this.#now()
    // What has happened later than now was told by a clock that was put back since.
    const due = (first.group?.began ?? 0) > now ? now : first.due
    // What is late, since the sink has failed, keeps to quiet hours, too.
    return due > now ? due : this.rule.admits(this.lane, now)
  }

  /** Whether there is more in the log to be read. */
  get isBehind(): boolean {
    return this.#read < this.#reader.head && this.#waiting.length < aheadMax
  }

  /** Reads some more of the log. */
  read(): void {
    if (!this.isBehind) return
    this.#noteMissing()
    const { events, until } = this.#reader.after(this.#read)
    for (const event of events) {
      if (this.#waiting.length >= aheadMax) return
      this.#read = event.seq
      for (const occurrence of occurrencesOf(event, this.#amiss)) {
        if (event.seq > this.#told && this.rule.laneOf(occurrence) === this.lane) this.#add(occurrence)
      }
    }
    this.#read = until
  }

  /** Returns what is next, which nothing is added to any more. Call it when it is due. */
  take(): Next {
    this.#isTelling = true
    const { group, missed } = this.#waiting[0]!
    return missed ?? { notification: group.notification, until: group.last! }
  }

  /** What was taken is told, or given up: the place behind it is stored. */
  done({ until }: Next, toldAt: number | undefined): void {
    this.#waiting.shift()
    this.#isTelling = false
    this.#told = this.stored = until
    this.toldAt = toldAt ?? this.toldAt
  }

  /** Events may be gone that were not read: that is told instead. */
  #noteMissing(): void {
    const { earliest } = this.#reader
    const from = Math.max(this.#read, this.#told)
    if (from >= earliest - 1) {
      this.#read = Math.max(this.#read, Math.min(earliest - 1, this.#told))
      return
    }
    const notification = missedOf({ rule: this.rule.name, sink: this.sink }, from, earliest, this.#now())
    this.#waiting.push({ missed: { notification, until: earliest - 1 }, due: this.#now() })
    this.#read = earliest - 1
  }

  #add(occurrence: Parameters<Gathered['add']>[0]): void {
    const last = this.#waiting.at(-1)
    const isOpen = last?.group && !(this.#isTelling && this.#waiting.length === 1) && occurrence.time < last.due
    // Several of one event are never told apart.
    if (last?.group && (isOpen || last.group.last === occurrence.seq)) return last.group.add(occurrence)
    const group = new Gathered({ rule: this.rule.name, sink: this.sink })
    group.add(occurrence)
    this.#waiting.push({ group, due: this.rule.dueOf(this.lane, occurrence.time) })
  }
}
