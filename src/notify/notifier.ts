import type { NotificationList, NotificationTest } from '../../schemas/notifications.js'
import type { HealthReason } from '../../schemas/operations.js'
import { AppError, messageOf } from '../errors.js'
import type { EventLog } from '../store/events.js'
import type { NotificationPlaces, StoredPlace } from '../store/notification-places.js'
import type { Store } from '../store/store.js'
import { defined } from '../util.js'
import { readNotifyFile, type NotifyConfig } from './config.js'
import { Courier } from './courier.js'
import { LaneQueue } from './lane.js'
import { Reader } from './reader.js'
import type { Outcome } from './sink.js'
import type { Rule } from './rule.js'

/** How often it stores that there was nothing to tell, in milliseconds. */
const storeMs = 60_000
/** How long it reads at a time, while it is behind, in milliseconds. */
const readMs = 20

/** A line for the log of the process. */
type Say = (line: string) => void

export interface NotifierOptions {
  /** The file of the setting controller_notify; undefined where there is none. */
  file: string | undefined
  /** The name of this controller. */
  source: string
  /** What programs may be told of the environment. */
  env: NodeJS.ProcessEnv
  store: Pick<Store, 'write' | 'failure'>
  log: Pick<EventLog, 'head' | 'earliest' | 'ofTypes'>
  places: NotificationPlaces
  cursorOf: (seq: number) => string
  say: Record<'info' | 'warn' | 'error', Say>
  /** Tells the audit log that a notification is told, or given up. */
  audit: (what: { sink: string; rule: string; outcome: 'succeeded' | 'given_up'; detail: string }) => void
  /** For how long a sink may fail until that is a reason of health, in milliseconds; 0: for ever. */
  failingMaxMs: number
  /** How often it looks what there is to tell, in milliseconds. */
  lookMs?: number
  now?: () => number
  elapsed?: () => number
}

/** What tells operators: it follows the log of events, and tells sinks what rules select. The log is its queue. */
export class Notifier {
  #options: NotifierOptions & Required<Pick<NotifierOptions, 'now' | 'elapsed' | 'lookMs'>>
  #config: NotifyConfig
  #couriers: Courier[] = []
  #queues: LaneQueue[] = []
  /** The rules that the queues are of: those of the file, once it is read. */
  #rules: readonly Rule[] = []
  #timer: NodeJS.Timeout | undefined
  /** Whether this controller tells: of several, only the one that leads does. */
  #isOpen = false
  /** The change of rules that is under way. */
  #changing: Promise<void> = Promise.resolve()
  #storedAt = -Infinity
  /** What was last logged of each sink that fails. */
  #said = new Map<string, string>()
  /** Why the log could not be read the last time. */
  #trouble: string | undefined

  /** Throws an AppError that names the file and the field. */
  constructor(options: NotifierOptions) {
    this.#options = { now: Date.now, elapsed: () => performance.now(), lookMs: 250, ...options }
    this.#config = this.#read()
  }

  /** Whether there is anyone to tell. */
  get isConfigured(): boolean {
    return this.#options.file !== undefined
  }

  /** Begins to tell. */
  open(): void {
    if (!this.isConfigured) return
    this.#isOpen = true
    this.#begin()
    this.#timer = setInterval(() => this.#look(), this.#options.lookMs)
  }

