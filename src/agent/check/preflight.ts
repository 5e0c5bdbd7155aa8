import { setTimeout as sleep } from 'node:timers/promises'
import type { AssignedNode, Layout } from '../../../schemas/agent.js'
import type { Finding } from '../../../schemas/operations.js'
import type { Executable } from '../../zeek/executable.js'
import { metricsHostOf } from '../../zeek/layout.js'
import { limitsOf } from '../nodes/zeek-program.js'
import type { HostProbes } from './host-probes.js'
import { isInTheWay, isOurs, type Listener, type Own } from './listeners.js'

/** Where the nodes of one check are to run. */
export interface Place {
  host: HostProbes
  layout: Layout
  zeek: Executable
}

/** What the nodes of one check share. */
export interface Surroundings extends Place {
  /** Whether zeek may read packets; undefined when that cannot be determined. */
  maySniff: boolean | undefined
  /** Listeners on the nodes' ports, including ones that are not in the way. */
  listeners: readonly Listener[]
  /** What is ours on this host: it will be free. */
  own: Own
}

/** Free space of a file system, in percent, below which there is a finding. */
const disk = { error: 1, warning: 5 }

/** How long a process that has ended may still appear to listen, in milliseconds. */
const vanishedMs = 250

const error = (message: string): Finding => ({ level: 'error', message })
const warning = (message: string): Finding => ({ level: 'warning', message })

/** Collects what the nodes of a check share. */
export async function surroundingsOf(
  nodes: readonly AssignedNode[],
  place: Place,
  own: () => Own
): Promise<Surroundings> {
  const { host, layout, zeek } = place
  const ports = new Set(nodes.flatMap(node => portsOf(node, layout).map(({ port }) => port)))
  const [first, maySniff] = await Promise.all([host.listeners(ports), host.maySniff(zeek.path)])
  const isClear = first.every(({ holder }) => holder)
  // A listener that ends while its holder is looked for is gone at the second look.
  if (!isClear) await sleep(vanishedMs)
  return { ...place, maySniff, listeners: isClear ? first : await host.listeners(ports), own: own() }
}

/** Returns what on its host would keep a node from running in this environment. */
export async function preflight(
  node: AssignedNode,
  surroundings: Surroundings,
  env: NodeJS.ProcessEnv
): Promise<Finding[]> {
  return [
    ...(await devices(node, surroundings)),
    ...ports(node, surroundings),
    ...(await processor(node, surroundings, env)),
    ...(await limits(node, surroundings))
  ]
}

/** Checks whether the state directory has room. */
export async function diskFindings(host: HostProbes, directory: string): Promise<Finding[]> {
  const free = await host.free(directory)
  if (free === undefined) return [warning(`how much space is free for ${directory} cannot be told`)]
  if (free >= disk.warning) return []
  return [(free < disk.error ? error : warning)(`${free.toFixed(1)} % of the file system of ${directory} is free`)]
}

async function processor(
  { cpu_affinity: cpu }: AssignedNode,
  { host }: Surroundings,
  env: NodeJS.ProcessEnv
): Promise<Finding[]> {
  const why = cpu === undefined ? undefined : await host.unpinnable(cpu, env)
  return why === undefined ? [] : [error(why)]
}

/** What does not hold is no reason to be without the node. */
async function limits(node: AssignedNode, { host }: Surroundings): Promise<Finding[]> {
  const wanted = limitsOf(node)
  const obstacles = wanted ? await host.obstacles(wanted) : []
  return obstacles.map(why => warning(`runs without ${why}`))
}

/** Returns the network device of an interface; undefined for an unknown packet source, and for a file. */
function deviceOf(name: string): string | undefined {
  return /^(?:(?:af_packet|pcap)::)?([^/\s:]+)$/.exec(name)?.[1]
}

async function devices({ interface: name }: AssignedNode, { host, zeek, maySniff }: Surroundings): Promise<Finding[]> {
  const device = name === undefined ? undefined : deviceOf(name)
  if (device === undefined) return []
  const state = device === 'any' ? 'up' : await host.interface(device)
  return [
    ...(state === 'missing' ? [error(`interface ${device} does not exist`)] : []),
    ...(state === 'down' ? [error(`interface ${device} is down`)] : []),
    ...(state === 'no carrier' ? [warning(`interface ${device} has no carrier`)] : []),
    ...(maySniff === false ? [error(`${zeek.path} may not read packets: the capability CAP_NET_RAW is missing`)] : []),
    ...(maySniff === undefined ? [warning(`whether ${zeek.path} may read packets (CAP_NET_RAW) cannot be told`)] : [])
  ]
}

function portsOf(node: AssignedNode, layout: Layout) {
  const { backend, nodes, hub } = layout
  const address = nodes.find(({ name }) => name === node.name)?.host ?? '127.0.0.1'
  return [
    // With ZeroMQ only scripts of the site could use this port.
    ...(node.port === undefined
      ? []
      : [{ what: 'port', port: node.port, address, complain: backend === 'broker' ? error : warning }]),
    ...(node.metrics_port === undefined
      ? []
      : [{ what: 'metrics port', port: node.metrics_port, address: metricsHostOf(layout, address), complain: error }]),
    ...(hub?.node === node.name
      ? [hub.xpub_port, hub.xsub_port].map(port => ({ what: 'ZeroMQ port', port, address: hub.host, complain: error }))
      : [])
  ]
}

function ports(node: AssignedNode, { layout, listeners, own }: Surroundings): Finding[] {
  return portsOf(node, layout).flatMap(({ what, port, address, complain }) => {
    const inTheWay = listeners.find(
      listener => listener.port === port && isInTheWay(listener, address) && !isOurs(listener, own)
    )
    if (!inTheWay) return []
    const { holder } = inTheWay
    return [
      complain(
        `${what} ${port} is held by ${holder ? `${holder.name} (process ${holder.pid})` : 'a process of another user'}`
      )
    ]
  })
}
