import { Type, type Static, type TObject, type TProperties } from '@sinclair/typebox'
import { closed, Enum, OpenEnum, instanceNodesMax, ListOf, Name, NodeState, Pid, Ref, Text, Time } from './basics.js'

/** Schemas for operating nodes: findings of checks, outcomes of runs, and resource usage. */

function noun<T extends TProperties>(id: string, description: string, properties: T, example: object): TObject<T> {
  return Type.Object(properties, { $id: id, ...closed, description, examples: [example] })
}

const optional = Type.Optional
const Count = (description: string) => Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description })
const Amount = (description: string) => Type.Number({ minimum: 0, description })
const sampleTime = '2026-11-22T14:48:56.123Z'

export const FindingLevel = Enum(
  'FindingLevel',
  ['error', 'warning'],
  'error: the node would not run. warning: it would, but someone should look.'
)

export const Finding = noun(
  'Finding',
  'What a check has found, in the words of Zeek or of its host.',
  {
    level: Ref(FindingLevel),
    message: Text(4096),
    file: optional(Text(4096, { description: 'The script.' })),
    line: optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
  },
  { level: 'error', message: 'syntax error, at or near "}"', file: '/opt/zeek/share/zeek/site/local.zeek', line: 12 }
)
export type Finding = Static<typeof Finding>

export const Leftover = noun(
  'Leftover',
  'What a node that is no longer deployed has left on its host.',
  {
    path: Text(4096, { description: 'A directory.' }),
    size_bytes: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'What is in it.' }),
    removed: Type.Boolean({ description: 'Whether it has been removed.' }),
    kept: optional(Text(1024, { description: 'Why it is not removed: it holds something that nobody else has.' }))
  },
  { path: '/var/lib/zeek-cluster/nodes/worker-9', size_bytes: 48_213, removed: false }
)
export type Leftover = Static<typeof Leftover>
/** Most that an instance tells of at a time. */
export const leftoversMax = 1000

export const NodeAction = OpenEnum(
  'NodeAction',
  ['start', 'stop', 'restart', 'none'],
  'What a deployment does to a node: `start`, `stop`, `restart`, or `none`: it goes on.'
)

/** What a deployment does to a node. */
export const PlannedAction = noun(
  'PlannedAction',
  'What a deployment would do to a node, and why.',
  {
    action: Ref(NodeAction),
    reason: optional(Text(2048, { description: 'Why it is stopped or restarted, as `notify_change` would say.' })),
    step: optional(Count('In which step, counted from 1.')),
    last_start_seconds: optional(
      Amount('How long it took when it was last started, in seconds, until it had joined; as far as its agent knows.')
    )
  },
  { action: 'restart', step: 1, reason: 'scripts changed: local.zeek', last_start_seconds: 3.2 }
)
export type PlannedAction = Static<typeof PlannedAction>

export const NodeRun = noun(
  'NodeRun',
  'One process of a node, from its start to its end.',
  {
    pid: optional(Pid),
    started_at: Time,
    ended_at: optional(Time),
    reason: optional(Text(2048, { description: 'Why it has ended: an exit code, a signal, or that it was stopped.' }))
  },
  { pid: 1382, started_at: sampleTime, ended_at: '2026-11-22T15:02:11.007Z', reason: 'killed by SIGSEGV' }
)
export type NodeRun = Static<typeof NodeRun>

export const Diagnosis = noun(
  'Diagnosis',
  'What is known of a node that misbehaves.',
  {
    state: Ref(NodeState),
    command: Type.Array(Text(8192), { maxItems: 5000, description: 'Its command line.' }),
    // By name: the file that defines it loads this one.
    options: optional(
      Type.Unsafe<Record<string, string>>({ $ref: 'NodeOptions#', description: 'Its options; secrets are masked.' })
    ),
    directory: Text(4096, { description: 'Its working directory.' }),
    runs: ListOf(NodeRun, { maxItems: 100, description: 'Its processes, the newest first.' }),
    core: optional(Text(4096, { description: 'The path of its newest core file.' })),
    backtrace: optional(Text(1_048_576, { description: 'What gdb says of that core.' })),
    notes: Type.Array(Text(4096), { maxItems: 100, description: 'What could not be found out, and why.' })
  },
  {
    state: 'CRASHED',
    command: ['/opt/zeek/bin/zeek', '-i', 'eth0', '-e', '@load nodes/worker-1/options.zeek'],
    options: { 'Site::api_key': '********' },
    directory: '/var/lib/zeek-cluster/nodes/worker-1',
    runs: [NodeRun.examples?.[0]],
    notes: ['gdb is not installed']
  }
)
export type Diagnosis = Static<typeof Diagnosis>

