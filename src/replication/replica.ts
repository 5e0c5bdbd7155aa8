import type { Logger } from 'pino'
import { checker } from '../../schemas/validator.js'
import { invalid, messageOf } from '../errors.js'
import { Diverged, schemaVersion, type Changes, type Position } from '../store/replica.js'
import type { Store } from '../store/store.js'
import { defined } from '../util.js'
import { obstacleToLead } from './candidacy.js'
import type { Clock } from './clock.js'
import { Follower } from './follower.js'
import { encodeFrame, type Frame } from './frame.js'
import { Superseded, Trimmed, type Replication } from './log.js'
import { Claim, type ReplicaStatus } from '../../schemas/replication.js'

const checkClaim = checker(Claim, invalid, 'drop')

export interface ReplicaOptions {
  name: string
  /** URL at which the others, and clients, reach this one. */
  url: string
  version: string
  /** A store that is open as a replica's, with a position in the log. */
  store: Store
  replication: Pick<Replication, 'log' | 'lease' | 'peers'>
  clock: Clock
  /** How long a leader may be silent until another one tries to lead. */
  leaseMs: number
  log: Logger
  /** Called after each change of the leader's that was applied, with the names of the tables that it concerns. */
  applied: (tables: ReadonlySet<string>) => void
  /** Called once the log no longer has what this one needs: only a snapshot helps. */
  trimmed?: () => void
  /** Called once this replica leads: its store can be written. */
  leads: (term: number) => void
  /** Called when it leads no longer: the process ends then, and begins again as a follower. */
  ended: (why: string) => void
}

/** How many times the leader renews the lease in the time that it lasts, and how many times the others look at it. */
const renewals = 4
const looks = 8
/** Part of that time that the others have to answer a candidate: one of them is the leader that was lost. */
const answers = 6

/**
 * One of several controllers: follows the one that leads, and leads when there is none. Who leads is decided by the
 * log: the lease only says when to try.
 *
 *   follower ---> candidate ---> leader ---> (end of the process)
 *      ^              |
 *      +--------------+
 */
export class Replica {
  #options: ReplicaOptions
  #follower: Follower
  #role: ReplicaStatus['role'] = 'follower'
  #diverged: string | undefined
  /** Why it could not lead when it last tried. */
  #obstacle: string | undefined
  /** How far the leader is: its position is stored only once it has been committed. */
  #position: Position
  /** What the lease has said last, and since when. */
  #claim: { claim: Claim | undefined; revision: number; since: number } | undefined
  /** When this one was last known to have all that the leader had. */
  #levelAt: number

