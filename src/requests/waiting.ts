/** Lets code wait for events, each identified by a name. */
export class Waiting {
  #waiting = new Map<string, Set<() => void>>()

  /**
   * Resolves when `release` is called for the name, the timeout has passed, or one of the signals aborts. It takes
   * several signals because AbortSignal.any would leave something behind in a signal that lives as long as the server.
   */
  async wait(name: string, timeoutMs: number, ...signals: readonly AbortSignal[]): Promise<void> {
    if (signals.some(({ aborted }) => aborted)) return
    const others = this.#waiting.get(name) ?? new Set()
    this.#waiting.set(name, others)
    await new Promise<void>(resolve => {
      const done = () => {
        clearTimeout(timer)
        for (const signal of signals) signal.removeEventListener('abort', done)
        others.delete(done)
        if (others.size === 0) this.#waiting.delete(name)
        resolve()
      }
      const timer = setTimeout(done, timeoutMs)
      for (const signal of signals) signal.addEventListener('abort', done, { once: true })
      others.add(done)
    })
  }

  release(name: string): void {
    for (const done of this.#waiting.get(name) ?? []) done()
  }
}
