import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { HealthReport, NodeStats, NodeStep } from './operations.js'
import { OutputStream } from './requests.js'
import {
  ClusterRole,
  DesiredState,
  ListOf,
  Name,
  Node,
  NodeState,
  NodeStatus,
  Port,
  Ref,
  ResultData,
  Host
} from './types.js'

/** What controller and agent say to each other over their link. */

/**
 * The version of this language. It grows with every change. What one version adds is a method, or a member that may be
 * absent: so each end works with the version before its own, and what that one does not know fails with `not_found`.
 */
export const agentApiVersion = 4

/** Whether an end of a version can be worked with: versions before 4 had another way to their nodes. */
export function isSpoken(version: unknown): boolean {
  return typeof version === 'number' && version >= Math.max(4, agentApiVersion - 1) && version <= agentApiVersion + 1
}
/** The path of the link, at the controller and at an agent that is dialled. */
export const agentPath = '/v1/agent'

/** What a node of an agent that does not say otherwise may take to stop and to start, in seconds. */
export const nodeTimes = { stop: 20, start: 60 }

/** What carries the events between Zeek nodes. */
export const ClusterBackend = Type.Unsafe<'zeromq' | 'broker'>({ type: 'string', enum: ['zeromq', 'broker'] })
export type ClusterBackend = Static<typeof ClusterBackend>

export const LayoutNode = Type.Object({
  name: Name,
  role: Ref(ClusterRole),
  host: Host,
  port: Type.Optional(Port),
  metrics_port: Type.Optional(Port)
})
export type LayoutNode = Static<typeof LayoutNode>

/** The node that runs the ZeroMQ proxy, and the proxy's two ports. */
export const ZeromqProxy = Type.Object({ node: Name, host: Host, xpub_port: Port, xsub_port: Port })

/** What every node knows of the cluster. The same for all agents. */
export const Layout = Type.Object({
  backend: ClusterBackend,
  nodes: Type.Array(LayoutNode),
  hub: Type.Optional(ZeromqProxy)
})
export type Layout = Static<typeof Layout>

/** A node with what it is to be: RUNNING when that is not said. */
export const AssignedNode = Type.Object({ ...Node.properties, desired_state: Type.Optional(Ref(DesiredState)) })
export type AssignedNode = Static<typeof AssignedNode>

/** An instance's part of a configuration: what an agent is asked to be. */
export const Share = Type.Object({ config_id: Type.String(), layout: Layout, nodes: Type.Array(AssignedNode) })
export type Share = Static<typeof Share>

/** Names a layout: the same for the same one. */
export const LayoutDigest = Type.String({ pattern: '^[0-9a-f]{64}$' })

/**
 * A share as it is sent. The layout is as large as the cluster, so only its digest is in it: whoever lacks the layout
 * asks for it.
 */
export const SentShare = Type.Object({ ...Share.properties, layout: LayoutDigest })
export type SentShare = Static<typeof SentShare>

const about = {
  instance: Type.Optional(Type.String()),
  node: Type.Optional(Type.String()),
  data: Type.Optional(Ref(ResultData))
}
/** Whoever fails says why. */
export const Outcomes = Type.Array(
  Type.Union([
    Type.Object({ success: Type.Literal(true), ...about }),
    Type.Object({ success: Type.Literal(false), error: Type.String({ minLength: 1 }), ...about })
  ])
)

/** An agent's first words. */
export const Hello = Type.Object({
  api_version: Type.Integer(),
  name: Name,
  version: Type.String(),
  zeek_version: Type.Optional(Type.String()),
  /** Its advertised address, where it has one. */
  host: Type.Optional(Host),
  /** The same for all agents of one machine: they share its ports. */
  machine: Type.String(),
  /** Its state directory: tells it from another of its name on that machine. */
  directory: Type.Optional(Type.String()),
  /** The configuration that it runs. */
  config_id: Type.Optional(Type.String()),
  /** What each of its nodes may take to stop, and to start: requests wait as long. */
  times: Type.Optional(Type.Object({ stop: Type.Number(), start: Type.Number() })),
  nodes: ListOf(NodeStatus)
})
export type Hello = Static<typeof Hello>

