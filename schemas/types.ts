import { Type, type Static, type TObject } from '@sinclair/typebox'
import {
  closed,
  ClusterRole,
  cpuMax,
  DesiredState,
  Enum,
  Host,
  ListOf,
  Name,
  NodeState,
  Pid,
  Port,
  Ref,
  RequestId,
  RevisionNumber,
  Text
} from './basics.js'
import { BundleId, BundleRef } from './bundles.js'
import { Capture, CaptureResult, capturesMax } from './captures.js'
import { Group, Labels, WorkerCountInput } from './groups.js'
import { Interface, LoadLocal, MemoryMax, Nice, NodeEnvironment, NodeOptions, Scripts } from './node-fields.js'
import {
  Diagnosis,
  Finding,
  InstanceStats,
  Leftover,
  PlannedAction,
  leftoversMax,
  NodeStats,
  NodeStatsPoint,
  statsHistoryMax,
  UpgradeStep
} from './operations.js'

export * from './basics.js'
export * from './node-fields.js'

/** The same object where a client sends it. In OpenAPI only that one is closed: answers may get new members. */
const inputOf = <T extends TObject>(schema: T): T => ({ ...schema, $id: `${schema.$id}Input` })

export const ManagementRole = Enum(
  'ManagementRole',
  ['NONE', 'AGENT', 'CONTROLLER', 'NODE'],
  'What a process does in the management of the cluster.'
)
export type ManagementRole = Static<typeof ManagementRole>

export const Instance = Type.Object(
  {
    name: Name,
    host: Type.Optional(Host),
    listen_port: Type.Optional(Port),
    labels: Type.Optional(Ref(Labels))
  },
  {
    $id: 'Instance',
    additionalProperties: false,
    description:
      'A host (or container) with an agent. With listen_port the controller dials the agent, otherwise the agent dials the controller.',
    examples: [{ name: 'agent-sensor-1', host: '127.0.0.1' }]
  }
)
export type Instance = Static<typeof Instance>
export const InstanceInput = inputOf(Instance)

export const ClusterNode = Type.Object(
  {
    name: Name,
    instance: Name,
    role: Ref(ClusterRole),
    port: Type.Optional(Port),
    metrics_port: Type.Optional(Port),
    interface: Type.Optional(Interface),
    cpu_affinity: Type.Optional(
      Type.Integer({ minimum: 0, maximum: cpuMax, description: 'The CPU that the node is pinned to.' })
    ),
    memory_max: Type.Optional(MemoryMax),
    nice: Type.Optional(Nice),
    scripts: Type.Optional(Scripts),
    options: Type.Optional(Ref(NodeOptions)),
    env: Type.Optional(Ref(NodeEnvironment)),
    load_local: Type.Optional(LoadLocal)
  },
  {
    $id: 'ClusterNode',
    additionalProperties: false,
    description: 'One Zeek process.',
    examples: [{ name: 'worker-1', instance: 'agent-sensor-1', role: 'WORKER', interface: 'eth0' }]
  }
)
export type ClusterNode = Static<typeof ClusterNode>
export const ClusterNodeInput = inputOf(ClusterNode)

const exampleConfiguration = {
  instances: [{ name: 'agent-sensor-1' }],
  nodes: [
    { name: 'manager', instance: 'agent-sensor-1', role: 'MANAGER' },
    { name: 'logger-1', instance: 'agent-sensor-1', role: 'LOGGER' },
    { name: 'worker-1', instance: 'agent-sensor-1', role: 'WORKER', interface: 'eth0' }
  ]
}

const bundleUse = 'The files that its nodes load.'
export const GroupInput: typeof Group = inputOf({
  ...Group,
  properties: { ...Group.properties, workers: Ref(WorkerCountInput) }
})
export const CaptureInput = inputOf(Capture)

const groupsUse = 'Workers that are alike. They are nodes of the ready and of the deployed configuration.'
const capturesUse = 'Packets that Zeek reads when it is checked.'
interface Shape {
  instance: typeof Instance
  node: typeof ClusterNode
  group: typeof Group
  bundle: typeof BundleRef
  capture: typeof Capture
}
const shapeOf = ({ instance, node, group, bundle, capture }: Shape) => ({
  bundle: Type.Optional({ ...bundle, description: bundleUse }),
  instances: ListOf(instance, { maxItems: 10_000 }),
  nodes: ListOf(node, { maxItems: 100_000 }),
  groups: Type.Optional(ListOf(group, { maxItems: 1000, description: groupsUse })),
  captures: Type.Optional(ListOf(capture, { maxItems: capturesMax, description: capturesUse }))
})

/** The ID of a configuration. */
const ConfigurationId = { ...RequestId, description: 'Identifies the configuration.' }

export const ClusterConfigurationInput = Type.Object(
  {
    id: Type.Optional(ConfigurationId),
    ...shapeOf({
      instance: InstanceInput,
      node: ClusterNodeInput,
      group: GroupInput,
      bundle: BundleRef,
      capture: CaptureInput
    })
  },
  {
    $id: 'ClusterConfigurationInput',
    additionalProperties: false,
    description:
      'A configuration as a client sends it. The controller makes the id when there is none. A field that is null counts as absent.',
    examples: [exampleConfiguration]
  }
)
export type ClusterConfigurationInput = Static<typeof ClusterConfigurationInput>

