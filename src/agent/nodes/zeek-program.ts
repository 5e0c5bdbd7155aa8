import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import { clusterRoles } from '../../../schemas/types.js'
import type { AssignedNode, Layout, Share } from '../../../schemas/agent.js'
import type { BundleUse } from '../../bundles/use.js'
import type { Limits, Program } from '../../supervisor/program.js'
import { renderChannel, renderCommand, renderEnvironment, renderRotation, type Rotation } from '../../zeek/command.js'
import type { Executable } from '../../zeek/executable.js'
import { hasOptions, renderOptions } from '../../zeek/options.js'
import { defined } from '../../util.js'
import { renderLayout, writesLogs } from '../../zeek/layout.js'
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

/** Returns the layout as this instance's nodes read it. */
export function layoutOf({ layout, nodes }: Share): string {
  const own = layout.nodes.find(({ name }) => name === nodes[0]?.name)
  return renderLayout(layout, own?.host ?? '127.0.0.1')
}

/** Returns where and when a node rotates its logs; undefined for one that writes none. */
export function rotationOf({ role }: AssignedNode, layout: Layout, settings: AgentSettings): Rotation | undefined {
  return writesLogs(role, layout)
    ? { queue: directories(settings).queue, interval: settings.agent_rotation_interval }
    : undefined
}

/**
 * Returns a node as a program to keep running. Its tag is a hash of what the node is made of: command line, options,
 * its own environment, its limits, the layout, and where its logs go. What it merely inherits (PATH, TZ …) does not count, so that
 * a supervisor that is started from another shell leaves the nodes alone.
 */
export function programOf(
  node: AssignedNode,
  share: Share,
  zeek: Executable,
  { settings, env, bundle }: AgentContext & { bundle?: BundleUse | undefined }
): Program {
  const { scripts, node: directory } = directories(settings)
  const rotation = rotationOf(node, share.layout, settings)
  const limits = limitsOf(node)
  const command = renderCommand(node, share.layout, zeek.path, bundle?.loads)
  const environment = renderEnvironment(node, { scripts, zeekPath: zeek.zeekPath, bundle }, env, rotation)
  const inputs = [
    command,
    Object.entries(node.env ?? {}).sort(),
    environment.ZEEKPATH,
    layoutOf(share),
    rotation && renderRotation(rotation),
    ...(limits ? [limits] : []),
    ...(hasOptions(node) ? [renderOptions(node.options)] : []),
    ...(bundle?.plugins === undefined ? [] : [bundle.plugins])
  ]
  return {
    name: node.name,
    kind: 'detached',
    tag: createHash('sha256').update(JSON.stringify(inputs)).digest('hex'),
    command,
    cwd: directory(node.name),
    env: { ...environment, ...renderChannel(channelOf(directory(node.name))) },
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
