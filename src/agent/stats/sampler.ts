import { setTimeout as sleep } from 'node:timers/promises'
import type { NodeStats } from '../../../schemas/operations.js'
import type { Outcome } from '../../../schemas/types.js'
import { AppError } from '../../errors.js'
import { defined } from '../../util.js'
import { readMetrics } from './exposition.js'
import { hidden } from '../nodes/hidden.js'
import type { ManagedNode } from '../nodes/managed-node.js'
import { endpointOf, readEndpoint, type MetricsText } from './metrics-endpoint.js'
import type { NodeTable } from '../nodes/node-table.js'
import { readProcess } from './proc.js'
import { ratesOf, type Reading, type Sample } from './rates.js'

/** Timeouts for a node's metrics endpoint, in milliseconds: for a sample, and for a request for all that it serves. */
const sampleMs = 2_000
const proxyMs = 4_000
/** Shortest time between two readings of a request that rates are computed from, in milliseconds. */
const apartMs = 1_000

/** Zeek's names of what is sampled. The first four are of its script misc/stats, the last is of its core. */
const names = {
  packets_received: 'zeek_net_received_packets_total',
  packets_dropped: 'zeek_net_dropped_packets_total',
  packets_link: 'zeek_net_link_packets_total',
  packet_lag: 'zeek_net_packet_lag_seconds',
  sessions: 'zeek_active_sessions'
} as const

export interface Watch {
  duration: number
  interval: number
}

type Sampled = Pick<NodeTable, 'get' | 'share' | 'statuses' | 'each'>
type Sink = (samples: ReadonlyMap<string, Sample>) => Promise<void>

/** Samples what the nodes of this instance use and see: at the interval until the signal aborts, and on request. */
export class Sampler {
  #table: Sampled
  /** Samples that were last taken at the interval, by node. */
  #last: ReadonlyMap<string, Sample> = new Map()
  /** When each node has last received a packet. */
  #received = new Map<string, { process: string; count: number; at: number }>()
  /** Readings that are under way, by node: requests that come meanwhile share them. */
  #reading = new Map<string, Promise<Reading>>()

  /** `sampled` is called each time with the samples of the nodes that run; it never rejects. */
  constructor(table: Sampled, sampled: Sink, intervalMs: number, signal: AbortSignal) {
    this.#table = table
    void this.#run(sampled, intervalMs, signal)
  }

