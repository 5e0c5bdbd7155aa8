import { isIPv6 } from 'node:net'
import type { Layout, LayoutNode } from '../../schemas/agent.js'

/** The script from which every node reads the cluster; Zeek looks for this name along ZEEKPATH. */
export const layoutFile = 'cluster-layout.zeek'

const address = (host: string) => (isIPv6(host) ? `[${host}]` : host)

function entry(node: LayoutNode, manager: string | undefined): string {
  const fields = [`$node_type=Cluster::${node.role}`, `$ip=${address(node.host)}`]
  if (node.port !== undefined) fields.push(`$p=${node.port}/tcp`)
  if (manager !== undefined && node.role !== 'MANAGER') fields.push(`$manager="${manager}"`)
  if (node.metrics_port !== undefined) fields.push(`$metrics_port=${node.metrics_port}/tcp`)
  return `\t["${node.name}"] = [${fields.join(', ')}],`
}

const hasLogger = (layout: Layout) => layout.nodes.some(node => node.role === 'LOGGER')

/** Returns whether nodes of this role write logs: without a logger the manager does. */
export function writesLogs(role: LayoutNode['role'], layout: Layout): boolean {
  return role === 'LOGGER' || (role === 'MANAGER' && !hasLogger(layout))
}

/**
 * Returns whether others connect to a node of a cluster that uses ZeroMQ: to the hub, and to send logs to who writes
 * them.
 */
export const isServer = ({ name, role }: Pick<LayoutNode, 'name' | 'role'>, layout: Layout): boolean =>
  name === layout.hub?.node || writesLogs(role, layout)

/** Returns where nodes at an address serve their metrics. */
export const metricsHostOf = ({ metrics_host: host }: Layout, own: string): string => host ?? own

/**
 * Returns the text of cluster-layout.zeek, as Zeek's documentation "Spawning a Cluster" shows it. `own`: the address of
 * the instance whose nodes read it.
 */
export function renderLayout(layout: Layout, own: string): string {
  const manager = layout.nodes.find(node => node.role === 'MANAGER')?.name
  return [
    '# Written by zeek-cluster-controller; the next deployment overwrites it.',
    '',
    'redef Cluster::nodes += {',
    ...layout.nodes.map(node => entry(node, manager)),
    '};',
    '',
    ...(hasLogger(layout) ? ['redef Cluster::manager_is_logger = F;', ''] : []),
    '@load base/frameworks/telemetry/options',
    `redef Telemetry::metrics_address = "${address(metricsHostOf(layout, own))}";`,
    'redef Telemetry::metrics_port = Cluster::local_node_metrics_port();',
    ''
  ].join('\n')
}
