import { Type, type Static, type TProperties, type TSchema } from '@sinclair/typebox'
import { HealthReason, NodeStats, NodeStep } from './operations.js'
import { Fingerprint, JoinId, JoinStatus } from './joins.js'
import { Rollout, rolloutProgress } from './rollouts.js'
import {
  NodeOutputStream,
  requestTypes,
  RequestArguments,
  RequestState,
  InstanceStatus,
  InstanceNode,
  ClusterRequest,
  ConfigurationDocument,
  LimitedTo,
  RoleName
} from './api.js'
import {
  closed,
  Cursor,
  Enum,
  ListOf,
  Next,
  NodeState,
  NodeStatus,
  OpenEnum,
  Pid,
  Ref,
  reqidExample,
  RequestId,
  RequestResult,
  Time
} from './types.js'

const stamp = { cursor: Cursor, time: Time }
const sample = { cursor: 'k3v9q2.1042', time: '2026-11-22T14:48:56.123Z' }
const reqid = reqidExample

const only = <const T extends string>(type: T) => Type.Literal(type)

function domain<T extends TProperties>(id: string, properties: T, description: string, example: object) {
  return Type.Object(
    { ...properties, ...stamp },
    { $id: id, ...closed, description, examples: [{ ...example, ...sample }] }
  )
}

export const RequestEventType = Enum(
  'RequestEventType',
  requestTypes.map(type => `${type}_request` as const),
  'The type of a request event.'
)
export const ResponseEventType = Enum(
  'ResponseEventType',
  requestTypes.map(type => `${type}_response` as const),
  'The type of a response event.'
)

export const RequestEvent = domain(
  'RequestEvent',
  {
    type: Ref(RequestEventType),
    reqid: RequestId,
    arguments: Ref(RequestArguments),
    limited_to: LimitedTo,
    expires_at: Time
  },
  'A request was accepted.',
  { type: 'restart_request', reqid, arguments: { nodes: ['worker-1'] }, expires_at: sample.time }
)

export const ResponseEvent = domain(
  'ResponseEvent',
  {
    type: Ref(ResponseEventType),
    reqid: RequestId,
    state: Ref(RequestState),
    success: Type.Boolean(),
    results: ListOf(RequestResult),
    warnings: Type.Array(Type.String())
  },
  'The response: a request gets exactly one.',
  {
    type: 'restart_response',
    reqid,
    state: 'succeeded',
    success: true,
    results: [{ reqid, success: true, instance: 'agent-sensor-1', node: 'worker-1' }],
    warnings: []
  }
)

export const RequestProgressEvent = domain(
  'RequestProgressEvent',
  {
    type: only('request_progress'),
    reqid: RequestId,
    instance: Type.Optional(Type.String()),
    results: ListOf(RequestResult),
    waiting: Type.Optional(ListOf(NodeStep, { description: 'The nodes that it waits for; then there are no results.' }))
  },
  'An instance has answered its part of a request, or tells every few seconds what it waits for.',
  {
    type: 'request_progress',
    reqid,
    instance: 'agent-sensor-1',
    results: [{ reqid, success: true, instance: 'agent-sensor-1', node: 'worker-1' }]
  }
)

export const RequestExpiredEvent = domain(
  'RequestExpiredEvent',
  { type: only('request_expired'), reqid: RequestId },
  'A request without state has run out of time; there is no response.',
  { type: 'request_expired', reqid }
)

export const NotifyAgentHelloEvent = domain(
  'NotifyAgentHelloEvent',
  { type: only('notify_agent_hello'), instance: Type.String(), host: Type.String(), version: Type.String() },
  'An agent has connected.',
  { type: 'notify_agent_hello', instance: 'agent-sensor-1', host: '127.0.0.1', version: '0.1.0' }
)

export const NotifyAgentLostEvent = domain(
  'NotifyAgentLostEvent',
  { type: only('notify_agent_lost'), instance: Type.String(), reason: Type.String() },
  'The link to an agent is gone. Its nodes are not touched.',
  { type: 'notify_agent_lost', instance: 'agent-sensor-1', reason: 'heartbeat missed' }
)

export const NotifyAgentsReadyEvent = domain(
  'NotifyAgentsReadyEvent',
  { type: only('notify_agents_ready'), instances: Type.Array(Type.String()) },
  'Every instance of the deployed configuration is connected.',
  { type: 'notify_agents_ready', instances: ['agent-sensor-1'] }
)