  /** Ends. Resolves once it no longer uses the store. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#isOpen = false
    await this.#changing
    await this.#end()
  }

  /** Reads the file again, and logs what has come of it: one that is no good changes nothing. */
  reload(): void {
    if (!this.isConfigured) return
    const { say } = this.#options
    try {
      this.#config = this.#read()
    } catch (error) {
      say.error(`notifications stay as they were: ${messageOf(error)}`)
      return
    }
    say.info('notifications are as their file says now')
    if (!this.#isOpen) return
    this.#changing = this.#changing
      .then(async () => {
        await this.#end()
        if (this.#isOpen) this.#begin()
      })
      .catch(error => say.error(`notifications are not told: ${messageOf(error)}`))
  }

  /** Sends a test to a sink. Throws `not_found`, and `conflict` while another test of it is under way. */
  async test(name: string, by: string): Promise<NotificationTest> {
    const courier = this.#couriers.find(({ sink }) => sink.shown.name === name)
    if (!courier) throw new AppError('not_found', `no sink is named ${name}`)
    return await courier.test(by)
  }

  /** What is told to whom, and how far that is. */
  get status(): Omit<NotificationList, 'event_cursor'> {
    const { cursorOf, now } = this.#options
    const queueOf = (rule: Rule, sink: string) => {
      const queues = this.#queues.filter(queue => queue.rule === rule && queue.sink === sink)
      const dues = queues.flatMap(({ due }) => due ?? [])
      const tolds = queues.flatMap(({ toldAt }) => toldAt ?? [])
      return {
        sink,
        delivered_until: cursorOf(Math.min(...queues.map(({ place }) => place))),
        waiting: sum(queues),
        ...(dues.length > 0 && { due: iso(Math.min(...dues)) }),
        ...(tolds.length > 0 && { last_success: iso(Math.max(...tolds)) })
      }
    }
    return {
      configured: this.isConfigured,
      sinks: this.#couriers.map(({ status }) => status),
      rules: this.#rules.map(rule => ({
        name: rule.name,
        severity: rule.severity,
        recoveries: rule.recoveries,
        group_for: rule.groupMs / 1000,
        ...defined({
          types: rule.settings.types,
          health: rule.settings.health,
          instances: rule.settings.instances,
          nodes: rule.settings.nodes,
          quiet: rule.quiet?.settings,
          is_quiet: rule.quiet?.isAt(now())
        }),
        queues: rule.sinks.map(sink => queueOf(rule, sink))
      }))
    }
  }

  /** What each sink has done, and what waits for it. */
  get counts(): (Courier['counts'] & { sink: string; waiting: number })[] {
    return this.#couriers.map(({ counts, sink: { shown } }) => ({
      ...counts,
      sink: shown.name,
      waiting: sum(this.#queues.filter(({ sink }) => sink === shown.name))
    }))
  }

  /** What is wrong with sinks. */
  get faults(): HealthReason[] {
    const { now, failingMaxMs } = this.#options
    return this.#couriers.flatMap(({ sink, failingSince, lastError }) => {
      if (failingMaxMs === 0 || failingSince === undefined || now() - failingSince < failingMaxMs) return []
      const minutes = Math.floor((now() - failingSince) / 60_000)
      const message = `${sink.shown.name} has taken no notification for ${minutes} min: ${lastError}; zeek-cluster notify test ${sink.shown.name} tries it`
      return [{ code: 'notifications_failing' as const, message }]
    })
  }

  #read(): NotifyConfig {
    const { file, source, cursorOf, env, now, say } = this.#options
    if (file === undefined) return { sinks: [], rules: [], warnings: [] }
    const config = readNotifyFile(file, { teller: { source, cursorOf }, env, now })
    for (const warning of config.warnings) say.warn(warning)
    return config
  }

  /** Takes up the work where it was left, or where the log ends now. */
  #begin(): void {
    const { store, places, log, now, elapsed } = this.#options
    const { sinks, rules } = this.#config
    const reader = new Reader(
      log,
      rules.map(({ settings }) => settings.types)
    )
    const known = places.list()
    const { head } = log
    const queues = rules.flatMap(rule =>
      rule.sinks.flatMap(sink =>
        rule.lanes.map(lane => {
          const of = (one: string) =>
            known.find(place => place.rule === rule.name && place.sink === sink && place.lane === one)
          // Before a rule had quiet hours, one lane had told all.
          const place = of(lane) ?? of('main')
          const told = Math.min(place?.seq ?? head, head)
          return new LaneQueue({ rule, sink, lane, told, toldAt: place?.told_at ?? undefined, reader, now })
        })
      )
    )
    const isOurs = (place: StoredPlace) =>
      queues.some(({ rule, sink, lane }) => rule.name === place.rule && sink === place.sink && lane === place.lane)
    const begin = () => {
      for (const queue of queues) places.put(storedOf(queue, queue.stored))
      for (const place of known) if (!isOurs(place)) places.remove(place)
    }
    // It comes before what is stored of them later. When the store closes before, they begin anew.
    store.write('written', begin, { insists: true }).catch(() => {})
    this.#queues = queues
    this.#rules = rules
    this.#couriers = sinks.map(
      sink =>
        new Courier({
          sink,
          queues: queues.filter(queue => queue.sink === sink.shown.name),
          now,
          elapsed,
          settle: async (queue, next, toldAt) => {
            const stored = { ...storedOf(queue, next.until), told_at: toldAt ?? queue.toldAt ?? null }
            await store.write('written', () => places.put(stored), { insists: true })
            queue.done(next, toldAt)
          },
          attempted: ({ rule, id }, { state, detail }, isOver) => {
            const name = sink.shown.name
            if (isOver) {
              const outcome = state === 'taken' ? 'succeeded' : 'given_up'
              this.#options.audit({ sink: name, rule, outcome, detail: `${name}, rule ${rule}, ${id}: ${detail}` })
            }
            this.#say(name, state, isOver ? `it is given up: ${detail}` : detail)
          }
        })
    )
  }

  /** Ends the work, and stores where that is. */
  async #end(): Promise<void> {
    await Promise.all(this.#couriers.map(async courier => await courier.close()))
    await this.#store().catch(() => {})
  }

  #look(): void {
    const { store, say } = this.#options
    try {
      this.#readOn()
      this.#trouble = undefined
    } catch (error) {
      const trouble = messageOf(error)
      // A store that fails says so itself.
      if (trouble !== this.#trouble && store.failure === undefined) say.error(`events are not read: ${trouble}`)
      this.#trouble = trouble
    }
    for (const courier of this.#couriers) courier.look()
    const { elapsed } = this.#options
    if (elapsed() - this.#storedAt < storeMs) return
    this.#storedAt = elapsed()
    // Where nothing was told, more is read again after a crash.
    this.#store().catch(() => {})
  }

  /** Has all queues read on, together as long as they are at the same place, for a time that nobody notices. */
  #readOn(): void {
    const { elapsed } = this.#options
    const end = elapsed() + readMs
    do for (const queue of this.#queues) queue.read()
    while (elapsed() < end && this.#queues.some(({ isBehind }) => isBehind))
  }

  /** Stores until where there was nothing to tell. */
  async #store(): Promise<void> {
    const { store, places } = this.#options
    const moved = this.#queues.filter(queue => queue.place > queue.stored)
    if (moved.length === 0 || store.failure !== undefined) return
    const stored = moved.map(queue => ({ queue, place: storedOf(queue, queue.place) }))
    await store.write('written', () => {
      for (const { place } of stored) places.put(place)
    })
    for (const { queue, place } of stored) queue.stored = place.seq
  }

  /** Logs that a sink does not take what it is sent, and that it does again: not the same again and again. */
  #say(sink: string, state: Outcome['state'], detail: string): void {
    const { say } = this.#options
    if (state === 'taken') {
      if (this.#said.delete(sink)) say.info(`${sink} takes notifications again`)
      return
    }
    if (this.#said.get(sink) !== detail) say.warn(`${sink} has not taken a notification: ${detail}`)
    this.#said.set(sink, detail)
  }
}

const sum = (queues: readonly LaneQueue[]) => queues.reduce((all, { waiting }) => all + waiting, 0)

const storedOf = ({ rule, sink, lane, toldAt }: LaneQueue, seq: number): StoredPlace => ({
  rule: rule.name,
  sink,
  lane,
  seq,
  told_at: toldAt ?? null
})

const iso = (time: number) => new Date(time).toISOString()