const nodes = Type.Array(Name)
const ofNodes = { params: Type.Object({ nodes }), answer: Outcomes }
/** What takes its time: every few seconds it tells what it waits for. */
const slow = { part: ListOf(NodeStep), answer: Outcomes }
const ofSlowNodes = { params: ofNodes.params, ...slow }
const Follow = Type.Object({ duration: Type.Number(), max_lines: Type.Integer() })
const Watch = Type.Object({ duration: Type.Number(), interval: Type.Number() })

/** Asked by the controller: parameters and answer of each method, and the parts that come before the answer. */
export const agentMethods = {
  /**
   * `force`: nodes that are what they are to be are restarted, too; `refresh`: those whose scripts, or zeek, have
   * changed since they were started.
   */
  deploy: {
    params: Type.Object({ share: SentShare, force: Type.Boolean(), refresh: Type.Optional(Type.Boolean()) }),
    ...slow
  },
  standby: { params: Type.Object({}), answer: Outcomes },
  get_id_value: { params: Type.Object({ id: Type.String(), nodes }), answer: Outcomes },
  start: ofSlowNodes,
  stop: ofSlowNodes,
  restart: ofSlowNodes,
  /**
   * Of a share that need not be the deployed one. `processes`: those of the cluster's nodes on this machine, whose
   * ports will be free.
   */
  check: { params: Type.Object({ share: SentShare, nodes, processes: Type.Array(Type.Integer()) }), answer: Outcomes },
  /** The ports of its host at which no node at the address could listen, since others do. */
  get_taken_ports: {
    params: Type.Object({ host: Host, processes: Type.Array(Type.Integer()) }),
    answer: Type.Object({ ports: Type.Array(Port) })
  },
  get_node_output: {
    params: Type.Object({
      nodes,
      stream: Type.Optional(Ref(OutputStream)),
      lines: Type.Integer(),
      incarnation: Type.Integer(),
      follow: Type.Optional(Follow)
    }),
    part: Type.Object({ node: Name, stream: Ref(OutputStream), lines: Type.Array(Type.String()) }),
    answer: Outcomes
  },
  diagnose: ofNodes,
  get_node_stats: {
    params: Type.Object({ nodes, watch: Type.Optional(Watch) }),
    part: ListOf(NodeStats),
    answer: Outcomes
  },
  get_instance_stats: { params: Type.Object({}), answer: Outcomes },
  /** What a node's metrics endpoint serves. */
  get_metrics: {
    params: Type.Object({ node: Name }),
    answer: Type.Object({ text: Type.String(), content_type: Type.String() })
  }
} satisfies Record<string, { params: TSchema; answer: TSchema; part?: TSchema }>

/**
 * Said by the agent. `hello` is asked, and answered with the controller's name; so is `layout`, with that one as
 * packLayout() packs it; the others are notifications.
 */
export const controllerMethods = {
  hello: { params: Hello, answer: Type.Object({ controller: Name }) },
  layout: { params: Type.Object({ digest: LayoutDigest }), answer: Type.Object({ packed: Type.String() }) },
  /** The status of a node has changed, be it only in its process ID: then both states are the same. */
  change: { params: Type.Object({ status: Ref(NodeStatus), old_state: Ref(NodeState), reason: Type.String() }) },
  /** Nodes that are none of the instance any more. */
  gone: { params: Type.Object({ nodes: Type.Array(Name) }) },
  health: { params: HealthReport },
  log: { params: Type.Object({ level: Type.String(), message: Type.String() }) },
  error: { params: Type.Object({ message: Type.String(), node: Type.Optional(Name) }) }
}