export const NotifyChangeEvent = domain(
  'NotifyChangeEvent',
  {
    type: only('notify_change'),
    instance: Type.String(),
    node: Type.String(),
    old_state: Ref(NodeState),
    new_state: Ref(NodeState),
    reason: Type.String(),
    pid: Type.Optional({ ...Pid, description: 'Its process, if it has one, as its agent has told last.' }),
    restarts: NodeStatus.properties.restarts
  },
  'The state of a node has changed.',
  {
    type: 'notify_change',
    instance: 'agent-sensor-1',
    node: 'worker-1',
    old_state: 'RUNNING',
    new_state: 'CRASHED',
    reason: 'killed by SIGKILL',
    restarts: 0
  }
)

export const NotifyJoinEvent = domain(
  'NotifyJoinEvent',
  {
    type: only('notify_join'),
    instance: Type.String({ description: 'The name that it has asked for.' }),
    status: Ref(JoinStatus),
    join: Type.Optional(JoinId),
    fingerprint: Type.Optional(Fingerprint),
    address: Type.Optional(Type.String({ description: 'Where the host has asked from.' }))
  },
  'A host has asked to join, or it was decided; or an agent was forgotten.',
  {
    type: 'notify_join',
    instance: 'sensor-1',
    status: 'pending',
    join: '5b0c3f1de9a2',
    fingerprint: 'SHA256:jEaIzOW5ZKcyaXkvgcoI9mRWuIQVRYKSHZ9ESJSSmz8',
    address: '192.0.2.7'
  }
)
export type NotifyJoin = Bare<Static<typeof NotifyJoinEvent>>

export const NotifyErrorEvent = domain(
  'NotifyErrorEvent',
  {
    type: only('notify_error'),
    instance: Type.Optional(Type.String()),
    node: Type.Optional(Type.String()),
    message: Type.String()
  },
  "Something needs an operator's eye.",
  {
    type: 'notify_error',
    instance: 'agent-sensor-1',
    message: 'the address of the instance has changed from 10.0.0.1 to 10.0.0.2; deploy again'
  }
)

export const NotifyLogEvent = domain(
  'NotifyLogEvent',
  { type: only('notify_log'), instance: Type.String(), level: Type.String(), message: Type.String() },
  "A line of an agent's log, warnings and errors only; or an answer of an agent that came after the response of its request.",
  { type: 'notify_log', instance: 'agent-sensor-1', level: 'WARNING', message: 'zeek was not found' }
)

export const NotifyHealthEvent = domain(
  'NotifyHealthEvent',
  { type: only('notify_health'), ready: Type.Boolean(), reasons: ListOf(HealthReason) },
  'The cluster has become ready or not, or is not for other reasons than before.',
  { type: 'notify_health', ready: false, reasons: [HealthReason.examples?.[0]] }
)

export const NodeOutputEvent = domain(
  'NodeOutputEvent',
  {
    type: only('node_output'),
    reqid: RequestId,
    instance: Type.String(),
    node: Type.String(),
    stream: Ref(NodeOutputStream),
    lines: Type.Array(Type.String())
  },
  'What a node has written, for a get_node_output request that follows it.',
  {
    type: 'node_output',
    reqid,
    instance: 'agent-sensor-1',
    node: 'worker-1',
    stream: 'stderr',
    lines: ['listening on eth0']
  }
)

export const RolloutProgressEvent = domain(
  'RolloutProgressEvent',
  { type: only('rollout_progress'), reqid: RequestId, ...rolloutProgress },
  'A deployment that goes over the nodes in steps has come to another step, or to another phase of it.',
  { type: 'rollout_progress', reqid, ...Rollout.examples?.[0] }
)

export const NodeStatsEvent = domain(
  'NodeStatsEvent',
  { type: only('node_stats'), reqid: RequestId, instance: Type.String(), stats: ListOf(NodeStats) },
  'A sample of the nodes of an instance, for a get_node_stats request that watches them.',
  { type: 'node_stats', reqid, instance: 'agent-sensor-1', stats: [NodeStats.examples?.[0]] }
)