export const NodeStepState = Enum(
  'NodeStepState',
  ['starting', 'stopping'],
  'starting: its process runs, and has not joined the cluster yet. stopping: its process has been told to end.'
)

export const NodeStep = noun(
  'NodeStep',
  'What a request waits for: a node in the middle of something.',
  {
    node: Name,
    state: Ref(NodeStepState),
    seconds: Count('For how long already.')
  },
  { node: 'worker-1', state: 'starting', seconds: 12 }
)
export type NodeStep = Static<typeof NodeStep>

export const NodeStats = noun(
  'NodeStats',
  'A sample of what a node uses and sees. What its host or its metrics do not tell is left out.',
  {
    node: Name,
    time: Time,
    pid: Pid,
    uptime: Amount('Seconds since its process started.'),
    cpu_seconds: Amount('Processor time that it has used.'),
    memory_bytes: Count('Resident memory.'),
    threads: optional(Count('Threads.')),
    packets_received: optional(Count('Packets since its start.')),
    packets_dropped: optional(Count('Packets that it was too slow for, since its start.')),
    packets_link: optional(Count('Packets on its link, since its start.')),
    packet_lag: optional(Amount('Seconds that its network time is behind the clock.')),
    sessions: optional(Count('Connections that it follows.')),
    interval: optional(Amount('The seconds that the rates are of.')),
    cpu_percent: optional(Amount('Of one processor.')),
    packets_per_second: optional(Amount('Packets received.')),
    dropped_per_second: optional(Amount('Packets dropped.')),
    dropped_percent: optional(Amount('Packets dropped, of those received and dropped.')),
    idle: optional(Amount('Seconds since it has received a packet.')),
    reporter_errors: optional(Count('Errors that Zeek has reported in it since its start, as those of scripts.'))
  },
  {
    node: 'worker-1',
    time: sampleTime,
    pid: 1382,
    uptime: 86_400,
    cpu_seconds: 5123.4,
    memory_bytes: 272_629_760,
    packets_received: 51_000_000,
    packets_dropped: 12,
    interval: 10,
    cpu_percent: 37.5,
    packets_per_second: 61_000,
    dropped_per_second: 0,
    dropped_percent: 0,
    idle: 0
  }
)
export type NodeStats = Static<typeof NodeStats>

/** Points that the history of a node has at most. */
export const statsHistoryMax = 180

export const NodeStatsPoint = noun(
  'NodeStatsPoint',
  'What a node used and saw at one time of the last hour. Rates are since the point before, or since its start.',
  {
    time: Time,
    cpu_percent: optional(Amount('Of one processor.')),
    memory_bytes: optional(Count('Resident memory.')),
    packets_per_second: optional(Amount('Packets received.')),
    dropped_percent: optional(Amount('Packets dropped, of those received and dropped.')),
    packet_lag: optional(Amount('Seconds that its network time is behind the clock.'))
  },
  {
    time: sampleTime,
    cpu_percent: 37.5,
    memory_bytes: 272_629_760,
    packets_per_second: 61_000.4,
    dropped_percent: 0,
    packet_lag: 0.001
  }
)
export type NodeStatsPoint = Static<typeof NodeStatsPoint>

export const FileSystemStats = noun(
  'FileSystemStats',
  'A file system that matters to an instance.',
  {
    path: Text(4096, { description: 'The directory that was asked for.' }),
    holds: Type.Array(Text(64), { maxItems: 10, description: 'What is there: state, spool, logs.' }),
    size_bytes: Count('Its size.'),
    free_bytes: Count('What is free for the agent.')
  },
  { path: '/var/lib/zeek-cluster', holds: ['state', 'spool'], size_bytes: 107_374_182_400, free_bytes: 85_899_345_920 }
)
export type FileSystemStats = Static<typeof FileSystemStats>

