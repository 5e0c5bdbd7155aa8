import { isIPv6 } from 'node:net'
import type { AssignedNode, Layout } from '../../schemas/agent.js'

/** Our script, which each node loads; its place in the repository is beside this file. */
export const nodeScript = 'zeek-cluster-controller.zeek'
/** Its sister, which comes before the node's own scripts. */
export const defaultsScript = 'zeek-cluster-defaults.zeek'

/** What of our own environment a node gets. Everything else stays ours: it may hold secrets. */
const inherited =
  /^(PATH|HOME|LANG|LC_[A-Z]+|TZ|LD_LIBRARY_PATH|ZEEK_(PLUGIN_PATH|PLUGIN_ACTIVATE|PREFIXES|DNS_RESOLVER|LOG_SUFFIX|BROKER_MAX_THREADS|SEED_FILE|SEED_VALUES|CLUSTER_BACKEND_[A-Z_]+))$/

const endpoint = (host: string, port: number) => `tcp://${isIPv6(host) ? `[${host}]` : host}:${port}`

/**
 * The ZeroMQ proxy's endpoints. "connect" crosses "listen": a node's XPUB socket connects to the proxy's XSUB socket.
 */
function zeromqOptions(node: AssignedNode, { hub }: Layout): string[] {
  if (!hub) return []
  const xpub = endpoint(hub.host, hub.xpub_port)
  const xsub = endpoint(hub.host, hub.xsub_port)
  const prefix = 'Cluster::Backend::ZeroMQ::'
  return [
    `${prefix}run_proxy_thread=${node.name === hub.node ? 'T' : 'F'}`,
    `${prefix}listen_xpub_endpoint=${xpub}`,
    `${prefix}listen_xsub_endpoint=${xsub}`,
    `${prefix}connect_xpub_endpoint=${xsub}`,
    `${prefix}connect_xsub_endpoint=${xpub}`,
    ...(isIPv6(hub.host) ? [`${prefix}ipv6=T`] : [])
  ]
}

/**
 * A value that stays one. Zeek makes `redef name = value;` of an option, where a semicolon would end the statement and
 * the
 * other two begin a comment and a directive; inside of a string, or of a pattern, their escapes mean the same.
 */
const enclosed = (value: string) =>
  value.replace(/\\?([;#@])|\\./gs, (text, mark?: string) => (mark ? `\\x${mark.charCodeAt(0).toString(16)}` : text))

/**
 * A node's command line. The backend and our defaults come first, so that the node's scripts can change what they set;
 * the
 * node's options come last, so that they win.
 */
export function renderCommand(node: AssignedNode, layout: Layout, executable: string): string[] {
  return [
    ...(node.cpu_affinity === undefined ? [] : ['taskset', '-c', String(node.cpu_affinity)]),
    executable,
    `policy/frameworks/cluster/backend/${layout.backend}`,
    defaultsScript,
    ...(node.interface === undefined ? [] : ['-i', node.interface]),
    ...(node.scripts ?? []),
    nodeScript,
    ...(layout.backend === 'zeromq' ? zeromqOptions(node, layout) : []),
    ...Object.entries(node.options ?? {}).map(([name, value]) => `${name}=${enclosed(value)}`)
  ]
}

export interface ZeekPaths {
  /** Where cluster-layout.zeek and our script are. */
  scripts: string
  /** Zeek's own search path. */
  zeekPath: string
}

/** Where and when a node that writes logs rotates them. */
export interface Rotation {
  /** An absolute path. */
  queue: string
  /** In seconds; 0: only logs that a script rotates. */
  interval: number
}

/** How our script learns of the rotation. */
export function renderRotation({ queue, interval }: Rotation): Record<string, string> {
  return { ZEEK_CLUSTER_CONTROLLER_LOG_QUEUE: queue, ZEEK_CLUSTER_CONTROLLER_ROTATION_INTERVAL: String(interval) }
}

/** How our script learns where it talks with its agent. A node that is only parsed does not. */
export function renderChannel(directory: string): Record<string, string> {
  return { ZEEK_CLUSTER_CONTROLLER_CHANNEL: directory }
}

/** What of our own environment a program that we start gets. */
export function inheritedOf(own: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(own).filter((entry): entry is [string, string] => inherited.test(entry[0]) && entry[1] !== undefined)
  )
}

/** All of a node's environment: what it inherits of `own`, then its `env`, then what makes it this node. */
export function renderEnvironment(
  node: AssignedNode,
  paths: ZeekPaths,
  own: NodeJS.ProcessEnv,
  rotation?: Rotation
): Record<string, string> {
  return {
    ...inheritedOf(own),
    ...node.env,
    ...(rotation ? renderRotation(rotation) : {}),
    CLUSTER_NODE: node.name,
    ZEEKPATH: `${paths.scripts}:${node.env?.ZEEKPATH ?? paths.zeekPath}`
  }
}
