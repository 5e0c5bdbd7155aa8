import { Type, type Static } from '@sinclair/typebox'
import { roles } from './access.js'
import { Capture, captureComponents } from './captures.js'
import { HealthReason, operationComponents } from './operations.js'
import { Labels } from './groups.js'
import {
  LimitedTo,
  NodeOutputStream,
  RequestArguments,
  requests,
  requestTypes,
  RequestTypeName,
  RestartStrategy
} from './requests.js'
import { Rollout } from './rollouts.js'
import { OptionSetting, SetOption, SetOptionList } from './runtime-options.js'
import {
  CaptureInput,
  closed,
  ClusterConfiguration,
  ClusterConfigurationInput,
  ClusterNode,
  ClusterNodeInput,
  ClusterRole,
  ConfigurationState,
  Cursor,
  DesiredState,
  Enum,
  GroupInput,
  Instance,
  InstanceInput,
  ListOf,
  ManagementRole,
  Name,
  Next,
  NodeEnvironment,
  NodeOptions,
  NodeState,
  NodeStatus,
  OpenEnum,
  Ref,
  reqidExample,
  RequestId,
  RequestResult,
  RequestResultData,
  RevisionNumber,
  SentConfiguration,
  Time
} from './types.js'

export * from './requests.js'

export const RequestState = Enum(
  'RequestState',
  ['pending', 'succeeded', 'partial', 'failed', 'timed_out', 'interrupted', 'expired'],
  'pending, then one of: succeeded (every result), partial (some), failed (none), timed_out (the deadline passed), interrupted (the controller ended meanwhile), expired (test_timeout without state).'
)
export type RequestState = Static<typeof RequestState>

const timeExample = '2026-11-22T14:48:56.123Z'
const cursorExample = 'k3v9q2.1042'

export const ClusterRequest = Type.Object(
  {
    reqid: RequestId,
    type: Ref(RequestTypeName),
    state: Ref(RequestState),
    success: Type.Optional(Type.Boolean({ description: 'Once finished: whether every result is a success.' })),
    arguments: Ref(RequestArguments),
    results: ListOf(RequestResult),
    warnings: Type.Array(Type.String()),
    created_at: Time,
    finished_at: Type.Optional(Time),
    expires_at: Time,
    rollout: Type.Optional(Ref(Rollout)),
    limited_to: LimitedTo,
    event_cursor: Cursor
  },
  {
    $id: 'ClusterRequest',
    ...closed,
    description: 'A request and what is known of its outcome. The events after event_cursor tell all of its story.',
    examples: [
      {
        reqid: reqidExample,
        type: 'restart',
        state: 'succeeded',
        success: true,
        arguments: { nodes: ['worker-1'] },
        results: [{ reqid: reqidExample, success: true, instance: 'agent-sensor-1', node: 'worker-1' }],
        warnings: [],
        created_at: timeExample,
        finished_at: timeExample,
        expires_at: timeExample,
        event_cursor: cursorExample
      }
    ]
  }
)
export type ClusterRequest = Static<typeof ClusterRequest>

const eventCursor = { event_cursor: Cursor }

export const ClusterRequestList = Type.Object(
  {
    requests: ListOf(ClusterRequest),
    next: Next,
    ...eventCursor
  },
  {
    $id: 'ClusterRequestList',
    ...closed,
    description: 'A page of the history, newest first.',
    examples: [{ requests: ClusterRequest.examples, next: '1041', event_cursor: cursorExample }]
  }
)

export const RoleName = Enum('Role', roles, 'What a token or a certificate is good for.')

export const InstanceStatus = Type.Object(
  {
    name: Name,
    host: Type.Optional(Type.String()),
    listen_port: Type.Optional(Type.Integer()),
    connected: Type.Boolean(),
    configured: Type.Boolean({ description: 'Whether the deployed configuration names it.' }),
    version: Type.Optional(Type.String({ description: 'Of the agent.' })),
    api_version: Type.Optional(
      Type.Integer({ description: "Of the agents' API that it speaks: the controller's, the one before, or after." })
    ),
    platform: Type.Optional(Type.String({ description: 'What a release must be made for to run there.' })),
    failed_upgrade: Type.Optional(
      Type.String({ description: 'Why its last upgrade has failed, if it has: it runs the version of before.' })
    ),
    zeek_version: Type.Optional(Type.String()),
    connected_at: Type.Optional(Time),
    certificate_expires_at: Type.Optional({
      ...Time,
      description: 'Of an agent that has joined: when the certificate ends that it was given last.'
    })
  },
  {
    $id: 'InstanceStatus',
    ...closed,
    description: 'What the controller knows of an instance.',
    examples: [
      {
        name: 'agent-sensor-1',
        host: '127.0.0.1',
        connected: true,
        configured: true,
        version: '0.1.0',
        api_version: 14,
        platform: 'linux-x64',
        connected_at: timeExample
      }
    ]
  }
)
export type InstanceStatus = Static<typeof InstanceStatus>

