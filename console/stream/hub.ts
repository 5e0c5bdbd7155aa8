import type { Api } from '../../src/client/connection.js'
import { eventStream, follow, type Control, type OpenStream } from '../../src/client/events.js'
import { Failure } from '../../src/client/failure.js'
import { itemsOf } from '../../src/client/pages.js'
import { pause } from '../../src/client/pause.js'
import {
  afterEvent,
  changesLists,
  clusterOf,
  newsTypes,
  nothingKnown,
  withHistory,
  withLists,
  type Cluster
} from '../model/cluster.js'
import { placeOf } from '../model/cursor.js'
import type { DomainEvent, Snapshot } from '../model/types.js'
import type { Link, ToHub, ToTab } from './messages.js'
import { StatsWatch } from './stats-watch.js'

/** Events that come within so many milliseconds are told together: a screen shows no more than 60 pictures a second. */
const gatherMs = 16
/** Lists are read anew so long after what has changed them; the spread keeps many browsers from asking at once. */
const listsAfterMs = 200
const listsSpreadMs = 800
const historyLength = 50
/** How often tabs hear that the hub is there, in milliseconds. */
const pulseMs = 2_000
/** How long the controller may take to begin the stream, in ms: of several connections that are dead each is tried. */
const openMs = 5_000
/** Pause after a stream that was refused, or whose past is gone. */
const refusedMs = 2_000

/**
 * Keeps the one stream of events that all tabs of a browser share, and the state of the cluster that follows from it.
 * It starts from a snapshot, and goes on over lost connections without a gap; where that cannot be, it starts anew.
 */
export class Hub {
  #api: Api
  #tell: (message: ToTab, tab?: string) => void
  #tabs = new Set<string>()
  #cluster: Cluster = nothingKnown
  #link: Link = { state: 'connecting' }
  #asOf = 0
  /** Where the stream is; undefined: a snapshot is needed. */
  #cursor: string | undefined
  #heartbeatMs = 15_000
  #pulse: ReturnType<typeof setInterval> | undefined
  #following: AbortController | undefined
  #gathered: DomainEvent[] = []
  #gathering: ReturnType<typeof setTimeout> | undefined
  /** Events since the lists are being read, to be applied to them again. */
  #sinceLists: DomainEvent[] | undefined
  #listsTimer: ReturnType<typeof setTimeout> | undefined
  /** The last reading of the lists: the next one waits for it. */
  #lists: Promise<void> = Promise.resolve()
  #watch: StatsWatch

  /** `tell` sends to one tab, or to all. */
  constructor(api: Api, tell: (message: ToTab, tab?: string) => void) {
    this.#api = api
    this.#tell = tell
    this.#watch = new StatsWatch(api, () => this.#cluster)
  }

