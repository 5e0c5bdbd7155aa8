import { AppError } from '../../errors.js'
import { Waiting } from '../../requests/waiting.js'
import { maxTimerMs } from '../../util.js'

/** Why a rollout is to end before its time: `cancel` as its own arguments say, `revert` by going back. */
export interface Stop {
  kind: 'cancel' | 'revert'
  why: string
}

const bell = 'direction'

/** What people have said of a rollout while it is under way. */
export class Direction {
  #waiting = new Waiting()
  #ending = new AbortController()
  #paused: string | undefined
  #promoted = false
  #atCanary = false
  #stop: Stop | undefined
  #closed: string | undefined

  /** Aborted once it is to end before its time. */
  get ending(): AbortSignal {
    return this.#ending.signal
  }
  get stop(): Stop | undefined {
    return this.#stop
  }
  /** Who has paused it; undefined while it is not paused. */
  get paused(): string | undefined {
    return this.#paused
  }

  /** Has it wait before its next step. Throws `conflict` when it does already, or is ending. */
  pause(who = 'someone'): void {
    this.#mustGoOn()
    if (this.#paused !== undefined) throw new AppError('conflict', `the rollout is paused already, by ${this.#paused}`)
    this.#paused = who
  }

  resume(): void {
    this.#mustGoOn()
    if (this.#paused === undefined) throw new AppError('conflict', 'the rollout is not paused')
    this.#paused = undefined
    this.#waiting.release(bell)
  }

  /** Has it go on after its canary. Throws `conflict` when it does not wait there. */
  promote(): void {
    this.#mustGoOn()
    if (!this.#atCanary) throw new AppError('conflict', 'the rollout does not wait at a canary')
    this.#promoted = true
    this.#waiting.release(bell)
  }

  revert(who = 'someone'): void {
    this.#end({ kind: 'revert', why: `${who} has reverted it` })
  }
  cancel(who = 'someone'): void {
    this.#end({ kind: 'cancel', why: `${who} has cancelled it` })
  }

  /** From now on all is refused: the rollout does what this says. */
  close(what: string): void {
    this.#closed ??= what
  }

  /** Resolves when it is not paused, or is to end. */
  async resumed(signal: AbortSignal): Promise<void> {
    while (this.#paused !== undefined && !this.#stop && !signal.aborted) {
      await this.#waiting.wait(bell, maxTimerMs, signal)
    }
  }

  /** Resolves when its canary is promoted, it is to end, or the time is over. Returns whether it was promoted. */
  async promoted(ms: number, signal: AbortSignal): Promise<boolean> {
    const until = performance.now() + ms
    this.#atCanary = true
    for (let left = ms; left > 0 && !this.#promoted && !this.#stop && !signal.aborted;) {
      await this.#waiting.wait(bell, left, signal)
      left = until - performance.now()
    }
    this.#atCanary = false
    return this.#promoted
  }

  #end(stop: Stop): void {
    this.#mustGoOn()
    this.#stop = stop
    this.#ending.abort()
    this.#waiting.release(bell)
  }

  #mustGoOn(): void {
    const what = this.#stop ? `is ending: ${this.#stop.why}` : this.#closed
    if (what !== undefined) throw new AppError('conflict', `the rollout ${what}`)
  }
}
