import { EventEmitter, once } from 'node:events'
import { existsSync } from 'node:fs'
import type { Logger } from 'pino'
import { AppError, messageOf } from '../errors.js'
import { packageVersion } from '../util.js'
import type { Clock } from './clock.js'
import type { Files, Replication } from './log.js'
import { Replica, type ReplicaOptions } from './replica.js'
import { adopt, Snapshots } from './snapshots.js'
import type { ReplicaStatus } from './status.js'

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
    const connected = group.#connecting.then(() => {})
    await Promise.race([connected, fails])
    if (existsSync(database)) connected.catch(error => options.ended(messageOf(error)))
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

  /** Until which place of the log this one has everything. */
  get place(): number {
    return this.#replica?.status.place ?? 0
  }

  /** Authorities (PEM) of the certificates of the other controllers; undefined for those that Node knows. */
  get ca(): readonly string[] | undefined {
    return this.#options.ca
  }

  get term(): number {
    return this.#replica?.status.term ?? 0
  }

  /** The files that all share; undefined while they cannot be reached. */
  get files(): Files | undefined {
    return this.#replication?.files
  }

  /** Follows, and leads when it can, until it is closed. */
  run(duties: Duties): void {
    this.#running = this.#run(duties).catch(error => this.#options.ended(messageOf(error)))
  }

  /** Resolves once this one has everything until a place of the log; after a while also when it has not. */
  async reached(place: number): Promise<void> {
    if (this.place >= place) return
    const late = AbortSignal.any([this.#leaving.signal, AbortSignal.timeout(reachMs)])
    while (this.place < place && !late.aborted) {
      await once(this.#progress, 'applied', { signal: late }).catch(() => {})
    }
  }

  /** Returns how far this one is, and what the others answer. */
  async statuses(): Promise<{
    own: ReplicaStatus | undefined
    lagMs: number
    others: ReplicaStatus[]
    names: string[]
  }> {
    const replication = this.#replication
    return {
      own: this.#replica?.status,
      lagMs: this.#replica?.lagMs ?? Infinity,
      others: (await replication?.peers.ask(answerMs)) ?? [],
      names: [...(replication?.log.replicas ?? [this.#options.name])]
    }
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
    await this.#replica.run(signal)
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
