import type { HostProbes } from './host-probes.js'
import { isInTheWay, isOurs, type Own } from './listeners.js'
import type { NodeTable } from '../nodes/node-table.js'

/** Returns what is ours on this host now: the nodes that run, and these processes. */
export function ownOf(table: Pick<NodeTable, 'share' | 'statuses'>, processes: readonly number[]): Own {
  const running = table.statuses().filter(({ pid }) => pid !== undefined)
  const hub = table.share?.layout.hub
  const ports = running.flatMap(({ node, port, metrics_port: metricsPort }) => [
    port,
    metricsPort,
    ...(hub?.node === node ? [hub.xpub_port, hub.xsub_port] : [])
  ])
  return {
    pids: new Set([...processes, ...running.map(({ pid }) => pid!)]),
    ports: new Set(ports.filter(port => port !== undefined))
  }
}

/**
 * Returns, sorted, the ports at which nothing of ours could listen at this address because foreign processes do. `own`
 * returns what is ours at the time of the call.
 */
export async function takenPorts(
  host: Pick<HostProbes, 'listeners'>,
  address: string,
  own: () => Own
): Promise<number[]> {
  const before = own()
  const listeners = await host.listeners()
  // Nodes may be restarted meanwhile.
  const ours = [before, own()]
  const strangers = listeners.filter(
    listener => isInTheWay(listener, address) && !ours.some(own => isOurs(listener, own))
  )
  return [...new Set(strangers.map(({ port }) => port))].sort((a, b) => a - b)
}
