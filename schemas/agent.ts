import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { BundleFile, bundleFilesMax, BundleId } from './bundles.js'
import { CaptureFile, Replay } from './captures.js'
import { FeedName, Feeds } from './intel.js'
import { CertificateRequest, CertificateText } from './joins.js'
import { HealthReport, NodeStats, NodeStep } from './operations.js'
import { NodeOutputStream } from './requests.js'
import { OptionName, RuntimeOptions } from './runtime-options.js'
import { Topology } from './topology.js'
import {
  closed,
  ClusterRole,
  DesiredState,
  ListOf,
  Name,
  ClusterNode,
  NodeState,
  NodeStatus,
  Port,
  Ref,
  RequestResultData,
  Host,
  instanceNodesMax,
  Text,
  type Outcome
} from './types.js'

/** Messages between controller and agent over their link. */

/**
 * The version of the link's protocol. It grows with every change. A version only adds a method, or a member that may be
 * absent, and what has another form is sent to the version before in the one that it knows: so each end works with the
 * version before its own, and a method that the other end does not know fails with `not_found`.
 */
export const agentApiVersion = 14

/** Returns whether this end works with an end of that version. */
export function isSpoken(version: unknown): boolean {
  return typeof version === 'number' && version >= agentApiVersion - 1 && version <= agentApiVersion + 1
}

/** The path of the link, at the controller and at an agent that is dialled. */
export const agentPath = '/v1/agent'

/** Seconds that a node may take to stop and to start, unless its agent says otherwise. */
export const nodeTimes = { stop: 20, start: 60 }
/** The longest that an agent may say of them: a day. */
export const nodeTimeMax = 86_400

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
  hub: Type.Optional(ZeromqProxy),
  /** Where nodes serve their metrics, instead of at their own address. */
  metrics_host: Type.Optional(Host)
})
export type Layout = Static<typeof Layout>

/** A key of CURVE: 32 bytes in Z85 (https://rfc.zeromq.org/spec/32/). */
const CurveKey = Type.String({ pattern: '^[0-9A-Za-z.:+=^!/*?&<>()[\\]{}@%$#-]{40}$' })

/**
 * The two pairs of keys that all nodes of a cluster share, as Zeek's ZeroMQ backend has them: with the server's those
 * listen that others connect to, with the client's all connect.
 */
export const CurveKeys = Type.Object(
  { server_publickey: CurveKey, server_secretkey: CurveKey, client_publickey: CurveKey, client_secretkey: CurveKey },
  closed
)
export type CurveKeys = Static<typeof CurveKeys>

/** What an instance gets of them: the server's secret only where others connect to one of its nodes. */
export const SharedKeys = Type.Object({ ...CurveKeys.properties, server_secretkey: Type.Optional(CurveKey) }, closed)
export type SharedKeys = Static<typeof SharedKeys>

/** A node with its desired state, RUNNING when absent. `spare`: it is stopped until its elastic group needs it. */
export const AssignedNode = Type.Object({
  ...ClusterNode.properties,
  desired_state: Type.Optional(Ref(DesiredState)),
  spare: Type.Optional(Type.Boolean())
})
export type AssignedNode = Static<typeof AssignedNode>

/** An instance's part of a configuration: what its agent should run. */
export const Share = Type.Object({
  config_id: Type.String(),
  layout: Layout,
  nodes: Type.Array(AssignedNode),
  bundle: Type.Optional(BundleId),
  /** With these nodes encrypt what they say to each other. */
  curve: Type.Optional(SharedKeys),
  /** Options that nodes have set while they run. */
  options: Type.Optional(RuntimeOptions),
  /** Feeds of intelligence that the manager reads while it runs; only where it is one of the nodes. */
  feeds: Type.Optional(Feeds),
  /** Names of nodes whose process goes on, however it differs; one that has none is started like any other. */
  held: Type.Optional(Type.Array(Name, { maxItems: instanceNodesMax }))
})
export type Share = Static<typeof Share>

/** The digest of a layout: equal for equal layouts. */
export const LayoutDigest = Type.String({ pattern: '^[0-9a-f]{64}$' })

/**
 * A share as it is sent. A layout is as large as the cluster, so only its digest is included: an agent that lacks the
 * layout asks for it.
 */
export const SentShare = Type.Object({ ...Share.properties, layout: LayoutDigest })
export type SentShare = Static<typeof SentShare>

const Bytes = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Names = Type.Array(Name, { maxItems: instanceNodesMax })
/** A line that an agent tells. */
const Line = Text(4096)

/**
 * Outcomes of a request, each with only these members of ResultData. A failure always has an error text. Instance and
 * node are the agent's own words: the controller decides of whom they are.
 */