export const InterfaceStats = noun(
  'InterfaceStats',
  'A network interface.',
  {
    name: Text(64),
    up: Type.Boolean(),
    packets_received: Count('Since it exists.'),
    bytes_received: Count('Since it exists.'),
    errors: Count('Receive errors, since it exists.'),
    dropped: Count('Packets that the kernel has dropped, since it exists.'),
    interval: optional(Amount('The seconds that the rates are of.')),
    packets_per_second: optional(Amount('Packets received.')),
    bytes_per_second: optional(Amount('Bytes received.')),
    errors_per_second: optional(Amount('Receive errors.')),
    dropped_per_second: optional(Amount('Packets dropped by the kernel.'))
  },
  {
    name: 'eth0',
    up: true,
    packets_received: 51_000_000,
    bytes_received: 40_800_000_000,
    errors: 0,
    dropped: 0,
    interval: 10,
    packets_per_second: 61_000,
    bytes_per_second: 48_800_000,
    errors_per_second: 0,
    dropped_per_second: 0
  }
)
export type InterfaceStats = Static<typeof InterfaceStats>

export const ArchiveStatus = noun(
  'ArchiveStatus',
  'Logs that wait to be archived, and how archiving goes.',
  {
    queue: Text(4096, { description: 'The directory of the logs that wait.' }),
    directory: Text(4096, { description: 'Where archived logs go.' }),
    files: Count('Logs that wait.'),
    bytes: Count('Their size.'),
    oldest: optional(Amount('Seconds since the oldest of them was rotated.')),
    archived: Count('Logs that were archived since the agent started.'),
    deleted: Count('Archived logs that were deleted as too old or too many, since the agent started.'),
    failures: Count('Failed attempts in a row.'),
    error: optional(Text(4096, { description: 'Why the last attempt has failed.' }))
  },
  {
    queue: '/var/lib/zeek-cluster/spool/log-queue',
    directory: '/var/lib/zeek-cluster/logs',
    files: 2,
    bytes: 5_242_880,
    oldest: 12,
    archived: 410,
    deleted: 0,
    failures: 0
  }
)
export type ArchiveStatus = Static<typeof ArchiveStatus>

export const ForeignProcess = noun(
  'ForeignProcess',
  'A Zeek process that the agent has not started.',
  {
    pid: Pid,
    command: Text(8192, { description: 'Its command line.' })
  },
  { pid: 977, command: 'zeek -i eth1 local' }
)
export type ForeignProcess = Static<typeof ForeignProcess>

export const InstanceStats = noun(
  'InstanceStats',
  'A sample of what an instance has and uses.',
  {
    time: Time,
    version: Text(64, { description: 'Of the agent.' }),
    zeek_version: optional(Text(64)),
    cpus: Count('Processors.'),
    load: Type.Array(Type.Number(), { maxItems: 3, description: 'The load averages of 1, 5 and 15 minutes.' }),
    memory_bytes: Count('Memory.'),
    memory_available_bytes: Count('Memory that can be had without swapping.'),
    swap_bytes: Count('Swap space.'),
    swap_free_bytes: Count('Swap space that is free.'),
    file_systems: ListOf(FileSystemStats, { maxItems: 100 }),
    interfaces: ListOf(InterfaceStats, { maxItems: 10_000 }),
    archive: optional(Ref(ArchiveStatus)),
    foreign: ListOf(ForeignProcess, { maxItems: 10_000 })
  },
  {
    time: sampleTime,
    version: '0.1.0',
    zeek_version: '9.0.0',
    cpus: 16,
    load: [3.1, 2.9, 2.7],
    memory_bytes: 67_430_000_000,
    memory_available_bytes: 41_000_000_000,
    swap_bytes: 0,
    swap_free_bytes: 0,
    file_systems: [FileSystemStats.examples?.[0]],
    interfaces: [InterfaceStats.examples?.[0]],
    foreign: []
  }
)
export type InstanceStats = Static<typeof InstanceStats>

/** A figure that a host can measure. */
const Figure = Type.Number({ minimum: 0, maximum: 1e15 })
const Names = Type.Array(Name, { maxItems: instanceNodesMax })