export const SentConfiguration = Type.Object(
  {
    id: Type.Optional(ConfigurationId),
    ...shapeOf({ instance: Instance, node: ClusterNode, group: Group, bundle: BundleRef, capture: Capture })
  },
  {
    $id: 'SentConfiguration',
    ...closed,
    description: 'A configuration as a client has sent it: without an id, where it has given none.',
    examples: [exampleConfiguration]
  }
)

export const ClusterConfiguration = Type.Object(
  {
    id: ConfigurationId,
    ...shapeOf({ instance: Instance, node: ClusterNode, group: Group, bundle: BundleId, capture: Capture })
  },
  {
    $id: 'ClusterConfiguration',
    additionalProperties: false,
    description: 'Instances and the nodes on them.',
    examples: [{ id: '3f1c4a90-7f9e-4f6b-8d43-52a4a1a0d7c1', ...exampleConfiguration }]
  }
)
export type ClusterConfiguration = Static<typeof ClusterConfiguration>

export const NodeStatus = Type.Object(
  {
    node: Name,
    state: Ref(NodeState),
    desired_state: Type.Optional(Ref(DesiredState)),
    mgmt_role: Ref(ManagementRole),
    cluster_role: Type.Optional(Ref(ClusterRole)),
    pid: Type.Optional(Pid),
    port: Type.Optional(Port),
    metrics_port: Type.Optional(Port),
    since: Type.Optional(Type.String({ format: 'date-time', description: 'When it came into this state.' })),
    reason: Type.Optional(Text(2048, { description: 'Why it is in this state.' })),
    responding: Type.Optional(
      Type.Boolean({
        description: 'Whether the node says that it lives, as it does every few seconds while it handles events.'
      })
    ),
    restarts: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'How often it was started again after an exit, since it was last started on purpose.'
      })
    )
  },
  {
    $id: 'NodeStatus',
    additionalProperties: false,
    description: 'What is true of one process: a Zeek node, an agent, or a controller.',
    examples: [
      { node: 'worker-1', state: 'RUNNING', mgmt_role: 'NODE', cluster_role: 'WORKER', pid: 1382, metrics_port: 9003 }
    ]
  }
)
export type NodeStatus = Static<typeof NodeStatus>

/** More than an agent reads of one output: twice 256 KiB. */
const outputMax = 524_288

export const RequestResultData = Type.Object(
  {
    id: Type.Optional(Type.String({ description: 'The id of a configuration.' })),
    revision: Type.Optional({ ...RevisionNumber, description: 'The number of the revision that is deployed now.' }),
    reverted: Type.Optional(Type.Boolean({ description: 'Whether it has been taken back.' })),
    instances: Type.Optional(ListOf(Instance)),
    configuration: Type.Optional(Ref(ClusterConfiguration)),
    nodes: Type.Optional(ListOf(NodeStatus)),
    value: Type.Optional(Type.String({ description: 'The value of an identifier, as a JSON text.' })),
    stdout: Type.Optional(Text(outputMax, { description: 'The last lines of a node.' })),
    stderr: Type.Optional(Text(outputMax, { description: 'The last lines of a node.' })),
    truncated: Type.Optional(
      Type.Boolean({ description: 'Whether a limit has left out output, or ended following it, before its time.' })
    ),
    findings: Type.Optional(ListOf(Finding, { maxItems: 1000 })),
    diagnosis: Type.Optional(Ref(Diagnosis)),
    stats: Type.Optional(Ref(NodeStats)),
    history: Type.Optional(
      ListOf(NodeStatsPoint, { maxItems: statsHistoryMax, description: 'The last hour of a node, oldest first.' })
    ),
    instance_stats: Type.Optional(Ref(InstanceStats)),
    plan: Type.Optional(Ref(PlannedAction)),
    leftovers: Type.Optional(ListOf(Leftover, { maxItems: leftoversMax })),
    captures: Type.Optional(ListOf(CaptureResult, { maxItems: capturesMax })),
    upgrade: Type.Optional(Ref(UpgradeStep))
  },
  {
    $id: 'RequestResultData',
    additionalProperties: false,
    description: "What a result carries; which field depends on the request's type.",
    examples: [{ id: '3f1c4a90-7f9e-4f6b-8d43-52a4a1a0d7c1' }]
  }
)
export type RequestResultData = Static<typeof RequestResultData>

export const RequestResult = Type.Object(
  {
    reqid: RequestId,
    success: Type.Boolean(),
    instance: Type.Optional(Type.String()),
    node: Type.Optional(Type.String()),
    error: Type.Optional(Type.String()),
    data: Type.Optional(Ref(RequestResultData))
  },
  {
    $id: 'RequestResult',
    additionalProperties: false,
    description: 'One outcome of a request.',
    examples: [
      { reqid: '0b9f7a52-4b0c-4a53-9f5c-6f8c1f1d8a44', success: true, instance: 'agent-sensor-1', node: 'worker-1' }
    ]
  }
)
export type RequestResult = Static<typeof RequestResult>
/** A result that does not name its request yet. */
export type ResultWithoutReqid = Omit<RequestResult, 'reqid'>
/** A result where it is produced: a failure always has an error text. */
export type Outcome = Omit<ResultWithoutReqid, 'success' | 'error'> &
  ({ success: true; error?: undefined } | { success: false; error: string })
