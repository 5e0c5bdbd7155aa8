import type { DomainEvent } from '../model/types.js'
import type { Api } from './hub.js'

/** Seconds between samples, as agents take them anyway; and how long a watch lasts before it is renewed. */
const intervalSeconds = 10
const durationSeconds = 900
/** A watch of others counts as over when no sample has come for so long, in milliseconds. */
const silentMs = 2.5 * intervalSeconds * 1000
/** Browsers that find out at once that nobody watches do not all begin to. */
const spreadMs = 5_000
/** After a refusal. */
const againMs = 30_000

/**
 * Sees to it that samples of nodes are on the stream while a tab shows them. All streams have the samples of any watch:
 * so a browser only begins one when no samples come, and many browsers share it.
 */
export class StatsWatch {
  #api: Api
  #wanting = new Set<string>()
  #isLive = false
  #heardAt = 0
  /** The watch that this browser has begun. */
  #own: string | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(api: Api) {
    this.#api = api
  }

  /** Says whether a tab shows samples. */
  want(tab: string, wanted: boolean): void {
    if (wanted) this.#wanting.add(tab)
    else this.#wanting.delete(tab)
    this.#plan(Math.random() * 500)
  }

  pause(): void {
    this.#isLive = false
    clearTimeout(this.#timer)
  }

  resume(): void {
    this.#isLive = true
    this.#plan(Math.random() * 500)
  }

  hear(event: DomainEvent): void {
    if (event.type === 'node_stats') this.#heardAt = Date.now()
    const isOver =
      event.type === 'get_node_stats_response' || (event.type === 'deploy_response' && this.#own !== undefined)
    if (!isOver || (event.type === 'get_node_stats_response' && event.reqid !== this.#own)) return
    // Another one, also of the nodes that are new.
    this.#own = undefined
    this.#heardAt = 0
    this.#plan(event.type === 'deploy_response' ? 1_000 : 0)
  }

  #plan(afterMs: number): void {
    clearTimeout(this.#timer)
    if (!this.#isLive || this.#wanting.size === 0) return
    this.#timer = setTimeout(async () => await this.#look(), afterMs)
  }

  async #look(): Promise<void> {
    const silence = Date.now() - this.#heardAt
    if (silence < silentMs) return this.#plan(silentMs - silence + Math.random() * spreadMs)
    try {
      const { data } = await this.#api.POST('/v1/requests/get_node_stats', {
        params: { query: {}, header: {} },
        body: { watch: true, interval: intervalSeconds, duration: durationSeconds }
      } as never)
      this.#own = (data as { reqid: string } | undefined)?.reqid
      this.#heardAt = Date.now()
      this.#plan(silentMs)
    } catch {
      this.#plan(againMs * (0.5 + Math.random()))
    }
  }
}
