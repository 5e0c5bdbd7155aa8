import { Allowance } from '../allowance.js'

/** Events that an agent may cause in a second in the long run, and at once: all its nodes may change together. */
const perSecond = 20
const burst = 5_000
/** Length of an event, as JSON, that counts as one: longer ones count as several. */
const unitLength = 512
/** How long events are counted that were left out, before that is told. */
const gatherMs = 5_000

/**
 * Limits how many events each agent causes: one that is out of its mind, or in the wrong hands, must not push the
 * events of all others out of the log.
 */
export class EventAllowance {
  #allowance: Allowance
  #tell: (instance: string, message: string) => void
  #leftOut = new Map<string, { count: number; timer: NodeJS.Timeout }>()

  /** `tell` is called every few seconds for an instance whose events were left out, with how many. */
  constructor(tell: (instance: string, message: string) => void, now: () => number) {
    this.#allowance = new Allowance({ perSecond, burst, now })
    this.#tell = tell
  }

  /** Counts an event. Returns whether the instance may cause it; counted as left out when not. */
  take(instance: string, event: object): boolean {
    if (this.#allowance.take(instance)) {
      this.#allowance.charge(instance, Math.floor(JSON.stringify(event).length / unitLength))
      return true
    }
    const known = this.#leftOut.get(instance)
    if (known) known.count++
    else this.#leftOut.set(instance, { count: 1, timer: setTimeout(() => this.#report(instance), gatherMs).unref() })
    return false
  }

  close(): void {
    for (const { timer } of this.#leftOut.values()) clearTimeout(timer)
  }

  #report(instance: string): void {
    const count = this.#leftOut.get(instance)?.count
    this.#leftOut.delete(instance)
    const why = `its agent causes more than ${perSecond} a second; read the state anew`
    this.#tell(instance, `${count} events of instance ${instance} were left out: ${why}`)
  }
}
