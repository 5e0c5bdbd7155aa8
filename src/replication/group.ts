import { EventEmitter, once } from 'node:events'
import { existsSync } from 'node:fs'
import type { Logger } from 'pino'
import type { HealthReason } from '../../schemas/operations.js'
import type { ReplicaList, ReplicaStatus } from '../../schemas/replication.js'
import { AppError, messageOf } from '../errors.js'
import { defined, packageVersion } from '../util.js'
import type { Clock } from './clock.js'
import type { Files, Replication } from './log.js'
import { Replica, type ReplicaOptions } from './replica.js'
import { isAt, type LogPlace } from '../log-place.js'
import { adopt, Snapshots } from './snapshots.js'

export interface GroupOptions {
  /** Reaches what all controllers share. Throws an AppError: `unavailable` for what may be all right later. */
  connect: () => Promise<Replication>
  name: string
  url: string
  leaseMs: number
  /** Authorities (PEM) of the certificates that the other controllers show; undefined for those that Node knows. */
  ca?: readonly string[] | undefined
  /** Path of this controller's database. */
  database: string
  clock: Clock
  log: Logger
  /** Called when this controller leads no longer, or cannot go on: the process ends then, and begins anew. */
  ended: (why: string) => void
}

/** What a controller does as one of the group. */
export type Duties = Pick<ReplicaOptions, 'store' | 'applied'> & {
  /** Called once what all share can be reached. */
  connected: () => void
  /** Called once this one has the lead, for what has to be done before anyone is served. */
  leads: () => Promise<void>
}

/** How often is tried to reach what is shared, or to get a snapshot, in milliseconds. */
const retryMs = 2_000
/** How long is waited for what another one has told to be there, in milliseconds. */
const reachMs = 2_000
/** How often all are asked how far they are, in milliseconds, and how often in a row one may not answer. */
const lookMs = 2_000
const missesMax = 3
/** How long the others have to say how far they are, in milliseconds. */
const answerMs = 1_000

/** The several controllers of which this one is one: of them one leads, and all have the same database. */
export class Group {
  #options: GroupOptions
  #leaving = new AbortController()
  #connecting: Promise<Replication>
  #replication: Replication | undefined
  #replica: Replica | undefined
  #leads = false
  /** What all have said last, and how often in a row each has not answered. */
  #seen: ReplicaList['replicas'] = []
  #misses = new Map<string, number>()
  #progress = new EventEmitter<{ applied: [] }>().setMaxListeners(0)
  #running: Promise<void> | undefined

  private constructor(options: GroupOptions, onRetry: () => void) {
    this.#options = options
    this.#connecting = this.#connect(onRetry)
  }