/** Kept in a log of its own: those who may see events need not see audit entries. */
export const AuditEntry = domain(
  'AuditEntry',
  {
    type: only('audit'),
    action: Type.String({
      description:
        'The type of the request; or log_in, log_out, connect_agent; notify, of what operators are told; or what was refused, as method and path.'
    }),
    outcome: Type.String({
      description:
        'accepted, and later the state in which the request has ended (of one that is answered at once only that); or succeeded, or refused; of notify, given_up.'
    }),
    name: Type.Optional(Type.String({ description: 'Of the token or certificate.' })),
    role: Type.Optional(Ref(RoleName)),
    address: Type.Optional(Type.String()),
    reqid: Type.Optional(RequestId),
    detail: Type.Optional(
      Type.String({ description: 'More about it; for what was gathered, what else there was, most serious first.' })
    ),
    count: Type.Optional(
      Type.Integer({
        description:
          'How many refusals, logins or connections of one client, in a minute, the entry stands for, beside those with an entry of their own: it tells of the most serious.'
      })
    ),
    clients: Type.Optional(
      Type.Integer({
        description: 'Of how many clients, at least: when there are too many, those beyond are told of together.'
      })
    )
  },
  'Who asked what, from where, and what came of it.',
  { type: 'audit', action: 'deploy', outcome: 'accepted', name: 'ops', role: 'operator', address: '192.0.2.7', reqid }
)

export const AuditList = Type.Object(
  { entries: ListOf(AuditEntry), next: Next, event_cursor: Cursor },
  {
    $id: 'AuditList',
    ...closed,
    description: 'A page of the audit log, newest first.',
    examples: [{ entries: AuditEntry.examples, next: sample.cursor, event_cursor: sample.cursor }]
  }
)

function control<T extends TProperties>(id: string, properties: T, description: string, example: object) {
  return Type.Object({ ...properties }, { $id: id, ...closed, description, examples: [example] })
}

export const HelloEvent = control(
  'HelloEvent',
  {
    type: only('hello'),
    cursor: Cursor,
    earliest: Cursor,
    heartbeat_seconds: Type.Number(),
    resumed: Type.Boolean({ description: 'Whether the stream goes on from the cursor that was asked for.' })
  },
  'The first event of every stream. Named "hello".',
  { type: 'hello', cursor: sample.cursor, earliest: 'k3v9q2.1', heartbeat_seconds: 15, resumed: false }
)

export const HeartbeatEvent = control(
  'HeartbeatEvent',
  { type: only('heartbeat'), ...stamp },
  'Everything up to the cursor that matches the filter was delivered. Named "heartbeat".',
  { type: 'heartbeat', ...sample }
)

export const SnapshotEvent = control(
  'SnapshotEvent',
  {
    type: only('snapshot'),
    instances: Type.Optional(ListOf(InstanceStatus)),
    nodes: Type.Optional(ListOf(InstanceNode)),
    configuration: Type.Optional(Ref(ConfigurationDocument)),
    requests: Type.Optional(ListOf(ClusterRequest, { description: 'Those that are pending.' }))
  },
  'A part of the state at the start of the stream. Named "snapshot".',
  { type: 'snapshot', nodes: [] }
)

export const SnapshotEndEvent = control(
  'SnapshotEndEvent',
  { type: only('snapshot-end'), cursor: Cursor },
  'The state is complete; what follows happened after it. Named "snapshot-end".',
  { type: 'snapshot-end', cursor: sample.cursor }
)

export const ResetReason = OpenEnum(
  'ResetReason',
  ['expired', 'epoch', 'future', 'unknown'],
  'expired: older than what is kept. epoch: of another log. future: later than the log. unknown: not a cursor.'
)
export type ResetReason = Static<typeof ResetReason>

export const ResetEvent = control(
  'ResetEvent',
  { type: only('reset'), reason: Ref(ResetReason), earliest: Cursor, latest: Cursor },
  'The stream cannot go on from the cursor that was asked for: read the state anew. What comes is live. Named "reset".',
  { type: 'reset', reason: 'expired', earliest: 'k3v9q2.12', latest: sample.cursor }
)

export const GoodbyeReason = OpenEnum(
  'GoodbyeReason',
  ['shutdown', 'terminal'],
  'shutdown: the controller ends. terminal: the request has its response.'
)

