import type { Topology, TopologyCpu } from '../../schemas/topology.js'

/** A host that has told of itself, as the workers of one interface see it. */
export interface Site {
  topology: Topology
  /** The network interface. */
  device: string
  /** The NUMA node that the interface is on; undefined where that is unknown. */
  near: number | undefined
  /** Its receive queues; undefined for what is no interface that the host has told of. */
  queues: number | undefined
}

/** Returns a host as seen from a packet source, as `eth1` or `af_packet::eth1`. */
export function siteOf(source: string, topology: Topology): Site {
  const device = source.slice(source.lastIndexOf(':') + 1)
  const told = topology.interfaces.find(({ name }) => name === device)
  return { topology, device, near: told?.numa, queues: told?.queues }
}

/** Returns what is known of where a CPU is, as `physical core 7 of NUMA node 1, where eth1 is`. */
export function placeText({ core, numa }: TopologyCpu, { device, near }: Site): string {
  const parts = [
    ...(core === undefined ? [] : [`physical core ${core}`]),
    ...(numa === undefined ? [] : [`NUMA node ${numa}`])
  ]
  const relation = near === numa ? `, where ${device} is` : `; ${device} is on node ${near}`
  return parts.join(' of ') + (numa === undefined || near === undefined ? '' : relation)
}