export const InstanceList = Type.Object(
  { instances: ListOf(InstanceStatus), ...eventCursor },
  {
    $id: 'InstanceList',
    ...closed,
    description: 'Every instance that is connected or configured, or has joined, sorted by name.',
    examples: [{ instances: InstanceStatus.examples, event_cursor: cursorExample }]
  }
)

export const InstanceNode = Type.Object(
  { instance: Name, ...NodeStatus.properties },
  {
    $id: 'InstanceNode',
    ...closed,
    description: 'The status of a process, and the instance that it is on.',
    examples: [{ instance: 'agent-sensor-1', ...NodeStatus.examples?.[0] }]
  }
)
export type InstanceNode = Static<typeof InstanceNode>

export const NodeList = Type.Object(
  {
    nodes: ListOf(InstanceNode),
    next: Next,
    ...eventCursor
  },
  {
    $id: 'NodeList',
    ...closed,
    description: 'Processes of the cluster, sorted by instance and name.',
    examples: [{ nodes: InstanceNode.examples, next: 'agent-sensor-1/worker-1', event_cursor: cursorExample }]
  }
)

export const WorkerPlacement = Type.Object(
  {
    node: Name,
    reason: Type.String({
      description: 'Why it runs there.',
      examples: ['CPU 9: physical core 9 of NUMA node 1, where eth1 is']
    })
  },
  {
    $id: 'WorkerPlacement',
    ...closed,
    description: 'Why a worker of a group runs where it does.',
    examples: [{ node: 'uplink-1', reason: 'CPU 9: physical core 9 of NUMA node 1, where eth1 is' }]
  }
)
export type WorkerPlacement = Static<typeof WorkerPlacement>

export const ConfigurationDocument = Type.Object(
  {
    state: Ref(ConfigurationState),
    configuration: Ref(ClusterConfiguration),
    revision: Type.Optional({ ...RevisionNumber, description: 'Of the deployed configuration: its revision.' }),
    placements: Type.Optional(
      ListOf(WorkerPlacement, { description: 'Of the ready configuration: the workers that its groups have become.' })
    ),
    ...eventCursor
  },
  {
    $id: 'ConfigurationDocument',
    ...closed,
    description: 'A configuration that the controller holds.',
    examples: [{ state: 'staged', configuration: ClusterConfiguration.examples?.[0], event_cursor: cursorExample }]
  }
)

/** A file of ZeekControl in a body. */
const ZeekctlText = (description: string) => Type.String({ description })

export const ZeekctlFiles = Type.Object(
  {
    node_cfg: ZeekctlText('node.cfg'),
    zeekctl_cfg: Type.Optional(ZeekctlText('zeekctl.cfg; without it ZeekControl has its defaults')),
    networks_cfg: Type.Optional(ZeekctlText('networks.cfg'))
  },
  {
    $id: 'ZeekctlFiles',
    ...closed,
    description: 'The texts of the files of ZeekControl. One file of any tool comes as it is, without JSON.',
    examples: [
      {
        node_cfg: '[zeek]\ntype=standalone\nhost=localhost\ninterface=eth0\n',
        zeekctl_cfg: 'SitePolicyScripts = local.zeek\n',
        networks_cfg: '10.0.0.0/8 Private\n'
      }
    ]
  }
)
export type ZeekctlFiles = Static<typeof ZeekctlFiles>

export const ConvertedConfiguration = Type.Object(
  {
    configuration: Ref(SentConfiguration),
    notes: Type.Array(Type.String({ description: 'What the configuration does not hold, or what else is to be done.' }))
  },
  {
    $id: 'ConvertedConfiguration',
    ...closed,
    description: 'The file of another tool as a configuration that can be staged.',
    examples: [
      {
        configuration: SentConfiguration.examples?.[0],
        notes: [
          'the host is instance agent-sensor-1: start its agent with ZEEK_AGENT_NAME=agent-sensor-1; its address is the one that its agent has'
        ]
      }
    ]
  }
)

export const FieldError = Type.Object(
  {
    field: Type.String({ description: 'A path into the input, for example body/config/nodes/0/role.' }),
    message: Type.String()
  },
  {
    $id: 'FieldError',
    ...closed,
    description: 'What is wrong with one field.',
    examples: [{ field: 'body/config/nodes/0/role', message: 'must be equal to one of the allowed values' }]
  }
)
export type FieldError = Static<typeof FieldError>

export const problemCodes = [
  'invalid_request',
  'unauthorized',
  'forbidden',
  'not_found',
  'method_not_allowed',
  'not_acceptable',
  'request_timeout',
  'conflict',
  'precondition_failed',
  'payload_too_large',
  'unsupported_media_type',
  'idempotency_key_reused',
  'upgrade_required',
  'too_many_requests',
  'headers_too_large',
  'internal',
  'unavailable',
  'not_leader',
  'timeout'
] as const
export const ProblemCode = OpenEnum(
  'ProblemCode',
  problemCodes,
  `Says for programs what is wrong: ${problemCodes.join(', ')}. Stable; there may be more of them.`
)
export type ProblemCode = Static<typeof ProblemCode>