  constructor(options: ReplicaOptions) {
    const { store, replication, clock, applied } = options
    this.#options = options
    this.#follower = new Follower(store, replication.log, tables => {
      const { term } = this.#position
      this.#position = this.#follower.position
      if (this.#position.term !== term) this.#obstacle = undefined
      applied(tables)
    })
    this.#position = this.#follower.position
    this.#levelAt = clock.now()
    const { log } = this.#position
    if (log !== replication.log.identity) {
      this.#diverge(
        new Diverged(`its database is of another log (${log}): zeek-cluster replication rebuild replaces it`)
      )
    }
  }

  /** How far this one is. */
  get position(): Position {
    return this.#position
  }

  /** Why it cannot go on with the log; undefined while it can. */
  get diverged(): string | undefined {
    return this.#diverged
  }

  get status(): ReplicaStatus {
    const { name, url, version } = this.#options
    const { log, term, place, frame } = this.#position
    return {
      name,
      role: this.#role,
      url,
      version,
      schema: schemaVersion,
      log,
      term,
      place,
      frame,
      lag_ms: Math.round(this.lagMs),
      ...defined({ diverged: this.#diverged, obstacle: this.#obstacle })
    }
  }

  /** The replica that leads, as far as this one knows; undefined when none does. */
  get leader(): Pick<Claim, 'name' | 'url'> | undefined {
    const { name, url, clock, leaseMs } = this.#options
    if (this.#role === 'leader') return { name, url }
    if (!this.#claim?.claim || clock.now() - this.#claim.since > leaseMs) return undefined
    return this.#claim.claim
  }

  /** Milliseconds since this one was known to have all that the leader had. */
  get lagMs(): number {
    return this.#role === 'leader' ? 0 : this.#options.clock.now() - this.#levelAt
  }

  /** Follows, and leads when it can, until the signal aborts or it leads no longer. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, leaseMs, replication, log } = this.#options
    replication.peers.answer(() => this.status)
    let pauseMs = 0
    while (!signal.aborted) {
      const ending = new AbortController()
      const following = this.#follow(AbortSignal.any([signal, ending.signal]))
      const revision = await this.#vacancy(pauseMs, signal)
      ending.abort()
      await following
      if (revision === undefined) continue
      try {
        if (await this.#campaign(revision, signal)) return
      } catch (error) {
        this.#obstacle = messageOf(error)
        if (!signal.aborted) log.warn(`cannot lead: ${this.#obstacle}`)
      }
      this.#role = 'follower'
      // Not all at the same time again.
      pauseMs = (leaseMs / renewals) * (1 + clock.random())
    }
  }

  /** Applies what the leader writes until the signal aborts. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { clock, leaseMs, log } = this.#options
    /** What was said last, and where: the same is said again only once something was applied. */
    let told = ''
    while (!signal.aborted && this.#diverged === undefined) {
      try {
        await this.#follower.follow({ signal })
      } catch (error) {
        const why = `at ${this.#position.place}: ${messageOf(error)}`
        if (error instanceof Diverged || error instanceof Trimmed) this.#diverge(error)
        else if (why !== told) log.warn(`cannot follow the leader ${why}`)
        told = why
      }
      if (!signal.aborted) await clock.sleep(leaseMs / renewals, signal)
    }
  }

  #diverge(error: Error): void {
    this.#diverged = error.message
    this.#options.log.error(`this replica cannot go on: ${error.message}`)
    if (error instanceof Trimmed) this.#options.trimmed?.()
  }

  /**
   * Resolves with the revision of a lease that nobody has renewed for long enough, after a pause; undefined when the
   * signal aborts.
   */
  async #vacancy(pauseMs: number, signal: AbortSignal): Promise<number | undefined> {
    const { clock, leaseMs, replication, log } = this.#options
    const patienceMs = leaseMs * (1 + clock.random() / looks)
    const paused = clock.now() + pauseMs
    // What was seen earlier may be from before a break of the connection.
    let seen: { revision: number; at: number } | undefined
    while (!signal.aborted) {
      try {
        const { holder, revision } = (await replication.lease.read()) ?? { holder: '', revision: 0 }
        const now = clock.now()
        if (seen?.revision !== revision) seen = { revision, at: now }
        if (this.#claim?.revision !== revision) this.#claim = { claim: readClaim(holder), revision, since: now }
        const { claim, since } = this.#claim
        // It has all that the leader had when that wrote the lease; of what came later nothing is known.
        if (claim && this.#position.place >= claim.place) this.#levelAt = since
        const isVacant = holder === '' || now - seen.at > patienceMs
        if (isVacant && now >= paused && this.#diverged === undefined) return revision
      } catch (error) {
        seen = undefined
        log.debug(`the lease cannot be read: ${messageOf(error)}`)
      }
      await clock.sleep(leaseMs / looks, signal)
    }
    return undefined
  }

  /** Tries to lead. Resolves with true once it did and does no longer; with false when another one was faster. */
  async #campaign(revision: number, signal: AbortSignal): Promise<boolean> {
    const { store, replication, leaseMs, leads, ended, log, name } = this.#options
    const { peers } = replication
    if (store.failure !== undefined) throw new Error(store.failure)
    this.#role = 'candidate'
    const lost = new AbortController()
    const holding = AbortSignal.any([signal, lost.signal])
    let held: number
    try {
      held = await this.#renew(revision)
    } catch (error) {
      if (error instanceof Superseded) return false
      throw error
    }
    const keeping = this.#keep(held, holding).then(({ revision, why }) => {
      lost.abort(why)
      return revision
    })
    try {
      // What is of another log says nothing of this one.
      const others = (await peers.ask(leaseMs / answers)).filter(({ log }) => log === replication.log.identity)
      const { last } = await replication.log.extent()
      await this.#catchUp(last, holding)
      const obstacle = obstacleToLead({
        own: this.#position,
        last,
        others,
        replicas: replication.log.replicas.length
      })
      if (obstacle !== undefined) throw new Error(obstacle)
      await this.#beginTerm(last, holding)
      // Nobody would be told of a lease that was lost meanwhile.
      holding.throwIfAborted()
    } catch (error) {
      lost.abort()
      await this.#release(await keeping)
      if (error instanceof Superseded) return false
      if (error instanceof Diverged || error instanceof Trimmed) this.#diverge(error)
      throw error
    }
    const over = new Promise<string>(resolve => {
      store.lead({ publish: changes => this.#publish(changes, holding), ended: resolve })
      holding.addEventListener('abort', () => resolve(String(holding.reason)), { once: true })
    })
    this.#role = 'leader'
    this.#obstacle = undefined
    log.info(`${name} leads in term ${this.#position.term}`)
    leads(this.#position.term)
    const why = await over
    this.#role = 'follower'
    lost.abort(why)
    if (!signal.aborted) ended(why)
    await this.#release(await keeping)
    return true
  }

  /**
   * Applies the log until a place. Throws when that takes too long: a replica that is not so far behind should lead.
   */
  async #catchUp(last: number, signal: AbortSignal): Promise<void> {
    const { clock, leaseMs } = this.#options
    const [late, done] = [new AbortController(), new AbortController()]
    void clock.sleep(leaseMs, AbortSignal.any([signal, done.signal])).then(() => late.abort())
    try {
      await this.#follower.follow({ until: last, signal: AbortSignal.any([signal, late.signal]) })
    } finally {
      done.abort()
    }
    signal.throwIfAborted()
    if (late.signal.aborted) throw new Error(`it is too far behind: at ${this.#position.place} of ${last}`)
  }

  /**
   * Writes the first frame of a term: with it this replica leads, or another one was faster, which throws Superseded.
   */
  async #beginTerm(last: number, signal: AbortSignal): Promise<void> {
    const { store, name } = this.#options
    const frame = { ...store.noChanges(), previous: this.#position.frame, term: this.#position.term + 1, leader: name }
    const position = await this.#append(frame, last, signal)
    store.apply(frame, position)
    this.#position = position
  }

  async #publish(changes: Changes, signal: AbortSignal): Promise<Position> {
    const { place, frame: previous, term, leader } = this.#position
    this.#position = await this.#append({ ...changes, previous, term, leader }, place, signal)
    return this.#position
  }

  async #append(frame: Frame, after: number, signal: AbortSignal): Promise<Position> {
    const { log } = this.#options.replication
    const { bytes, digest } = encodeFrame(frame)
    const place = await log.append(bytes, after, signal)
    return { log: log.identity, place, frame: digest, term: frame.term, leader: frame.leader }
  }

  async #renew(revision: number): Promise<number> {
    const { replication, name, url } = this.#options
    const { term, place } = this.#position
    return await replication.lease.write(JSON.stringify({ name, url, term, place } satisfies Claim), revision)
  }

  /**
   * Renews the lease until the signal aborts, or it is lost. Resolves with why, and its last revision that was ours.
   */
  async #keep(held: number, signal: AbortSignal): Promise<{ why: string; revision: number | undefined }> {
    const { clock, leaseMs, replication, name } = this.#options
    const isTaken = { why: 'another replica has taken the lead', revision: undefined }
    let revision = held
    let renewed = clock.now()
    let isSure = true
    for (;;) {
      await clock.sleep(leaseMs / renewals, signal)
      if (signal.aborted) return { why: String(signal.reason), revision }
      const wasSure = isSure
      try {
        if (!isSure) {
          // Written, perhaps, without our having learned of it.
          const lease = await replication.lease.read()
          if (readClaim(lease?.holder ?? '')?.name !== name) return isTaken
          revision = lease!.revision
        }
        isSure = false
        revision = await this.#renew(revision)
        isSure = true
        renewed = clock.now()
      } catch (error) {
        // Else it may be what was written before, and came late: that is read next.
        if (error instanceof Superseded && wasSure) return isTaken
        if (clock.now() - renewed > leaseMs) {
          return { why: `the lease cannot be renewed: ${messageOf(error)}`, revision }
        }
      }
    }
  }

  /** Gives the lease away, so that another replica need not wait for its end. Never rejects. */
  async #release(revision: number | undefined): Promise<void> {
    if (revision === undefined) return
    await this.#options.replication.lease.write('', revision).catch(() => {})
  }
}

/** Returns what the lease says; undefined when that is nothing that a replica would say. */
function readClaim(holder: string): Claim | undefined {
  try {
    return checkClaim(JSON.parse(holder), 'lease')
  } catch {
    return undefined
  }
}
