import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

const pauseMs = 100
/** A controller that is frozen never answers. */
const patienceMs = 3_000

/** Stages the same configuration again and again, with whichever controller answers, each time until it is accepted. */
export class Writer {
  /** What was accepted: ids of requests by their keys. */
  readonly #accepted = new Map<string, string>()
  readonly #urls: readonly string[]
  readonly #body: string
  readonly #running: Promise<void>
  #stopping = false

  private constructor(urls: readonly string[], config: object) {
    this.#urls = urls
    this.#body = JSON.stringify({ config })
    this.#running = this.#run()
  }

  /** `urls`: those of the controllers. */
  static start(urls: readonly string[], config: object): Writer {
    return new Writer(urls, config)
  }

  /** How many were accepted. */
  get count(): number {
    return this.#accepted.size
  }

  /** Resolves with what was accepted, by key. */
  async stop(): Promise<ReadonlyMap<string, string>> {
    this.#stopping = true
    await this.#running
    return this.#accepted
  }

  async #run(): Promise<void> {
    for (let turn = 0; !this.#stopping;) {
      const key = randomUUID()
      for (;;) {
        const reqid = await this.#ask(this.#urls[turn++ % this.#urls.length]!, key).catch(() => undefined)
        if (reqid !== undefined) {
          this.#accepted.set(key, reqid)
          break
        }
        await sleep(pauseMs)
      }
      await sleep(pauseMs)
    }
  }

  /** Resolves with the id of the request, if it is accepted. */
  async #ask(url: string, key: string): Promise<string | undefined> {
    const response = await fetch(`${url}/v1/requests/stage_configuration`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: this.#body,
      signal: AbortSignal.timeout(patienceMs)
    })
    const { reqid } = (await response.json()) as { reqid?: string }
    return response.ok ? reqid : undefined
  }
}