function outcomesWith<K extends keyof RequestResultData>(...members: K[]) {
  return Type.Array(
    Type.Unsafe<Outcome & { data?: Pick<RequestResultData, K> }>({
      ...Type.Object(
        {
          success: Type.Boolean(),
          error: Type.Optional(Text(8192, { minLength: 1 })),
          instance: Type.Optional(Type.String({ maxLength: 64 })),
          node: Type.Optional(Type.String({ maxLength: 64 })),
          data: Type.Optional(Type.Pick(RequestResultData, members, closed))
        },
        closed
      ),
      if: { properties: { success: { const: false } } },
      then: { required: ['error'] }
    }),
    { maxItems: instanceNodesMax }
  )
}

/** Seconds that an agent may say its nodes take. */
const Patience = Type.Number({ minimum: 0, maximum: nodeTimeMax })

/** The first message of an agent. */
export const Hello = Type.Object(
  {
    api_version: Type.Integer(),
    name: Name,
    version: Text(64),
    zeek_version: Type.Optional(Text(64)),
    /** The advertised address of the agent, if it has one. */
    host: Type.Optional(Host),
    /** Identifies the machine: equal for all its agents, which share its ports. */
    machine: Type.String({ maxLength: 128 }),
    /** The agent's state directory: distinguishes it from another agent of the same name on that machine. */
    directory: Type.Optional(Type.String({ maxLength: 128 })),
    /** The configuration that the agent runs. */
    config_id: Type.Optional(Type.String({ maxLength: 64 })),
    /**
     * Seconds that each of the agent's nodes may take to stop and to start, one reading of a capture, and the agent
     * itself until it has proved itself after an upgrade: requests wait as long.
     */
    times: Type.Optional(
      Type.Object(
        { stop: Patience, start: Patience, capture: Type.Optional(Patience), upgrade: Type.Optional(Patience) },
        closed
      )
    ),
    nodes: ListOf(NodeStatus, { maxItems: instanceNodesMax }),
    /** What decides where workers run best on its host. */
    topology: Type.Optional(Topology),
    /** What releases must be made for that it can run, as `linux-x64`. */
    platform: Type.Optional(Text(64)),
    /** The last upgrade, if it has failed, and why. */
    failed_upgrade: Type.Optional(Type.Object({ bundle: BundleId, error: Line }, closed))
  },
  closed
)
export type Hello = Static<typeof Hello>

/** Counts the times that a controller has begun to lead: the higher one is newer. */
export const Term = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })

const nodes = Type.Array(Name)
const Outcomes = outcomesWith()
const ofNodes = { params: Type.Object({ nodes }) }
/**
 * For methods that take long: every few seconds a part says what they wait for. A node that does not come up has its
 * last lines in its outcome.
 */
const slow = { part: ListOf(NodeStep, { maxItems: instanceNodesMax }), answer: outcomesWith('stdout', 'stderr') }
const ofSlowNodes = { ...ofNodes, ...slow }
const Follow = Type.Object({ duration: Type.Number(), max_lines: Type.Integer() })
/** The bytes that the values or outputs of an answer may have: a request has so many for all its instances. */
const MaxBytes = Type.Optional(Type.Integer({ minimum: 0 }))
const Watch = Type.Object({ duration: Type.Number(), interval: Type.Number() })

/**
 * What has become of an option, or of feeds, in a node. `set`: it has this value now, a JSON text; of a feed the number
 * of its indicators. `refused`: Zeek has refused it, with these words, and what was before stays. `unknown`: the node's
 * scripts have no such option, or no intelligence framework. `later`: it does not run, and sets it when it starts.
 * `unanswered`: it does not say.
 */