  /**
   * Enters the group. Resolves once there is a database that can be opened: one that is there serves readers even
   * while nothing else can be reached; where there is none, the newest snapshot becomes it. Throws an AppError when
   * the settings, or what they name, are not as they have to be.
   */
  static async enter(options: GroupOptions): Promise<Group> {
    const { database } = options
    let retries = () => {}
    const fails = new Promise<void>(resolve => (retries = resolve))
    const group = new Group(options, () => retries())
    await adopt(database)
    await Promise.race([group.#connecting, fails])
    if (existsSync(database)) group.#connecting.catch(error => options.ended(messageOf(error)))
    else {
      const snapshots = new Snapshots(await group.#connecting)
      const { place } = await snapshots.fetch(database)
      await adopt(database)
      options.log.info(`begins with a snapshot of the others, at ${place}`)
    }
    return group
  }

  /** Whether this controller leads, and is ready for it. */
  get leads(): boolean {
    return this.#leads
  }

  /** The controller that leads, as far as this one knows. */
  get leader(): Replica['leader'] {
    return this.#replica?.leader
  }

  /** Milliseconds since this one was known to have all that the leader had. */
  get lagMs(): number {
    return this.#replica?.lagMs ?? performance.now()
  }

  /** Until where in the log this one has everything. */
  get position(): LogPlace {
    return this.#replica?.position ?? { term: 0, place: 0 }
  }

  /** Authorities (PEM) of the certificates of the other controllers; undefined for those that Node knows. */
  get ca(): readonly string[] | undefined {
    return this.#options.ca
  }

  /** The files that all share; undefined while they cannot be reached. */
  get files(): Files | undefined {
    return this.#replication?.files
  }

  /** Follows, and leads when it can, until it is closed. */
  run(duties: Duties): void {
    this.#running = this.#run(duties).catch(error => this.#options.ended(messageOf(error)))
  }

  /** Resolves once this one has everything until a place of the log, or after a while: with whether it has. */
  async reached(place: LogPlace): Promise<boolean> {
    if (isAt(this.position, place)) return true
    const late = AbortSignal.any([this.#leaving.signal, AbortSignal.timeout(reachMs)])
    while (!isAt(this.position, place) && !late.aborted) {
      await once(this.#progress, 'applied', { signal: late }).catch(() => {})
    }
    return isAt(this.position, place)
  }

  /** Asks all how far they are. */
  async look(): Promise<ReplicaList['replicas']> {
    const others = (await this.#replication?.peers.ask(answerMs)) ?? []
    const own = this.#replica?.status
    const answers = new Map([...others, ...(own ? [own] : [])].map(status => [status.name, status]))
    return this.#names.map(name => stateOf(name, answers.get(name)))
  }

  /** What is wrong with the others, as far as they were asked. */
  get faults(): HealthReason[] {
    return this.#seen.flatMap(({ name, answers, diverged }): HealthReason[] => {
      if (!answers && (this.#misses.get(name) ?? 0) >= missesMax) {
        return [{ code: 'controller_missing', message: `${name}, one of several controllers, does not answer` }]
      }
      if (diverged === undefined) return []
      return [{ code: 'controller_diverged', message: `${name} cannot go on: ${diverged}` }]
    })
  }

  /** Why this one cannot go on with the log; undefined while it can. */
  get diverged(): string | undefined {
    return this.#replica?.diverged
  }

  get #names(): readonly string[] {
    return this.#replication?.log.replicas ?? [this.#options.name]
  }

  /** Leaves the group: another one leads at once, if this one did. */
  async close(): Promise<void> {
    this.#leads = false
    this.#leaving.abort('the controller is stopping')
    await this.#running?.catch(() => {})
    await this.#replication?.close()
  }

  async #run({ store, connected, applied, leads }: Duties): Promise<void> {
    const { name, url, leaseMs, clock, log, database, ended } = this.#options
    const { signal } = this.#leaving
    const replication = await this.#connecting
    if (signal.aborted) return
    connected()
    const snapshots = new Snapshots(replication)
    const over = new AbortController()
    const ends = (why: string) => {
      this.#leads = false
      over.abort()
      ended(why)
    }
    this.#replica = new Replica({
      ...{ name, url, version: packageVersion, store, replication, clock, leaseMs, log },
      applied: tables => {
        applied(tables)
        this.#progress.emit('applied')
      },
      trimmed: () => {
        void this.#begin(snapshots)
      },
      leads: () => {
        leads().then(
          () => {
            this.#leads = !over.signal.aborted
            void snapshots.keepTaking(database, { clock, log, signal: AbortSignal.any([signal, over.signal]) })
          },
          error => ends(messageOf(error))
        )
      },
      ended: ends
    })
    void this.#watch()
    await this.#replica.run(signal)
  }

  /** Asks again and again how far all are. */
  async #watch(): Promise<void> {
    const { clock, log } = this.#options
    const { signal } = this.#leaving
    while (!signal.aborted) {
      await clock.sleep(lookMs, signal)
      if (signal.aborted) return
      try {
        this.#seen = await this.look()
      } catch (error) {
        log.debug(messageOf(error))
      }
      for (const { name, answers } of this.#seen) {
        this.#misses.set(name, answers ? 0 : (this.#misses.get(name) ?? 0) + 1)
      }
    }
  }

  /** Has this controller begin anew, with the newest snapshot. */
  async #begin(snapshots: Snapshots): Promise<void> {
    const { clock, log, database, ended } = this.#options
    const { signal } = this.#leaving
    while (!signal.aborted) {
      try {
        await snapshots.fetch(database)
        return ended('it begins anew with the newest snapshot')
      } catch (error) {
        log.warn(`cannot begin anew: ${messageOf(error)}`)
      }
      await clock.sleep(retryMs, signal)
    }
  }

  /** Connects, and tries again while that is of use. Rejects with what an operator has to change. */
  async #connect(onRetry: () => void): Promise<Replication> {
    const { connect, clock, log } = this.#options
    const { signal } = this.#leaving
    let told: string | undefined
    for (;;) {
      try {
        this.#replication = await connect()
        return this.#replication
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'unavailable' || signal.aborted) throw error
        if (error.message !== told) log.warn(`${error.message}; it is tried again`)
        told = error.message
      }
      onRetry()
      await clock.sleep(retryMs, signal)
    }
  }
}

/** Returns what is told of a replica. */
function stateOf(name: string, status: ReplicaStatus | undefined): ReplicaList['replicas'][number] {
  if (!status) return { name, answers: false }
  const { role, url, version, term, place, lag_ms: lag, diverged, obstacle } = status
  const seconds = lag === undefined ? undefined : lag / 1000
  return {
    name,
    answers: true,
    role,
    url,
    version,
    term,
    place,
    ...defined({ lag_seconds: seconds, diverged, obstacle })
  }
}
