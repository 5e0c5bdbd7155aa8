/** For whom work is done, and how much of it: members of one client share an account. */
export interface Account {
  client: string
  /** Returns whether the client has had so much that it has to wait. */
  isUsedUp: () => boolean
  /** Does some work, and counts it. */
  measure: (work: () => void) => void
}

/** The account of what is not limited. */
export const unlimited: Account = { client: '', isUsedUp: () => false, measure: work => work() }

/** How many members are served before others get their turn. */
const sliceLength = 256
/** Milliseconds for which the backlog is processed before others get their turn. */
const sliceMs = 2
/** Milliseconds after which clients that have to wait are looked at again. */
const pauseMs = 50

export interface TurnsOptions<Member> {
  /** Members to serve. They may come and go during a round: new ones are served in it, those that have gone are not. */
  members: ReadonlySet<Member>
  serve: (member: Member) => void
  /** Called when a round begins and when it ends. */
  onBoundary: () => void
}

/**
 * Gives members their turns so that they never hold up the event loop, however many they are. New events are served in
 * rounds: each member once, a slice of them per tick, one round at a time. Members that are behind continue from a
 * backlog for some milliseconds per tick: clients take turns, however many members each has, and those of one client
 * are served first come, first served. Nothing is called before the caller has returned.
 */
export class Turns<Member> {
  #options: TurnsOptions<Member>
  #hasRound = false
  /** Whether another round was requested since this one began. */
  #wantsAnother = false
  /** Callbacks with which members that are behind continue, of each client; the client whose turn it is comes first. */
  #backlog = new Map<string, { account: Account; waiting: (() => void)[] }>()
  #isScheduled = false
  /** Runs while all clients in the backlog have to wait. */
  #pause: NodeJS.Timeout | undefined

  constructor(options: TurnsOptions<Member>) {
    this.#options = options
  }

  /** Whether a round is under way or scheduled. */
  get hasRound(): boolean {
    return this.#hasRound
  }

  /**
   * Schedules a round, in which each member is served, for the next tick: everything that arrives until then is sent
   * together. During a round another one is scheduled after it, since some members have already been served.
   */
  scheduleRound(): void {
    this.#wantsAnother = true
    if (this.#hasRound) return
    this.#hasRound = true
    setImmediate(() => this.#begin())
  }

  /** Calls `go` after everything of the same client that is in the backlog already, and when its account allows. */
  later(go: () => void, account: Account = unlimited): void {
    const known = this.#backlog.get(account.client)
    if (known) known.waiting.push(go)
    else this.#backlog.set(account.client, { account, waiting: [go] })
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#backlog.size === 0) return
    if ([...this.#backlog.values()].every(({ account }) => account.isUsedUp())) {
      this.#pause ??= setTimeout(() => {
        this.#pause = undefined
        this.#schedule()
      }, pauseMs).unref()
      return
    }
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#workOff()
    })
  }

  #begin(): void {
    this.#options.onBoundary()
    this.#wantsAnother = false
    this.#goOn(this.#options.members.values())
  }

  #goOn(rest: Iterator<Member>): void {
    for (let n = 0; n < sliceLength; n++) {
      const next = rest.next()
      if (next.done) {
        this.#end()
        return
      }
      this.#options.serve(next.value)
    }
    setImmediate(() => this.#goOn(rest))
  }

  #end(): void {
    this.#options.onBoundary()
    this.#hasRound = this.#wantsAnother
    if (this.#hasRound) setImmediate(() => this.#begin())
  }

  /** Processes the backlog, including what is added meanwhile, until the time is up. */
  #workOff(): void {
    const end = performance.now() + sliceMs
    // One that is taken out and put in again comes last, and is met again in this loop.
    for (const [client, { account, waiting }] of this.#backlog) {
      if (account.isUsedUp()) continue
      this.#backlog.delete(client)
      const go = waiting.shift()!
      if (waiting.length > 0) this.#backlog.set(client, { account, waiting })
      account.measure(go)
      if (performance.now() >= end) break
    }
    this.#schedule()
  }
}