export const SettingOutcome = Type.Object(
  {
    node: Name,
    outcome: Type.Unsafe<'set' | 'refused' | 'unknown' | 'later' | 'unanswered'>({
      type: 'string',
      enum: ['set', 'refused', 'unknown', 'later', 'unanswered']
    }),
    value: Type.Optional(Type.String({ maxLength: 65_536 })),
    error: Type.Optional(Line)
  },
  closed
)
export type SettingOutcome = Static<typeof SettingOutcome>

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
  get_id_value: {
    params: Type.Object({ id: Type.String(), nodes, max_bytes: MaxBytes }),
    answer: outcomesWith('value')
  },
  /**
   * Has nodes set these options, and no others, now and whenever they are started. Answered with what has become of one
   * of them in each node. Kept as a part of the share, like that.
   */
  set_options: {
    params: Type.Object({ options: RuntimeOptions, changed: OptionName }),
    answer: Type.Array(SettingOutcome, { maxItems: instanceNodesMax })
  },
  /** The same of feeds, for managers: `changed` is the name of a feed that is in `feeds`, or not any more. */
  set_feeds: {
    params: Type.Object({ feeds: Feeds, changed: FeedName }),
    answer: Type.Array(SettingOutcome, { maxItems: instanceNodesMax })
  },
  start: ofSlowNodes,
  stop: ofSlowNodes,
  restart: ofSlowNodes,
  /** What `deploy` with the same parameters would do to each node; none is touched. */
  plan: {
    params: Type.Object({ share: SentShare, force: Type.Boolean(), refresh: Type.Optional(Type.Boolean()) }),
    answer: outcomesWith('plan')
  },
  /**
   * Checks nodes of a share, which need not be the deployed one. `processes`: the processes of the cluster's nodes on
   * this machine; their ports count as free.
   */
  check: {
    params: Type.Object({ share: SentShare, nodes, processes: Type.Array(Type.Integer()) }),
    answer: outcomesWith('findings')
  },
  /** The ports of the agent's host that no node could listen on at this address, since other processes use them. */
  get_taken_ports: {
    params: Type.Object({ host: Host, processes: Type.Array(Type.Integer()) }),
    answer: Type.Object({ ports: Type.Array(Port, { maxItems: 65_535 }) }, closed)
  },
  get_node_output: {
    params: Type.Object({
      nodes,
      stream: Type.Optional(Ref(NodeOutputStream)),
      lines: Type.Integer(),
      incarnation: Type.Integer(),
      max_bytes: MaxBytes,
      follow: Type.Optional(Follow)
    }),
    part: Type.Object(
      { node: Name, stream: Ref(NodeOutputStream), lines: Type.Array(Text(16_384), { minItems: 1, maxItems: 1000 }) },
      closed
    ),
    answer: outcomesWith('stdout', 'stderr', 'truncated')
  },
  diagnose: { ...ofNodes, answer: outcomesWith('stdout', 'stderr', 'truncated', 'diagnosis') },
  /** `history`: how many points of the last hour each node has at most; without it, none is told. */
  get_node_stats: {
    params: Type.Object({
      nodes,
      watch: Type.Optional(Watch),
      history: Type.Optional(Type.Integer({ minimum: 0 }))
    }),
    part: ListOf(NodeStats, { maxItems: instanceNodesMax }),
    answer: outcomesWith('stats', 'history')
  },
  get_instance_stats: { params: Type.Object({}), answer: outcomesWith('instance_stats') },
  /** What nodes have left that the agent does not run any more; with `remove` it is removed. */
  cleanup: { params: Type.Object({ remove: Type.Boolean() }), answer: outcomesWith('leftovers') },
  /** What a node's metrics endpoint serves. */
  get_metrics: {
    params: Type.Object({ node: Name }),
    answer: Type.Object(
      { text: Type.String({ maxLength: 4_194_304 }), content_type: Type.String({ maxLength: 256 }) },
      closed
    )
  },
  /**
   * Has the agent end, and start anew as the release of a bundle; its nodes go on. Answered once that release has shown
   * that it can run there.
   */
  upgrade: { params: Type.Object({ bundle: BundleId }), answer: Type.Object({}, closed) },
  /**
   * Has Zeek read a capture of a bundle with what a node of a share loads, which need be neither deployed nor of that
   * bundle. No process of a node is touched.
   */
  replay: {
    params: Type.Object({ share: SentShare, node: Name, bundle: BundleId, file: CaptureFile }),
    answer: Replay
  }
} satisfies Record<string, { params: TSchema; answer: TSchema; part?: TSchema }>

/**
 * Methods that the agent calls on the controller. `hello` is a question, answered with the controller's name, and its
 * term unless it is alone; one of several that does not lead fails it with `not_leader`. `layout` is a question, too,
 * answered with the layout as packLayout() packs it, before version 14 as packWhole() does; the others are
 * notifications.
 */
export const controllerMethods = {
  hello: { params: Hello, answer: Type.Object({ controller: Name, term: Type.Optional(Term) }, closed) },
  layout: {
    params: Type.Object({ digest: LayoutDigest }, closed),
    answer: Type.Object({ packed: Type.String() }, closed)
  },
  /** The files of a bundle, with where each is in its pack. */
  bundle: {
    params: Type.Object({ id: BundleId }, closed),
    answer: Type.Object(
      {
        files: Type.Array(Type.Object({ ...BundleFile.properties, offset: Bytes }, closed), {
          maxItems: bundleFilesMax
        })
      },
      closed
    )
  },
  /** A part of a bundle's pack, in base64: `chunkBytes` of it, or what it has left. */
  bundle_chunk: {
    params: Type.Object({ id: BundleId, offset: Bytes }, closed),
    answer: Type.Object({ data: Type.String({ maxLength: 1_048_576 }) }, closed)
  },
  /**
   * A new certificate for the agent, for another key: a question, answered with the certificate (PEM). Fails with
   * `forbidden` where the one is not the controller's with which the link was opened.
   */
  renew: {
    params: Type.Object({ request: CertificateRequest }, closed),
    answer: Type.Object({ certificate: CertificateText }, closed)
  },
  /** The status of a node has changed. When only its process ID has changed, both states are the same. */
  change: { params: Type.Object({ status: Ref(NodeStatus), old_state: Ref(NodeState), reason: Text(2048) }, closed) },
  /** Nodes that no longer belong to the instance. */
  gone: { params: Type.Object({ nodes: Names }, closed) },
  health: { params: HealthReport },
  log: { params: Type.Object({ level: Text(16), message: Line }, closed) },
  error: { params: Type.Object({ message: Line, node: Type.Optional(Name) }, closed) }
}
