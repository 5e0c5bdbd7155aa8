import type { Api } from '../../src/client/connection.js'
import { submit } from '../../src/client/requests.js'
import { uniqueId } from '../api.js'
import type { Cluster } from '../model/cluster.js'
import type { DomainEvent } from '../model/types.js'

/** Seconds between samples, as agents take them anyway; and how long a watch lasts before it is renewed. */
const intervalSeconds = 10
const durationSeconds = 300
/** A watch of others counts as over when no sample has come for so long, in milliseconds. */
const silentMs = 2.5 * intervalSeconds * 1000
/** Browsers that find out at once that nobody watches do not all begin to. */
const spreadMs = 5_000
/** After a refusal, and where there are no nodes. */
const againMs = 30_000
/** The lists of nodes are read meanwhile. */
const afterDeployMs = 2_000

/**
 * Sees to it that samples of nodes are on the stream while a tab shows them. All streams have the samples of any watch:
 * so a browser only begins one when no samples come, and many browsers share it.
 */
export class StatsWatch {
  #api: Api
  #cluster: () => Cluster
  #wanting = new Set<string>()
  #isLive = false
  #heardAt = 0
  /** The watch that this browser has begun. */
  #own: string | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(api: Api, cluster: () => Cluster) {
    this.#api = api
    this.#cluster = cluster
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
    if (isWatched(this.#cluster())) this.#heardAt = Date.now()
    this.#plan(Math.random() * 500)
  }

  hear(event: DomainEvent): void {
    if (event.type === 'node_stats') this.#heardAt = Date.now()
    if (event.type === 'get_node_stats_response' && event.reqid === this.#own) {
      this.#own = undefined
      this.#heardAt = 0
      // One that has ended before its time would do so again.
      this.#plan(event.success ? 0 : againMs)
    }
    // A watch has the nodes that there were when it began. All browsers hear of a deployment: one of them is enough.
    if (event.type === 'deploy_response' && (this.#own !== undefined || this.#heardAt === 0)) {
      this.#own = undefined
      this.#heardAt = 0
      this.#plan(afterDeployMs)
    }
  }

  #plan(afterMs: number): void {
    clearTimeout(this.#timer)
    if (!this.#isLive || this.#wanting.size === 0) return
    this.#timer = setTimeout(async () => await this.#look(), afterMs)
  }

  async #look(): Promise<void> {
    if (!hasNodes(this.#cluster())) return this.#plan(againMs)
    const silence = Date.now() - this.#heardAt
    if (silence < silentMs) return this.#plan(silentMs - silence + Math.random() * spreadMs)
    try {
      const args = { watch: true, interval: intervalSeconds, duration: durationSeconds }
      this.#own = (await submit(this.#api, 'get_node_stats', args, { key: uniqueId() })).reqid
      this.#heardAt = Date.now()
      this.#plan(silentMs)
    } catch {
      this.#plan(againMs * (0.5 + Math.random()))
    }
  }
}

const hasNodes = ({ nodes }: Cluster): boolean =>
  [...nodes.values()].some(group => group.some(({ mgmt_role: role }) => role === 'NODE'))

/** Whether a watch of all nodes is pending, whoever has begun it. */
const isWatched = ({ requests }: Cluster): boolean =>
  [...requests.values()].some(
    ({ type, state, arguments: args }) =>
      type === 'get_node_stats' &&
      state === 'pending' &&
      args.watch === true &&
      !args.nodes &&
      !args.roles &&
      !args.instances
  )
