/** Those who wait for something to be over, by its name. */
export class Waiting {
  #waiting = new Map<string, Set<() => void>>()

  /** Resolves when `release` is called for the name, the time is over, or the signal aborts. */
  async wait (name: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const others = this.#waiting.get(name) ?? new Set()
    this.#waiting.set(name, others)
    await new Promise<void>(resolve => {
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        others.delete(done)
        if (others.size === 0) this.#waiting.delete(name)
        resolve()
      }
      const timer = setTimeout(done, timeoutMs)
      signal.addEventListener('abort', done, { once: true })
      others.add(done)
    })
  }

  release (name: string): void {
    for (const done of this.#waiting.get(name) ?? []) done()
  }
}