export const GoodbyeEvent = control(
  'GoodbyeEvent',
  { type: only('goodbye'), reason: Ref(GoodbyeReason), reconnect: Type.Boolean() },
  'The server ends the stream. Named "goodbye".',
  { type: 'goodbye', reason: 'shutdown', reconnect: true }
)

const domainEvents = [
  RequestEvent,
  ResponseEvent,
  RequestProgressEvent,
  RequestExpiredEvent,
  NotifyAgentHelloEvent,
  NotifyAgentLostEvent,
  NotifyAgentsReadyEvent,
  NotifyJoinEvent,
  NotifyChangeEvent,
  NotifyErrorEvent,
  NotifyLogEvent,
  NotifyHealthEvent,
  NodeOutputEvent,
  NodeStatsEvent,
  RolloutProgressEvent
] as const
const controlEvents = [HelloEvent, HeartbeatEvent, SnapshotEvent, SnapshotEndEvent, ResetEvent, GoodbyeEvent] as const

/** An event without its place in the log. */
type Bare<T> = T extends unknown ? Omit<T, 'cursor' | 'time'> : never
export type DomainEvent = Bare<Static<(typeof domainEvents)[number]>>
export type AuditEvent = Bare<Static<typeof AuditEntry>>
export type ControlEvent = Static<(typeof controlEvents)[number]>

/** An event as it is in the log. `body` is the event as a JSON object, without cursor and time. */
export interface LoggedEvent {
  seq: number
  time: number
  type: string
  reqid: string | null
  instance: string | null
  node: string | null
  body: string
}

type EventSchema = (typeof domainEvents)[number] | (typeof controlEvents)[number] | typeof AuditEntry

/** The values of the field `type` of an event schema. */
function typesOf(schema: EventSchema): string[] {
  const type: TSchema = schema.properties.type
  if (type.const !== undefined) return [type.const]
  return type.$ref === 'RequestEventType#' ? RequestEventType.enum : ResponseEventType.enum
}

/** The types that a domain event can have: the values of `?types=`. */
export const domainEventTypes: string[] = domainEvents.flatMap(typesOf)

/** Returns the keywords of one of these events, which `type` tells apart. */
const oneOfEvents = (events: readonly EventSchema[]) => ({
  oneOf: events.map(schema => ({ $ref: `${schema.$id}#` })),
  discriminator: {
    propertyName: 'type',
    mapping: Object.fromEntries(
      events.flatMap(schema => typesOf(schema).map(type => [type, `#/components/schemas/${schema.$id}`]))
    )
  }
})

/** Any event of a stream, distinguished by `type`. */
export const ClusterEvent = Type.Unsafe<Static<(typeof domainEvents)[number]> | ControlEvent>({
  $id: 'ClusterEvent',
  description:
    'What the data of a Server-Sent Event holds. Domain events have no event name; control events have their type as their name.',
  ...oneOfEvents([...domainEvents, ...controlEvents]),
  examples: [NotifyChangeEvent.examples?.[0]]
})

/** A domain event, as it is on a stream. */
export const PastEvent = Type.Unsafe<Static<(typeof domainEvents)[number]>>({
  $id: 'PastEvent',
  description: 'Something that has happened, as event streams tell it: what their domain events hold.',
  ...oneOfEvents(domainEvents),
  examples: [NotifyChangeEvent.examples?.[0]]
})

export const EventList = Type.Object(
  { events: ListOf(PastEvent), next: Next, event_cursor: Cursor },
  {
    $id: 'EventList',
    ...closed,
    description: 'A page of the event log, newest first.',
    examples: [{ events: PastEvent.examples, next: sample.cursor, event_cursor: sample.cursor }]
  }
)

/** Any event of the stream of the audit log. */
export const AuditStreamEvent = Type.Unsafe<Static<typeof AuditEntry> | ControlEvent>({
  $id: 'AuditStreamEvent',
  description: 'As on the other streams: an entry has no event name, a control event has its type as its name.',
  ...oneOfEvents([AuditEntry, HelloEvent, HeartbeatEvent, ResetEvent, GoodbyeEvent]),
  examples: [AuditEntry.examples?.[0]]
})

export const eventComponents = [
  RequestEventType,
  ResponseEventType,
  ResetReason,
  GoodbyeReason,
  ...domainEvents,
  ...controlEvents,
  ClusterEvent,
  PastEvent,
  EventList,
  AuditEntry,
  AuditList,
  AuditStreamEvent
]
