/** How many members are served before others get their turn. */
const sliceLength = 256
/** How long the backlog is worked off before others get their turn. */
const sliceMs = 2

export interface TurnsOptions<Member> {
  /** Who is served. They may come and go during a round: those who come are served in it, those who go are not. */
  members: ReadonlySet<Member>
  serve: (member: Member) => void
  /** Called when a round begins and when it ends. */
  onBoundary: () => void
}

/**
 * Gives members their turns so that none of them, however many they are, holds up the event loop. What is new is served
 * in rounds: each member once, a slice of them in a tick, one round at a time. Those who are behind go on from a
 * backlog, first come, first served, for some milliseconds in a tick. Nothing is called before the caller has returned.
 */
export class Turns<Member> {
  #options: TurnsOptions<Member>
  #hasRound = false
  /** Whether another round was asked for since this one began. */
  #wantsAnother = false
  /** What those who are behind go on with. */
  #backlog: (() => void)[] = []

  constructor(options: TurnsOptions<Member>) {
    this.#options = options
  }

  /** Whether a round is under way, or is to begin. */
  get hasRound(): boolean {
    return this.#hasRound
  }

  /**
   * Has each member served, in a round that begins in the next tick: all that comes until then goes out together.
   * During
   * a round there is another one after it, since some have been served before.
   */
  scheduleRound(): void {
    this.#wantsAnother = true
    if (this.#hasRound) return
    this.#hasRound = true
    setImmediate(() => this.#begin())
  }

  /** Has this done when those are done who came to the backlog before. */
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

  /** What is added meanwhile is part of it. */
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
