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

/** How ZeekControl has PF_RING and packet sources of plugins divide packets. */
export interface Balancing {
  /** The first id of a cluster of PF_RING; 0: nothing is set up for PF_RING. */
  clusterId: number
  /** The variable that says by what PF_RING divides packets. */
  perFlow: string
  /** The number of the first process at an interface that PF_RING itself spreads. */
  firstAppInstance: number
  /** What comes before and behind the interface of lb_method = custom. */
  prefix: string
  suffix: string
}

const perFlow = 'PCAP_PF_RING_USE_CLUSTER_PER_'

/** PFRINGClusterType, and the variable of each. */
export const perFlowTypes: Readonly<Record<string, string>> = {
  '2-tuple': `${perFlow}FLOW_2_TUPLE`,
  '4-tuple': `${perFlow}FLOW_4_TUPLE`,
  '5-tuple': `${perFlow}FLOW_5_TUPLE`,
  'tcp-5-tuple': `${perFlow}FLOW_TCP_5_TUPLE`,
  '6-tuple': `${perFlow}FLOW`,
  'inner-2-tuple': `${perFlow}INNER_FLOW_2_TUPLE`,
  'inner-4-tuple': `${perFlow}INNER_FLOW_4_TUPLE`,
  'inner-5-tuple': `${perFlow}INNER_FLOW_5_TUPLE`,
  'inner-tcp-5-tuple': `${perFlow}INNER_FLOW_TCP_5_TUPLE`,
  'inner-6-tuple': `${perFlow}INNER_FLOW`
}

/** ZeekControl's defaults. */
export const defaultBalancing: Balancing = {
  clusterId: 21,
  perFlow: perFlowTypes['4-tuple']!,
  firstAppInstance: 0,
  prefix: '',
  suffix: ''
}

/** Sets interfaces and environment as ZeekControl's plugins do; what a node already has in its `env` is kept. */
export function balanced(nodes: readonly ZeekctlNode[], balancing: Balancing): ZeekctlNode[] {
  const { clusterId, prefix, suffix } = balancing
  const pfRing = clusterId === 0 ? (node: ZeekctlNode) => node : pfRings(balancing)
  return nodes.map(node => {
    switch (node.balancing?.method) {
      case 'af_packet':
        return { ...node, interface: `af_packet::${node.interface}` }
      case 'custom':
        return { ...node, interface: `${prefix}${node.interface}${suffix}` }
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
function pfRings({ clusterId, perFlow, firstAppInstance }: Balancing): (node: ZeekctlNode) => ZeekctlNode {
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