export const Problem = Type.Object(
  {
    type: Type.String({ format: 'uri-reference', examples: ['about:blank'] }),
    title: Type.String(),
    status: Type.Integer(),
    code: Ref(ProblemCode),
    detail: Type.String(),
    errors: Type.Optional(ListOf(FieldError))
  },
  {
    $id: 'Problem',
    ...closed,
    description: 'Every error answer (RFC 9457).',
    examples: [
      {
        type: 'about:blank',
        title: 'Bad Request',
        status: 400,
        code: 'invalid_request',
        detail: 'body/config/nodes/0/role must be equal to one of the allowed values',
        errors: [{ field: 'body/config/nodes/0/role', message: 'must be equal to one of the allowed values' }]
      }
    ]
  }
)
export type Problem = Static<typeof Problem>

export const ControllerHealth = Type.Object(
  {
    status: Type.String({ examples: ['ok'] }),
    checks: Type.Array(Type.String({ description: 'What is not as it should be.' }))
  },
  { $id: 'ControllerHealth', ...closed, description: 'Alive, or ready.', examples: [{ status: 'ok', checks: [] }] }
)

export const ClusterHealth = Type.Object(
  {
    ready: Type.Boolean(),
    reasons: ListOf(HealthReason, { description: 'Why it is not; empty when it is.' }),
    ...eventCursor
  },
  {
    $id: 'ClusterHealth',
    ...closed,
    description: 'Whether the cluster does its work, as the thresholds in the settings say.',
    examples: [{ ready: false, reasons: [HealthReason.examples?.[0]], event_cursor: cursorExample }]
  }
)

export const PrometheusLabels = Type.Object(
  {
    instance: Type.String(),
    node: Type.String(),
    role: Ref(ClusterRole),
    __scheme__: Type.Optional(Type.String()),
    __metrics_path__: Type.Optional(Type.String())
  },
  {
    $id: 'PrometheusLabels',
    ...closed,
    description: 'The labels of a target; the last two of one that the controller serves.',
    examples: [{ instance: 'agent-sensor-1', node: 'worker-1', role: 'WORKER' }]
  }
)
export const PrometheusTarget = Type.Object(
  { targets: Type.Array(Type.String()), labels: Ref(PrometheusLabels) },
  {
    $id: 'PrometheusTarget',
    ...closed,
    description: "One node's metrics endpoint, for Prometheus' HTTP service discovery.",
    examples: [
      { targets: ['192.0.2.7:9003'], labels: { instance: 'agent-sensor-1', node: 'worker-1', role: 'WORKER' } }
    ]
  }
)

export type PrometheusTarget = Static<typeof PrometheusTarget>

export const Login = Type.Object(
  { token: Type.String({ minLength: 1, maxLength: 256 }) },
  { $id: 'Login', ...closed, description: 'A token, for a session.', examples: [{ token: 'zcc_9448e9c83643_…' }] }
)
export const Session = Type.Object(
  {
    name: Type.String(),
    role: Ref(RoleName),
    expires_at: Type.Optional(Time),
    labels: Type.Optional({ ...Ref(Labels), description: 'Of the instances that all is limited to.' })
  },
  {
    $id: 'Session',
    ...closed,
    description: 'As whom the controller knows who asks.',
    examples: [{ name: 'ops', role: 'operator', expires_at: timeExample }]
  }
)
export const Ticket = Type.Object(
  { ticket: Type.String(), expires_at: Time },
  {
    $id: 'Ticket',
    ...closed,
    description: 'Lets its bearer open one event stream.',
    examples: [{ ticket: 'R29vZCBmb3Igb25lIHN0cmVhbSwgb25jZQ', expires_at: timeExample }]
  }
)

/** Every schema that OpenAPI names and other schemas refer to, except events. */
export const apiComponents = [
  ClusterRole,
  ManagementRole,
  NodeState,
  DesiredState,
  RestartStrategy,
  NodeOutputStream,
  ...operationComponents,
  ...captureComponents,
  ConfigurationState,
  RequestTypeName,
  RequestState,
  Instance,
  InstanceInput,
  NodeOptions,
  NodeEnvironment,
  ClusterNode,
  ClusterNodeInput,
  GroupInput,
  Capture,
  CaptureInput,
  ClusterConfigurationInput,
  SentConfiguration,
  ClusterConfiguration,
  NodeStatus,
  RequestResultData,
  RequestResult,
  RequestArguments,
  ClusterRequest,
  ClusterRequestList,
  InstanceStatus,
  InstanceList,
  InstanceNode,
  NodeList,
  WorkerPlacement,
  ConfigurationDocument,
  ZeekctlFiles,
  ConvertedConfiguration,
  OptionSetting,
  SetOption,
  SetOptionList,
  FieldError,
  ProblemCode,
  Problem,
  ControllerHealth,
  ClusterHealth,
  PrometheusLabels,
  PrometheusTarget,
  RoleName,
  Login,
  Session,
  Ticket,
  ...requestTypes.map(type => requests[type].arguments)
]
