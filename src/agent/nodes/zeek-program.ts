import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import { clusterRoles } from '../../../schemas/types.js'
import type { AssignedNode, Layout, Share } from '../../../schemas/agent.js'
import { loadsOf, type BundleUse } from '../../bundles/use.js'
import type { Limits, Program } from '../../supervisor/program.js'
import {
  renderChannel,
  renderCommand,
  renderCurve,
  renderEnvironment,
  renderRotation,
  type Rotation
} from '../../zeek/command.js'
import type { Executable } from '../../zeek/executable.js'
import { hasOptions, renderOptions } from '../../zeek/options.js'
import { defined } from '../../util.js'
import { isServer, renderLayout, writesLogs } from '../../zeek/layout.js'
import type { AgentContext, AgentSettings } from '../config.js'

/** Returns the directories of the agent: below the state directory, unless a setting says otherwise. */
export function directories(settings: AgentSettings) {
  const {
    management_state_dir: state,
    management_spool_dir: spool = join(state, 'spool'),
    agent_archive_dir: archive = join(state, 'logs')
  } = settings
  const nodes = join(state, 'nodes')
  return {
    spool: resolve(spool),
    /** Where nodes leave finished logs. */
    queue: resolve(spool, 'log-queue'),
    /** Where finished logs are archived. */
    archive: resolve(archive),
    /** First directory of every node's ZEEKPATH. */
    scripts: join(state, 'cluster'),
    /** Where the bundles of this host are. */
    content: join(state, 'content'),
    /** The directories of nodes. */
    nodes,
    node: (name: string) => join(nodes, name)
  }
}

/** Returns the path of the channel between the agent and a node that runs in this directory. */
export function channelOf(directory: string): string {
  return join(directory, 'channel')
}

/** Returns the layout, or a part of it, as this instance's nodes read it. */
export function layoutOf({ layout, nodes }: Share, part: Layout = layout): string {
  const names = new Set(nodes.map(({ name }) => name))
  const own = layout.nodes.find(({ name }) => names.has(name))
  return renderLayout(part, own?.host ?? '127.0.0.1')
}

/**
 * Returns what of the layout a node must read anew when it changes. With ZeroMQ a worker needs none of the others: one
 * that is not in its layout joins all the same, and the worker only reports an error for it (Zeek 9.0). Managers,
 * loggers and proxies do not count a worker that they do not know. With Broker it is not known.
 */
function neededLayout({ name, role }: AssignedNode, layout: Layout): Layout {
  if (layout.backend !== 'zeromq' || role !== 'WORKER') return layout
  return { ...layout, nodes: layout.nodes.filter(other => other.role !== 'WORKER' || other.name === name) }
}

/** Returns where and when a node rotates its logs; undefined for one that writes none. */
export function rotationOf({ role }: AssignedNode, layout: Layout, settings: AgentSettings): Rotation | undefined {
  return writesLogs(role, layout)
    ? { queue: directories(settings).queue, interval: settings.agent_rotation_interval }
    : undefined
}

/** Returns the variables with a node's keys; none where it has none, or has its own. */
function curveOf(node: AssignedNode, { curve, layout }: Share): Record<string, string> {
  return curve ? renderCurve(curve, isServer(node, layout)) : {}
}

type ProgramContext = AgentContext & { bundle?: BundleUse | undefined }

/**
 * Returns a hash of what a node is made of: command line, options, its own environment, limits, a part of the layout,
 * where its logs go, and its keys. What it merely inherits (PATH, TZ …) does not count, so that a supervisor that is
 * started from another shell leaves the nodes alone.
 */
function tagOf(
  node: AssignedNode,
  share: Share,
  zeek: Executable,
  { settings, env, bundle, part }: ProgramContext & { part: Layout }
): string {
  const { scripts } = directories(settings)
  const rotation = rotationOf(node, share.layout, settings)
  const limits = limitsOf(node)
  const inputs = [
    renderCommand(node, share.layout, zeek.path, loadsOf(node, bundle)),
    Object.entries(node.env ?? {}).sort(),
    renderEnvironment(node, { scripts, zeekPath: zeek.zeekPath, bundle }, env, rotation).ZEEKPATH,
    layoutOf(share, part),
    rotation && renderRotation(rotation),
    ...(limits ? [limits] : []),
    ...(hasOptions(node) ? [renderOptions(node.options)] : []),
    ...(bundle?.plugins === undefined ? [] : [bundle.plugins]),
    ...(share.curve ? [curveOf(node, share)] : [])
  ]
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex')
}

/** Returns the tag of a program that was started when the whole layout counted for all: an upgrade restarts no node. */
export const formerTagOf = (node: AssignedNode, share: Share, zeek: Executable, context: ProgramContext): string =>
  tagOf(node, share, zeek, { ...context, part: share.layout })

/** Returns a node as a program to keep running. */
export function programOf(node: AssignedNode, share: Share, zeek: Executable, context: ProgramContext): Program {
  const { settings, env, bundle } = context
  const { scripts, node: directory } = directories(settings)
  const rotation = rotationOf(node, share.layout, settings)
  const limits = limitsOf(node)
  const environment = renderEnvironment(node, { scripts, zeekPath: zeek.zeekPath, bundle }, env, rotation)
  return {
    name: node.name,
    kind: 'detached',
    tag: tagOf(node, share, zeek, { ...context, part: neededLayout(node, share.layout) }),
    command: renderCommand(node, share.layout, zeek.path, loadsOf(node, bundle)),
    cwd: directory(node.name),
    env: { ...environment, ...curveOf(node, share), ...renderChannel(channelOf(directory(node.name))) },
    stopOrder: clusterRoles.indexOf(node.role),
    stopTimeoutMs: settings.agent_stop_timeout * 1000,
    restart: {
      initialMs: settings.agent_restart_delay * 1000,
      maxMs: settings.agent_restart_delay_max * 1000,
      resetMs: settings.agent_restart_reset * 1000,
      maxFailures: settings.agent_restart_max
    },
    ...(limits && { limits }),
    output: { directory: directory(node.name), maxBytes: settings.agent_output_max_bytes }
  }
}

/** Returns what a node is held to; undefined where it is held to nothing. */
export function limitsOf({ memory_max: memoryMax, nice }: AssignedNode): Limits | undefined {
  return memoryMax === undefined && nice === undefined ? undefined : defined({ memory_max: memoryMax, nice })
}

/** Returns nodes in the order in which they start, in groups that start together. They stop in reverse order. */
export function inStartOrder<T extends { node: AssignedNode }>(nodes: readonly T[]): T[][] {
  return clusterRoles.map(role => nodes.filter(({ node }) => node.role === role)).filter(group => group.length > 0)
}