/** What an agent reports about itself every few seconds, for the cluster's health. */
export const HealthReport = noun(
  'HealthReport',
  'What an agent tells of itself every few seconds.',
  {
    nodes: Type.Array(
      Type.Object(
        {
          node: Name,
          dropped_percent: optional(Figure),
          packets_per_second: optional(Figure),
          idle: optional(Figure),
          /** For a node that writes logs: seconds since its log files last grew. */
          logs_idle: optional(Figure),
          /**
           * Nodes that this node should see in the cluster but does not: for a manager, out of all others; for another
           * node, out of the managers.
           */
          unseen: optional(Type.Array(Name, { maxItems: 100_000 }))
        },
        closed
      ),
      { maxItems: instanceNodesMax }
    ),
    /**
     * Nodes whose process was started from files (zeek, scripts) that have changed since, with those files, at most
     * ten.
     */
    drift: optional(
      Type.Array(Type.Object({ node: Name, pid: Pid, files: Type.Array(Text(4096), { maxItems: 10 }) }, closed), {
        maxItems: instanceNodesMax
      })
    ),
    /** How packets are spread over the workers of an interface. Only what has lasted long is reported. */
    fan_out: optional(
      Type.Array(
        Type.Object(
          {
            interface: Text(256),
            nodes: Names,
            /** Whether all workers count the same packets. */
            duplicated: Type.Boolean(),
            /** The worker that counts the most packets, and by what factor it exceeds the median. */
            heaviest: optional(Type.Object({ node: Name, times: Figure }, closed))
          },
          closed
        ),
        { maxItems: 1000 }
      )
    ),
    file_systems: ListOf(FileSystemStats, { maxItems: 100 }),
    archive: optional(Ref(ArchiveStatus))
  },
  { nodes: [{ node: 'worker-1', dropped_percent: 0, idle: 0 }], file_systems: [] }
)
export type HealthReport = Static<typeof HealthReport>

export const healthCodes = [
  'not_deployed',
  'node_not_running',
  'workers_missing',
  'packets_dropped',
  'no_packets',
  'disk_full',
  'archive_behind',
  'archive_failing',
  'node_silent',
  'cluster_split',
  'logs_stalled',
  'duplicated',
  'imbalance',
  'redeploy_needed',
  'rollout_interrupted',
  'drift',
  'elastic_exhausted',
  'controller_missing',
  'controller_diverged',
  'notifications_failing'
] as const
export const HealthCode = OpenEnum(
  'HealthCode',
  healthCodes,
  'not_deployed: there is no cluster. node_not_running: a manager, logger or proxy does not. workers_missing: too many workers do not run. ' +
    'packets_dropped: a worker drops too many. no_packets: a worker receives none. disk_full: too little is free. archive_behind: a log waits too long to be archived. archive_failing: the archiver fails. ' +
    'node_silent: a node runs and does not answer. cluster_split: a node and a manager run, and one does not see the other. ' +
    'logs_stalled: workers receive packets, and no log grows. duplicated: the workers of an interface count the same packets. ' +
    'imbalance: one of them counts many times as many as the others. ' +
    'redeploy_needed: what is deployed is not true any more of an instance. rollout_interrupted: a deployment in steps has stopped on its way. drift: files of nodes have changed since they were started. elastic_exhausted: an elastic group drops packets though all of its workers run. ' +
    'controller_missing: one of several controllers does not answer. controller_diverged: one of them cannot go on with the log. notifications_failing: a sink has taken no notification for long.'
)
export type HealthCode = Static<typeof HealthCode>

export const HealthReason = noun(
  'HealthReason',
  'Why the cluster is not ready.',
  {
    code: Ref(HealthCode),
    message: Type.String(),
    instance: optional(Type.String()),
    node: optional(Type.String()),
    instances: optional(
      Type.Array(Type.String(), { description: 'Of workers_missing: where those are that do not run.' })
    )
  },
  {
    code: 'packets_dropped',
    message: 'worker-1 drops 2.5 % of its packets, 1 % is allowed: it needs more workers beside it, or less to do',
    instance: 'agent-sensor-1',
    node: 'worker-1'
  }
)
export type HealthReason = Static<typeof HealthReason>

export const UpgradeStep = noun(
  'UpgradeStep',
  'Which version the agent of an instance had before an upgrade, and which after.',
  { from: Type.String(), to: Type.String() },
  { from: '0.1.0', to: '0.2.0' }
)
export type UpgradeStep = Static<typeof UpgradeStep>

/** Every schema of this file that OpenAPI names. */
export const operationComponents = [
  FindingLevel,
  Finding,
  Leftover,
  NodeAction,
  PlannedAction,
  NodeRun,
  Diagnosis,
  NodeStepState,
  NodeStep,
  NodeStats,
  NodeStatsPoint,
  FileSystemStats,
  InterfaceStats,
  ArchiveStatus,
  ForeignProcess,
  InstanceStats,
  HealthCode,
  HealthReason,
  UpgradeStep
]