  hear(message: ToHub): void {
    switch (message.kind) {
      case 'join':
        this.#tabs.add(message.tab)
        if (this.#asOf > 0) this.#tell(this.#whole(), message.tab)
        else this.#tell({ kind: 'link', link: this.#link, asOf: this.#asOf }, message.tab)
        this.#pulse ??= setInterval(() => this.#beat(), pulseMs)
        if (this.#following === undefined) this.#run()
        break
      case 'leave':
        this.#tabs.delete(message.tab)
        this.#watch.want(message.tab, false)
        if (this.#tabs.size === 0) this.close()
        break
      case 'look':
        if (message.doubt === true || this.#isStale) this.#run()
        break
      case 'watch':
        this.#watch.want(message.tab, message.wanted)
        break
    }
  }

  /** Ends the stream. A tab that joins begins it anew. */
  close(): void {
    this.#following?.abort()
    this.#following = undefined
    clearInterval(this.#pulse)
    this.#pulse = undefined
    this.#watch.pause()
  }

  /** Tells the tabs that it is there; looks after a connection that says nothing: a cable that is cut does not. */
  #beat(): void {
    if (this.#link.state === 'live' && this.#isStale) {
      this.#onConnection('the controller is silent')
      this.#run()
    } else this.#tell({ kind: 'pulse', asOf: this.#asOf })
  }

  /** Whether the connection is lost, or should have told something since. */
  get #isStale(): boolean {
    if (this.#link.state === 'connecting') return false
    return this.#link.state !== 'live' || Date.now() - this.#asOf > 1.5 * this.#heartbeatMs + pulseMs
  }

  /** Opens the stream, instead of one that is open: that may be dead without anybody having noticed. */
  #run(): void {
    this.#following?.abort()
    const closing = (this.#following = new AbortController())
    void this.#follow(closing.signal).finally(() => {
      if (this.#following === closing) this.#following = undefined
    })
  }

  async #follow(signal: AbortSignal): Promise<void> {
    let snapshots: Snapshot[] = []
    const onControl = (event: Control) => {
      if (signal.aborted) return
      this.#asOf = Date.now()
      switch (event.type) {
        case 'hello':
          snapshots = []
          this.#heartbeatMs = event.heartbeat_seconds * 1000
          if (this.#cursor !== undefined) this.#become({ state: 'live' })
          break
        case 'snapshot':
          snapshots.push(event)
          break
        case 'snapshot-end':
          this.#begin(snapshots, event.cursor, signal)
          break
        case 'heartbeat':
          this.#cursor = event.cursor
          break
        default:
      }
    }
    // A snapshot that was cut off is asked for once more.
    const open: OpenStream = async (_after, aborted) =>
      await eventStream(this.#api, this.#cursor === undefined ? { snapshot: true } : {})(this.#cursor, aborted)
    const options = {
      signal,
      isKnown: true,
      openMs,
      onControl,
      onConnection: (lost?: string) => this.#onConnection(lost)
    }
    while (!signal.aborted) {
      try {
        for await (const event of follow(open, options)) {
          if (signal.aborted) return
          // The past is gone: begin anew with what is so now.
          if (event.type === 'reset') break
          if (event.type !== 'audit') this.#take(event)
        }
        this.#cursor = undefined
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof Failure && error.code === 'unauthorized') return this.#signOut(error.message)
        this.#onConnection((error as Error).message)
      }
      await pause(refusedMs * (0.5 + Math.random()), signal)
    }
  }

  #onConnection(lost: string | undefined): void {
    if (lost === undefined || this.#link.state === 'signed-out') return
    this.#watch.pause()
    this.#become({ state: 'lost', reason: lost })
  }

  /** Who is not signed in may not see what another has seen. */
  #signOut(reason: string): void {
    this.#watch.pause()
    this.#link = { state: 'signed-out', reason: this.#asOf === 0 ? undefined : reason }
    this.#cluster = nothingKnown
    this.#cursor = undefined
    this.#asOf = 0
    this.#gathered = []
    this.#tell(this.#whole())
  }

  #begin(snapshots: readonly Snapshot[], cursor: string, signal: AbortSignal): void {
    this.#cluster = clusterOf(snapshots, { ...this.#cluster, recent: [] })
    this.#cursor = cursor
    this.#gathered = []
    this.#link = { state: 'live' }
    this.#tell(this.#whole())
    this.#watch.resume()
    void this.#readBeginning(signal)
  }

  /** Reads what a snapshot does not hold. Without it the rest is shown all the same. */
  async #readBeginning(signal: AbortSignal): Promise<void> {
    const [health, history] = await Promise.all([
      this.#api.GET('/v1/health', { signal }).catch(() => undefined),
      this.#api
        .GET('/v1/events/history', {
          params: { query: { limit: historyLength, types: [...newsTypes] } },
          signal
        })
        .catch(() => undefined)
    ])
    if (signal.aborted) return
    const known = health?.data ?? health?.error
    if (known && 'reasons' in known) {
      this.#cluster = { ...this.#cluster, health: { ready: known.ready, reasons: known.reasons } }
    }
    this.#cluster = withHistory(this.#cluster, (history?.data?.events ?? []) as DomainEvent[])
    this.#flush()
    this.#tell(this.#whole())
  }

  #take(event: DomainEvent): void {
    if (changesLists(event, this.#cluster)) this.#readListsSoon()
    this.#cluster = afterEvent(this.#cluster, event)
    this.#cursor = event.cursor
    this.#asOf = Date.now()
    this.#sinceLists?.push(event)
    this.#watch.hear(event)
    this.#gathered.push(event)
    this.#gathering ??= setTimeout(() => this.#flush(), gatherMs)
  }

  #flush(): void {
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    if (this.#gathered.length === 0) return
    this.#tell({ kind: 'events', events: this.#gathered, asOf: this.#asOf })
    this.#gathered = []
  }

  #readListsSoon(): void {
    if (this.#listsTimer !== undefined) return
    this.#listsTimer = setTimeout(
      () => {
        this.#listsTimer = undefined
        this.#lists = this.#lists.then(() => this.#readLists()).catch(() => {})
      },
      listsAfterMs + Math.random() * listsSpreadMs
    )
  }

  /** Reads nodes and instances, and applies to them what has happened meanwhile. */
  async #readLists(): Promise<void> {
    const signal = this.#following?.signal
    if (!signal) return
    const since: DomainEvent[] = (this.#sinceLists = [])
    try {
      let cursor = ''
      const { data } = await this.#api.GET('/v1/instances', { signal })
      const nodes = await itemsOf({ pageMax: 1000 }, async query => {
        const { data: page } = await this.#api.GET('/v1/nodes', { params: { query }, signal })
        cursor ||= page!.event_cursor
        return { items: page!.nodes, next: page!.next }
      })
      const lists = withLists(this.#cluster, nodes, data!.instances)
      const later = since.filter(event => placeOf(event.cursor) > placeOf(cursor))
      const { nodes: ofNodes, instances } = later.reduce(afterEvent, lists)
      this.#cluster = { ...this.#cluster, nodes: ofNodes, instances }
      this.#flush()
      this.#tell(this.#whole())
    } finally {
      this.#sinceLists = undefined
    }
  }

  #become(link: Link): void {
    this.#link = link
    if (link.state === 'live') this.#watch.resume()
    this.#flush()
    this.#tell({ kind: 'link', link, asOf: this.#asOf })
  }

  #whole(): ToTab {
    return { kind: 'cluster', cluster: this.#cluster, link: this.#link, asOf: this.#asOf }
  }
}