  /**
   * Samples nodes, one outcome each: with rates since the sampler's last sample, or over a second when there is none of
   * that process. With `watch` samples are sent as parts, and the outcomes are the last ones; the first sample of a
   * process has no rates.
   */
  async stats(
    nodes: readonly string[],
    watch: Watch | undefined,
    signal: AbortSignal,
    part: (stats: NodeStats[]) => void
  ): Promise<Outcome[]> {
    if (!watch) return await this.#table.each(nodes, async node => ({ stats: await this.#sample(node, signal) }))
    const before = new Map(nodes.map(name => [name, this.#last.get(name)?.reading]))
    const start = performance.now()
    for (;;) {
      const outcomes = await this.#table.each(nodes, async node => {
        const reading = await this.#read(node)
        const stats = ratesOf(before.get(reading.stats.node), reading)
        before.set(reading.stats.node, reading)
        return { stats }
      })
      const stats = outcomes.flatMap(({ data }) => data?.stats ?? [])
      if (stats.length > 0) part(stats)
      const elapsed = (performance.now() - start) / 1000
      // Samples that a slow machine has missed are not made up for.
      const next = (Math.floor(elapsed / watch.interval) + 1) * watch.interval
      if (signal.aborted || next > watch.duration) return outcomes
      await sleep((next - elapsed) * 1000, undefined, { signal }).catch(() => {})
    }
  }

  /** Returns all that a node's metrics endpoint serves. Throws `not_found` or `unavailable`. */
  async metrics(name: string): Promise<MetricsText> {
    const node = this.#table.get(name)
    if (!node) throw new AppError('not_found', 'unknown cluster node')
    if (pidOf(node) === undefined) throw notRunning(name)
    const endpoint = this.#table.share && endpointOf(this.#table.share, name)
    if (endpoint === undefined) throw new AppError('unavailable', `node ${name} has no metrics port`)
    const metrics = await readEndpoint(endpoint, proxyMs)
    // Labels can hold anything.
    return { ...metrics, text: hidden(node, metrics.text) }
  }

  /** Samples at the interval until the signal aborts. Never rejects. */
  async #run(sampled: Sink, intervalMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const samples = await Promise.all(
        this.#table.statuses().map(async ({ node: name }) => {
          const node = this.#table.get(name)
          const reading = node && (await this.#read(node).catch(() => {}))
          return reading ? [[name, { reading, stats: ratesOf(this.#last.get(name)?.reading, reading) }] as const] : []
        })
      )
      this.#last = new Map(samples.flat())
      for (const name of this.#received.keys()) if (!this.#last.has(name)) this.#received.delete(name)
      await sampled(this.#last)
      await sleep(intervalMs, undefined, { signal }).catch(() => {})
    }
  }

  async #sample(node: ManagedNode, signal: AbortSignal): Promise<NodeStats> {
    let before = this.#last.get(node.node.name)?.reading
    let reading = await this.#read(node)
    if (before?.process !== reading.process || reading.at - before.at < apartMs) {
      before = reading
      await sleep(apartMs, undefined, { signal }).catch(() => {})
      reading = await this.#read(node)
    }
    return ratesOf(before, reading)
  }

  async #read(node: ManagedNode): Promise<Reading> {
    const { name } = node.node
    const reading = this.#reading.get(name) ?? this.#readAnew(node).finally(() => this.#reading.delete(name))
    this.#reading.set(name, reading)
    return await reading
  }

  async #readAnew(node: ManagedNode): Promise<Reading> {
    const { name } = node.node
    const pid = pidOf(node)
    const endpoint = this.#table.share && endpointOf(this.#table.share, name)
    const [use, metrics] = await Promise.all([
      pid === undefined ? undefined : readProcess(pid),
      pid === undefined || endpoint === undefined
        ? undefined
        : readEndpoint(endpoint, sampleMs).then(
            ({ text }) => readMetrics(text, Object.values(names)),
            () => undefined
          )
    ])
    if (pid === undefined || !use) throw notRunning(name)
    const count = (key: keyof typeof names) => amount(metrics?.get(names[key]), Math.round)
    const reading: Reading = {
      process: `${pid} ${use.startTicks}`,
      at: performance.now(),
      stats: defined({
        node: name,
        time: new Date().toISOString(),
        pid,
        uptime: use.uptime,
        cpu_seconds: use.cpuSeconds,
        memory_bytes: use.memoryBytes,
        threads: use.threads,
        packets_received: count('packets_received'),
        packets_dropped: count('packets_dropped'),
        packets_link: count('packets_link'),
        packet_lag: amount(metrics?.get(names.packet_lag)),
        sessions: count('sessions'),
        reporter_errors: node.errors
      })
    }
    const idle = node.node.interface === undefined ? undefined : this.#idle(reading)
    return idle === undefined ? reading : { ...reading, stats: { ...reading.stats, idle } }
  }

  /**
   * Returns the seconds since a packet was received, as far as was seen: one from before the first reading counts as
   * received at that reading.
   */
  #idle({ process, at, stats: { node, packets_received: count, uptime } }: Reading): number | undefined {
    if (count === undefined) return undefined
    const known = this.#received.get(node)
    if (known?.process === process && known.count === count) return (at - known.at) / 1000
    const never = known?.process !== process && count === 0
    this.#received.set(node, { process, count, at: never ? at - uptime * 1000 : at })
    return never ? uptime : 0
  }
}

/** Returns the process ID of a node that has a process, whatever that does. */
function pidOf({ status: { state, pid } }: ManagedNode): number | undefined {
  return state === 'RUNNING' || state === 'PENDING' || state === 'UNKNOWN' ? pid : undefined
}

const notRunning = (name: string) => new AppError('unavailable', `cluster node ${name} not in running state`)

/**
 * Returns the value of a metric; undefined for what no counter or gauge of ours can be. Clocks that differ a little
 * make a lag negative, which becomes 0.
 */
function amount(value: number | undefined, round = (value: number) => value): number | undefined {
  return value === undefined || value > Number.MAX_SAFE_INTEGER ? undefined : Math.max(0, round(value))
}
