export interface AllowanceOptions {
  /** How many a key may take in a second in the long run. */
  perSecond: number
  /** How many it may take at once after a pause. */
  burst: number
  /** Returns milliseconds since 1970. */
  now: () => number
}

/** How much each key may still take: a token bucket for each. A key that has taken nothing for long costs nothing. */
export class Allowance {
  #options: AllowanceOptions
  /** What each key has left, as of `at`, in the order in which they last took. */
  #left = new Map<string, { count: number; at: number }>()

  constructor(options: AllowanceOptions) {
    this.#options = options
  }

  /** Takes one. Returns whether there was one left. */
  take(key: string): boolean {
    if (this.leftOf(key) < 1) return false
    this.charge(key, 1)
    return true
  }

  /** Takes what has been used already, even if that is more than there was: the key is then in debt. */
  charge(key: string, amount: number): void {
    this.#forget()
    const count = this.leftOf(key) - amount
    this.#left.delete(key)
    this.#left.set(key, { count, at: this.#options.now() })
  }

  /** Returns whether nothing is left, or less. */
  isUsedUp(key: string): boolean {
    return this.leftOf(key) <= 0
  }

  /** Returns how much is left; below 0 is debt. */
  leftOf(key: string): number {
    const { perSecond, burst, now } = this.#options
    const left = this.#left.get(key)
    return left ? Math.min(burst, left.count + (Math.max(0, now() - left.at) / 1000) * perSecond) : burst
  }

  /** Removes keys whose allowance is full again: they are among those that took longest ago. */
  #forget(): void {
    for (const key of this.#left.keys()) {
      if (this.leftOf(key) < this.#options.burst) break
      this.#left.delete(key)
    }
  }
}
