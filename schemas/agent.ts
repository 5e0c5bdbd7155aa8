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

/** Messages between controller and agent over their link. */

/**
 * The version of the link's protocol. It grows with every change. A version only adds a method, or a member that may be
 * absent: so each end works with the version before its own, and a method that the other end does not know fails with
 * `not_found`.
 */
export const agentApiVersion = 4

/** Returns whether this end works with an end of that version. Versions before 4 reached their nodes in another way. */
export function isSpoken(version: unknown): boolean {
  return typeof version === 'number' && version >= Math.max(4, agentApiVersion - 1) && version <= agentApiVersion + 1
}
/** The path of the link, at the controller and at an agent that is dialled. */
export const agentPath = '/v1/agent'

/** Seconds that a node may take to stop and to start, unless its agent says otherwise. */
export const nodeTimes = { stop: 20, start: 60 }

/** The backend that carries the events between Zeek nodes. */
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

/** What every node knows of the cluster; the same for all agents. */
export const Layout = Type.Object({
  backend: ClusterBackend,
  nodes: Type.Array(LayoutNode),
  hub: Type.Optional(ZeromqProxy)
})
export type Layout = Static<typeof Layout>

/** A node with its desired state: RUNNING when absent. */
export const AssignedNode = Type.Object({ ...Node.properties, desired_state: Type.Optional(Ref(DesiredState)) })
export type AssignedNode = Static<typeof AssignedNode>

/** An instance's part of a configuration: what its agent should run. */
export const Share = Type.Object({ config_id: Type.String(), layout: Layout, nodes: Type.Array(AssignedNode) })
export type Share = Static<typeof Share>

/** The digest of a layout: equal for equal layouts. */
export const LayoutDigest = Type.String({ pattern: '^[0-9a-f]{64}$' })

/**
 * A share as it is sent. A layout is as large as the cluster, so only its digest is included: an agent that lacks the
 * layout asks for it.
 */
export const SentShare = Type.Object({ ...Share.properties, layout: LayoutDigest })
export type SentShare = Static<typeof SentShare>

const about = {
  instance: Type.Optional(Type.String()),
  node: Type.Optional(Type.String()),
  data: Type.Optional(Ref(ResultData))
}
/** Outcomes of a request. A failure always has an error text. */
export const Outcomes = Type.Array(
  Type.Union([
    Type.Object({ success: Type.Literal(true), ...about }),
    Type.Object({ success: Type.Literal(false), error: Type.String({ minLength: 1 }), ...about })
  ])
)

/** The first message of an agent. */
export const Hello = Type.Object({
  api_version: Type.Integer(),
  name: Name,
  version: Type.String(),
  zeek_version: Type.Optional(Type.String()),
  /** The advertised address of the agent, if it has one. */
  host: Type.Optional(Host),
  /** Identifies the machine: equal for all its agents, which share its ports. */
  machine: Type.String(),
  /** The agent's state directory: distinguishes it from another agent of the same name on that machine. */
  directory: Type.Optional(Type.String()),
  /** The configuration that the agent runs. */
  config_id: Type.Optional(Type.String()),
  /** Seconds that each of the agent's nodes may take to stop and to start: requests wait as long. */
  times: Type.Optional(Type.Object({ stop: Type.Number(), start: Type.Number() })),
  nodes: ListOf(NodeStatus)
})
export type Hello = Static<typeof Hello>

const nodes = Type.Array(Name)
const ofNodes = { params: Type.Object({ nodes }), answer: Outcomes }
/** For methods that take long: every few seconds a part says what they wait for. */
const slow = { part: ListOf(NodeStep), answer: Outcomes }
const ofSlowNodes = { params: ofNodes.params, ...slow }
const Follow = Type.Object({ duration: Type.Number(), max_lines: Type.Integer() })
const Watch = Type.Object({ duration: Type.Number(), interval: Type.Number() })

/** Methods that the controller calls on the agent: parameters, answer, and the parts that come before the answer. */
export const agentMethods = {
  /**
   * `force`: also restarts nodes that already are as they should be. `refresh`: also restarts nodes whose scripts or
   * zeek executable have changed since they were started.
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
   * Checks nodes of a share, which need not be the deployed one. `processes`: the processes of the cluster's nodes on
   * this machine; their ports count as free.
   */
  check: { params: Type.Object({ share: SentShare, nodes, processes: Type.Array(Type.Integer()) }), answer: Outcomes },
  /** The ports of the agent's host that no node could listen on at this address, since other processes use them. */
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
 * Methods that the agent calls on the controller. `hello` is a question, answered with the controller's name; so is
 * `layout`, answered with the layout as packLayout() packs it; the others are notifications.
 */
export const controllerMethods = {
  hello: { params: Hello, answer: Type.Object({ controller: Name }) },
  layout: { params: Type.Object({ digest: LayoutDigest }), answer: Type.Object({ packed: Type.String() }) },
  /** The status of a node has changed. When only its process ID has changed, both states are the same. */
  change: { params: Type.Object({ status: Ref(NodeStatus), old_state: Ref(NodeState), reason: Type.String() }) },
  /** Nodes that no longer belong to the instance. */
  gone: { params: Type.Object({ nodes: Type.Array(Name) }) },
  health: { params: HealthReport },
  log: { params: Type.Object({ level: Type.String(), message: Type.String() }) },
  error: { params: Type.Object({ message: Type.String(), node: Type.Optional(Name) }) }
}
