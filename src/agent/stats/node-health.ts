import type { HealthReport } from '../../../schemas/operations.js'
import { defined } from '../../util.js'
import { writesLogs } from '../../zeek/layout.js'
import { follow, verdictOf, type FanOut } from './fan-out.js'
import { growthOf, readLogs, type LogGrowth } from './log-growth.js'
import type { ManagedNode } from '../nodes/managed-node.js'
import type { NodeTable } from '../nodes/node-table.js'
import type { Sample } from './rates.js'

interface Logs {
  growth: LogGrowth
  idle: number
}

/** Health of the agent's nodes, as it is reported to the controller: drawn from successive samples. */
export class NodeHealth {
  #table: Pick<NodeTable, 'get' | 'share' | 'statuses'>
  #directoryOf: (node: string) => string
  #samples: ReadonlyMap<string, Sample> = new Map()
  #logs = new Map<string, Logs>()
  /** By network device. */
  #fanOuts = new Map<string, FanOut>()

  /** `directoryOf` returns the directory in which a node works, and so has its logs. */
  constructor(table: Pick<NodeTable, 'get' | 'share' | 'statuses'>, directoryOf: (node: string) => string) {
    this.#table = table
    this.#directoryOf = directoryOf
  }

  /** Takes the latest samples of the nodes that run, by name. */
  async note(samples: ReadonlyMap<string, Sample>): Promise<void> {
    this.#samples = samples
    this.#fanOuts = this.#spread()
    this.#logs = new Map(
      (
        await Promise.all(
          [...samples].map(async ([name, sample]) => {
            const logs = await this.#growth(name, sample)
            return logs ? [[name, logs] as const] : []
          })
        )
      ).flat()
    )
  }

  report(): Pick<HealthReport, 'nodes' | 'fan_out'> {
    const names = new Set(this.#table.share?.layout.nodes.map(({ name }) => name))
    const nodes = this.#nodes().map(({ node: { name, interface: source }, unseen }) => {
      // A node may report anything: the health report must not be refused because of it.
      const missed = unseen.filter(other => names.has(other))
      const stats = source === undefined ? undefined : this.#samples.get(name)?.stats
      const { dropped_percent: dropped, packets_per_second: packets, idle } = stats ?? {}
      const logsIdle = this.#logs.get(name)?.idle
      return defined({
        node: name,
        dropped_percent: dropped,
        packets_per_second: packets,
        idle,
        logs_idle: logsIdle,
        unseen: missed.length === 0 ? undefined : missed
      })
    })
    const fanOut = [...this.#fanOuts].flatMap(([device, known]) => {
      const verdict = verdictOf(known)
      return verdict ? [{ interface: device, ...verdict }] : []
    })
    const telling = nodes.filter(node => Object.keys(node).length > 1)
    return { nodes: telling, ...(fanOut.length === 0 ? {} : { fan_out: fanOut }) }
  }

  #nodes(): ManagedNode[] {
    return this.#table.statuses().flatMap(({ node }) => this.#table.get(node) ?? [])
  }

  #spread(): Map<string, FanOut> {
    const groups = new Map<string, ManagedNode[]>()
    for (const node of this.#nodes()) {
      if (node.node.interface === undefined || node.status.state !== 'RUNNING') continue
      const device = deviceOf(node.node.interface)
      groups.set(device, [...(groups.get(device) ?? []), node])
    }
    return new Map(
      [...groups].flatMap(([device, nodes]) => {
        const before = this.#fanOuts.get(device)
        const counts = nodes.flatMap(({ node: { name } }) => {
          const reading = this.#samples.get(name)?.reading
          // The kernel's count for a worker does not depend on how far the worker has come.
          const packets = reading?.stats.packets_link ?? reading?.stats.packets_received
          return packets === undefined ? [] : [{ node: name, process: reading!.process, packets }]
        })
        const at = Math.max(...nodes.map(({ node: { name } }) => this.#samples.get(name)?.reading.at ?? 0))
        // A worker whose count could not be read this time is counted the next time.
        const after = counts.length < nodes.length ? before : follow(before, at, counts)
        return nodes.length > 1 && after ? [[device, after] as const] : []
      })
    )
  }

  async #growth(
    name: string,
    {
      reading: {
        process,
        at,
        stats: { uptime }
      }
    }: Sample
  ): Promise<Logs | undefined> {
    const node = this.#table.get(name)?.node
    if (!node || !this.#table.share || !writesLogs(node.role, this.#table.share.layout)) return undefined
    const files = await readLogs(this.#directoryOf(name))
    const growth = growthOf(this.#logs.get(name)?.growth, files, { at, now: Date.now(), process, uptime })
    return growth && { growth, idle: (at - growth.at) / 1000 }
  }
}

/** Returns the device of a packet source; all packet sources that name one device count as one. */
const deviceOf = (source: string) => source.replace(/^\w+::/, '')
