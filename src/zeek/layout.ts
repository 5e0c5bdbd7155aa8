import { isIPv6 } from 'node:net'
import type { Layout, LayoutNode } from '../../schemas/agent.js'

/** The script that every node of a cluster reads the cluster from; Zeek looks for this name along ZEEKPATH. */
export const layoutFile = 'cluster-layout.zeek'

const address = (host: string) => isIPv6(host) ? `[${host}]` : host

function entry (node: LayoutNode, manager: string | undefined): string {
  const fields = [`$node_type=Cluster::${node.role}`, `$ip=${address(node.host)}`]
  if (node.port !== undefined) fields.push(`$p=${node.port}/tcp`)
  if (manager !== undefined && node.role !== 'MANAGER') fields.push(`$manager="${manager}"`)
  if (node.metrics_port !== undefined) fields.push(`$metrics_port=${node.metrics_port}/tcp`)
  return `\t["${node.name}"] = [${fields.join(', ')}],`
}

/** The text of cluster-layout.zeek, as Zeek's documentation "Spawning a Cluster" shows it. */
export function renderLayout (layout: Layout): string {
  const manager = layout.nodes.find(node => node.role === 'MANAGER')?.name
  const lines = [
    '# Written by zeek-cluster-controller; it is overwritten by the next deployment.',
    '',
    'redef Cluster::nodes += {',
    ...layout.nodes.map(node => entry(node, manager)),
    '};',
    ''
  ]
  // Without a logger the manager writes the logs.
  if (layout.nodes.some(node => node.role === 'LOGGER')) lines.push('redef Cluster::manager_is_logger = F;', '')
  lines.push(
    '@load base/frameworks/telemetry/options',
    '@if ( Cluster::node in Cluster::nodes )',
    'redef Telemetry::metrics_address = is_v6_addr(Cluster::nodes[Cluster::node]$ip) ? cat("[", Cluster::nodes[Cluster::node]$ip, "]") : cat(Cluster::nodes[Cluster::node]$ip);',
    'redef Telemetry::metrics_port = Cluster::local_node_metrics_port();',
    '@endif',
    ''
  )
  return lines.join('\n')
}
