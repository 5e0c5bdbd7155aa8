import { isIPv6 } from 'node:net'
import type { AssignedNode, Layout, SharedKeys } from '../../schemas/agent.js'
import { hasOptions, optionsScript } from './options.js'

/** Our script, which each node loads; in the repository it is beside this file. */
export const nodeScript = 'zeek-cluster-controller.zeek'
/** Our script that is loaded before the node's own scripts. */
export const defaultsScript = 'zeek-cluster-defaults.zeek'
/** All of our scripts: the first one loads the others that are not in its command line. */
export const ourScripts = [nodeScript, 'zeek-cluster-intel.zeek', defaultsScript] as const

/** Variables of our own environment that a node inherits. Everything else is kept from it: it may hold secrets. */
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

const optionsCode = (node: AssignedNode) => (hasOptions(node) ? ['-e', `@load ${optionsScript(node.name)}`] : [])

/** Returns what Zeek is given, up to the node's options. */
function argumentsOf(node: AssignedNode, layout: Layout, loads: readonly string[] = node.scripts ?? []): string[] {
  return [
    `policy/frameworks/cluster/backend/${layout.backend}`,
    defaultsScript,
    ...(node.interface === undefined ? [] : ['-i', node.interface]),
    ...loads,
    nodeScript,
    ...(layout.backend === 'zeromq' ? zeromqOptions(node, layout) : [])
  ]
}

/**
 * Returns a node's command line. `loads`: what it loads beside our scripts. The backend and our defaults come first, so
 * that its scripts can change what they set. The node's options override the rest: code (-e) is what Zeek reads last,
 * after all scripts and arguments. They are in a script, since every user of a host can see the command lines of all.
 */
export function renderCommand(
  node: AssignedNode,
  layout: Layout,
  executable: string,
  loads?: readonly string[]
): string[] {
  return [
    ...(node.cpu_affinity === undefined ? [] : ['taskset', '-c', String(node.cpu_affinity)]),
    executable,
    ...argumentsOf(node, layout, loads),
    ...optionsCode(node)
  ]
}

/**
 * Returns the command line by which Zeek only parses what a node loads, in the directory of the node: a logger that
 * runs there has its logs open, and Zeek would take them for what a crash has left, and rotate them (9.0). The code
 * that keeps it from that is the last, so that no script and no option of the node can have it otherwise.
 */
export function renderParse(
  node: AssignedNode,
  layout: Layout,
  executable: string,
  loads?: readonly string[]
): string[] {
  const [, code] = optionsCode(node)
  const last = [...(code === undefined ? [] : [code]), leavesLogs]
  return [executable, '-a', ...argumentsOf(node, layout, loads), '-e', last.join('\n')]
}

const leavesLogs = 'redef LogAscii::enable_leftover_log_rotation = F;'

/**
 * Returns the command line by which Zeek reads a capture with what a node loads, and its options, but as no node of a
 * cluster. Checksums do not matter: where packets are recorded, they are often not filled in yet.
 */
export function renderReplay(
  node: AssignedNode,
  capture: string,
  executable: string,
  loads: readonly string[] = node.scripts ?? []
): string[] {
  return [executable, '-C', '-r', capture, defaultsScript, ...loads, nodeScript, ...optionsCode(node)]
}

export interface ZeekPaths {
  /** The directory of cluster-layout.zeek and our script. */
  scripts: string
  /** Zeek's own search path. */
  zeekPath: string
  /** The directory of the bundle, if there is one, and a digest of its plugins, if it has any. */
  bundle?: { directory: string; plugins: string | undefined } | undefined
}

/** Where and when a node that writes logs rotates them. */
export interface Rotation {
  /** An absolute path. */
  queue: string
  /** Seconds; 0: only logs that a script rotates. */
  interval: number
}

/** Returns the variables that pass the rotation to our script. */
export function renderRotation({ queue, interval }: Rotation): Record<string, string> {
  return { ZEEK_CLUSTER_CONTROLLER_LOG_QUEUE: queue, ZEEK_CLUSTER_CONTROLLER_ROTATION_INTERVAL: String(interval) }
}

/**
 * Returns the variables that tell our script where it communicates with its agent. A node that is only parsed does not.
 */
export function renderChannel(directory: string): Record<string, string> {
  return { ZEEK_CLUSTER_CONTROLLER_CHANNEL: directory }
}

/** What the variables are called from which Zeek's ZeroMQ backend reads its keys, and the options. */
const curveVariable = 'ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_'
const curveOption = 'Cluster::Backend::ZeroMQ::curve_'

/**
 * Returns whether a node has keys of CURVE in its configuration: Zeek ends where it finds others in its environment.
 */
export const hasCurveKeys = ({ env = {}, options = {} }: Pick<AssignedNode, 'env' | 'options'>): boolean =>
  Object.keys(env).some(name => name.startsWith(curveVariable)) ||
  Object.keys(options).some(name => name.startsWith(curveOption))

/** Returns the variables that give a node its keys: the server's secret only where others connect to it. */
export function renderCurve(keys: SharedKeys, isServer: boolean): Record<string, string> {
  return Object.fromEntries(
    Object.entries(keys)
      .filter(([name]) => isServer || name !== 'server_secretkey')
      .map(([name, key]) => [curveVariable + name.toUpperCase(), key])
  )
}

/** Returns the part of our own environment that a program started by us gets. */
export function inheritedOf(own: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(own).filter((entry): entry is [string, string] => inherited.test(entry[0]) && entry[1] !== undefined)
  )
}

/** Returns all of a node's environment: what it inherits of `own`, then its `env`, then what makes it this node. */
export function renderEnvironment(
  node: AssignedNode,
  { scripts, zeekPath, bundle }: ZeekPaths,
  own: NodeJS.ProcessEnv,
  rotation?: Rotation
): Record<string, string> {
  const plugins = node.env?.ZEEK_PLUGIN_PATH ?? own.ZEEK_PLUGIN_PATH
  return {
    ...inheritedOf(own),
    ...node.env,
    ...(rotation ? renderRotation(rotation) : {}),
    CLUSTER_NODE: node.name,
    ...(bundle?.plugins !== undefined
      ? { ZEEK_PLUGIN_PATH: [`${bundle.directory}/plugins`, plugins].filter(Boolean).join(':') }
      : {}),
    ZEEKPATH: [
      scripts,
      ...(bundle ? [`${bundle.directory}/scripts`, bundle.directory] : []),
      node.env?.ZEEKPATH ?? zeekPath
    ].join(':')
  }
}
