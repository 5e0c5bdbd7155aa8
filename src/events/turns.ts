/** How many members are served before others get their turn. */
const sliceLength = 256
/** Milliseconds for which the backlog is processed before others get their turn. */
const sliceMs = 2

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
 * backlog, first come, first served, for some milliseconds per tick. Nothing is called before the caller has returned.
 */
export class Turns<Member> {
  #options: TurnsOptions<Member>
  #hasRound = false
  /** Whether another round was requested since this one began. */
  #wantsAnother = false
  /** Callbacks with which members that are behind continue. */
  #backlog: (() => void)[] = []

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

  /** Calls `go` after everything that is in the backlog already. */
  later(go: () => void): void {
    this.#backlog.push(go)
    if (this.#backlog.length === 1) setImmediate(() => this.#workOff())
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
    let done = 0
    for (const go of this.#backlog) {
      go()
      done++
      if (performance.now() >= end) break
    }
    this.#backlog.splice(0, done)
    if (this.#backlog.length > 0) setImmediate(() => this.#workOff())
  }
}
