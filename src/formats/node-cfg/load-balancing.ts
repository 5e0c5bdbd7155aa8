import type { ClusterRole } from '../../../schemas/types.js'

export const methods = ['af_packet', 'pf_ring', 'myricom', 'custom', 'interfaces'] as const
export type Method = (typeof methods)[number]

/** A node of ZeekControl, one per process. */
export interface ZeekctlNode {
  name: string
  role: ClusterRole
  host: string
  interface: string
  cpu: number | undefined
  env: Record<string, string>
  scripts: string[]
  options: Record<string, string>
  balancing?: { method: Method; processes: number }
}

// ZeekControl's defaults; zeekctl.cfg can have others.
const clusterId = 21
const firstAppInstance = 0
const perFlow = 'PCAP_PF_RING_USE_CLUSTER_PER_FLOW_4_TUPLE'

/** Sets interfaces and environment as ZeekControl's plugins do; what a node already has in its `env` is kept. */
export function balanced(nodes: readonly ZeekctlNode[]): ZeekctlNode[] {
  const pfRing = pfRings()
  return nodes.map(node => {
    switch (node.balancing?.method) {
      case 'af_packet':
        return { ...node, interface: `af_packet::${node.interface}` }
      case 'myricom':
        return { ...node, env: { SNF_NUM_RINGS: String(node.balancing.processes), SNF_FLAGS: '0x101', ...node.env } }
      case 'pf_ring':
        return pfRing(node)
      default:
        return node
    }
  })
}

/**
 * Returns a function that sets up PF_RING. Each interface of a host is a cluster of its own; the processes of an
 * interface that PF_RING itself spreads (ZC, DNA) are numbered.
 */
function pfRings(): (node: ZeekctlNode) => ZeekctlNode {
  const clusters = new Map<string, Map<string, number>>()
  let appInstance = firstAppInstance
  return node => {
    const ofHost = clusters.get(node.host) ?? new Map<string, number>()
    clusters.set(node.host, ofHost)
    if (!ofHost.has(node.interface)) {
      appInstance = firstAppInstance
      ofHost.set(node.interface, clusterId + ofHost.size)
    }
    const isCounted = /^(zc:|pf_ring::zc:|dna)/.test(node.interface)
    const source = isCounted ? `${node.interface}@${appInstance}` : node.interface
    appInstance++
    const env = {
      [perFlow]: '1',
      ...(/^(zc:|pf_ring::zc:)/.test(node.interface) ? { PCAP_PF_RING_ZC_RSS: '1' } : {}),
      ...(/^dna(?!cl)/.test(node.interface) ? { PCAP_PF_RING_DNA_RSS: '1' } : {}),
      ...(isCounted ? {} : { PCAP_PF_RING_CLUSTER_ID: String(ofHost.get(node.interface)) }),
      PCAP_PF_RING_APPNAME: `zeek-${source}`,
      ...node.env
    }
    return { ...node, interface: source, env }
  }
}
