import { Type, type Static, type TObject } from '@sinclair/typebox'
import type { NeededRole } from './access.js'
import { BundleRef } from './bundles.js'
import { CheckRequirement } from './captures.js'
import { Labels } from './groups.js'
import { FeedName } from './intel.js'
import { DeployStrategy, OnCheckFailure, rolloutArguments } from './rollouts.js'
import { OptionName, OptionValue } from './runtime-options.js'
import {
  closed,
  ClusterConfigurationInput,
  ClusterRole,
  DeploymentComment,
  Enum,
  Name,
  OpenEnum,
  Ref,
  RevisionNumber,
  RequestId,
  SentConfiguration
} from './types.js'

/** Selects nodes: those that every given list names; without any list, all deployed nodes. */
const selector = {
  nodes: Type.Optional(Type.Array(Name, { maxItems: 10_000, description: 'Names of nodes.' })),
  roles: Type.Optional(Type.Array(Ref(ClusterRole), { maxItems: 4, description: 'Only nodes of these roles.' })),
  instances: Type.Optional(Type.Array(Name, { maxItems: 10_000, description: 'Only nodes on these instances.' }))
}
export type Selector = Pick<RequestArguments, keyof typeof selector>

/** In a request, and in its first event. */
export const LimitedTo = Type.Optional({
  ...Ref(Labels),
  description:
    'The labels that who has asked is limited to: the request has reached the instances that have all of them.'
})

/** The same for what starts or stops nodes, and why: kept with the request. */
const selectorWithComment = {
  ...selector,
  comment: Type.Optional({ ...DeploymentComment, description: 'Why, for who looks at the request later.' })
}
const Duration = (what: string) =>
  Type.Optional(
    Type.Number({
      minimum: 0.001,
      maximum: 3600,
      default: 60,
      description: `Seconds to ${what}; the request has as many more.`
    })
  )

/** New keys for what nodes say to each other. */
const RotateKeys = Type.Boolean({
  description:
    'Give the nodes new keys of CURVE, with which they encrypt what they say to each other. All of them restart at once: those with other keys are not let in.'
})

export const RestartStrategy = Enum(
  'RestartStrategy',
  ['at_once', 'rolling'],
  'at_once: all together. rolling: a few at a time. Default: at_once.'
)
export const NodeOutputStream = Enum(
  'NodeOutputStream',
  ['stdout', 'stderr'],
  'Which output; both, when none is given.'
)
export type NodeOutputStream = Static<typeof NodeOutputStream>

export interface RequestDefinition {
  arguments: TObject
  /** Whether the request changes something: such a request is on disk before anyone learns of it. */
  changes: boolean
  /** The role required to submit the request. */
  role: NeededRole
  /** Whether callers who are limited to instances with labels may submit it: it then reaches those only. */
  limited?: boolean
  /** Default timeout in seconds; where it is derived from what its steps may take, the minimum. */
  timeout: number
  /** The largest timeout in seconds, where it is less than for other requests. */
  timeoutMax?: number
  /** The configuration whose entity tag `If-Match` is compared with, before the request is accepted. */
  ifMatch?: 'staged' | 'deployed'
  /** The steps that the timeout is derived from. */
  takes?: string
  summary: string
  description: string
  /** Whether it is for those who test clients. */
  isForTesting?: boolean
}

/** Every request type. Each has a pair of events, `<type>_request` and `<type>_response`. */
export const requests = {
  get_instances: {
    arguments: Type.Object(
      {},
      { $id: 'GetInstancesArguments', ...closed, description: 'No arguments.', examples: [{}] }
    ),
    changes: false,
    role: 'viewer',
    limited: true,
    timeout: 10,
    summary: 'List connected instances',
    description:
      'One result, whose data holds the instances that are connected now, sorted by name, in the configuration or not. For zeek-client, and for who wants the answer as an event; `GET /v1/instances` tells more, at once.'
  },
  stage_configuration: {
    arguments: Type.Object(
      { config: Ref(ClusterConfigurationInput) },
      {
        $id: 'StageConfigurationArguments',
        ...closed,
        description: 'The configuration to stage.',
        examples: [{ config: ClusterConfigurationInput.examples?.[0] }]
      }
    ),
    changes: true,
    role: 'operator',
    timeout: 10,
    ifMatch: 'staged',
    summary: 'Stage a configuration',
    description:
      "Validates the configuration and keeps it, as sent (staged) and with addresses and ports filled in (ready). The running cluster is not touched. One result with the configuration's id, or every error that was found."
  },
  get_configuration: {
    arguments: Type.Object(
      { deployed: Type.Optional(Type.Boolean({ default: false })) },
      {
        $id: 'GetConfigurationArguments',
        ...closed,
        description: 'Which configuration.',
        examples: [{ deployed: true }]
      }
    ),
    changes: false,
    role: 'operator',
    timeout: 10,
    summary: 'Get the staged or the deployed configuration',
    description:
      'One result, whose data holds the configuration. For zeek-client, and for who wants the answer as an event; `GET /v1/configurations/{state}` answers at once, and knows the state ready, too.'
  },
  deploy: {
    arguments: Type.Object(
      {
        force: Type.Optional(Type.Boolean({ default: false, description: 'Restart nodes that do not differ, too.' })),
        rotate_keys: Type.Optional(RotateKeys),
        check: Type.Optional(
          Type.Boolean({
            default: true,
            description: 'Whether the nodes are checked first: if one fails, nothing is changed anywhere.'
          })
        ),
        plan: Type.Optional(
          Type.String({
            ...RequestId,
            description:
              'The reqid of a plan: the deployment does what it has told, or fails when it would do anything else now.'
          })
        ),
        comment: Type.Optional(DeploymentComment),
        revision: Type.Optional({
          ...RevisionNumber,
          description:
            'Deploy the configuration of this revision, which becomes the staged one, too; without it, the staged one.'
        }),
        last_good: Type.Optional(
          Type.Boolean({
            description:
              'Deploy the newest revision that is marked good, other than the deployed one, as `revision` would: without that.'
          })
        ),
        ...rolloutArguments,
        require: Type.Optional(Ref(CheckRequirement))
      },
      {
        $id: 'DeployArguments',
        ...closed,
        description: 'How to deploy, and what.',
        examples: [{ comment: 'more workers on sensor-2' }]
      }
    ),
    changes: true,
    role: 'operator',
    timeout: 10,
    ifMatch: 'deployed',
    takes:
      'controller_connect_grace, controller_timeout_check and the time of its captures unless nothing is checked, and as long as a restart of all the nodes; in steps as long as each of them, with what nodes must stay healthy and a canary waits, and to go back',
    summary: 'Deploy the staged configuration, or that of a revision',
    description:
      "Has each agent make its nodes match the configuration; nodes that do not differ are left alone. One result per node; one that failed carries its last outputs. Then one success with the configuration's id, and the number of the revision that this deployment has become. In steps (`strategy`) it goes on only while what has been changed is healthy, and else brings back what was; `rollout_progress` events tell of each step."
  },
  get_nodes: {
    arguments: Type.Object({}, { $id: 'GetNodesArguments', ...closed, description: 'No arguments.', examples: [{}] }),
    changes: false,
    role: 'viewer',
    limited: true,
    timeout: 10,
    summary: 'List nodes, as their agents report them',
    description:
      'One result per connected instance, whose data holds the status of each process there, the agent and a controller on the same host included. Agents tell of each change when it happens; they are not asked anew. For zeek-client, and for who wants the answer as an event; `GET /v1/nodes` answers at once, filtered and in pages, and is for people and dashboards.'
  },
  get_id_value: {
    arguments: Type.Object(
      {
        id: Type.String({
          pattern: '^[A-Za-z_][A-Za-z0-9_:]*$',
          maxLength: 256,
          'x-expected': 'a global identifier of Zeek',
          description: 'A global identifier of Zeek.'
        }),
        ...selector
      },
      {
        $id: 'GetIdValueArguments',
        ...closed,
        description: 'Which identifier, of which nodes.',
        examples: [{ id: 'Cluster::node', nodes: ['worker-1'] }]
      }
    ),
    changes: false,
    role: 'viewer',
    limited: true,
    timeout: 10,
    summary: 'Get the value of an identifier in Zeek nodes',
    description: 'One result per node, whose data holds the value as a JSON text.'
  },
  start: {
    arguments: Type.Object(selectorWithComment, {
      $id: 'StartArguments',
      ...closed,
      description: 'Which nodes, and why.',
      examples: [{ roles: ['WORKER'], instances: ['agent-sensor-1'] }]
    }),
    changes: true,
    role: 'operator',
    limited: true,
    timeout: 10,
    takes: 'agent_start_timeout',
    summary: 'Start nodes',
    description:
      'The nodes are to run from now on, whatever is restarted or deployed. One result per node, a success once it has joined the cluster; one that runs already is not touched.'
  },
  stop: {
    arguments: Type.Object(selectorWithComment, {
      $id: 'StopArguments',
      ...closed,
      description: 'Which nodes, and why.',
      examples: [{ nodes: ['worker-1'] }]
    }),
    changes: true,
    role: 'operator',
    limited: true,
    timeout: 10,
    takes: 'agent_stop_timeout for each role that an instance has nodes of, since these stop one after the other',
    summary: 'Stop nodes',
    description:
      'The nodes are to be stopped from now on, whatever is restarted or deployed, until they are started. One result per node, a success once its process is gone.'
  },
  restart: {
    arguments: Type.Object(
      {
        ...selector,
        strategy: Type.Optional(Ref(RestartStrategy)),
        max_parallel: Type.Optional(
          Type.Integer({
            minimum: 1,
            maximum: 100_000,
            default: 1,
            description: 'How many are restarted at a time, when rolling.'
          })
        )
      },
      { $id: 'RestartArguments', ...closed, description: 'Which nodes, and how.', examples: [{ nodes: ['worker-1'] }] }
    ),
    changes: true,
    role: 'operator',
    limited: true,
    timeout: 10,
    takes: 'as long as a stop and a start of its nodes; when rolling, for each step',
    summary: 'Restart nodes',
    description:
      'One result per node, a success once the new process has joined the cluster. Other nodes are not touched; those that are to be stopped stay so. Rolling: by role, the next ones only when the ones before run again; after a failure no others are restarted. When rolling, each step has its time.'
  },
  plan: {
    arguments: Type.Object(
      {
        force: Type.Optional(
          Type.Boolean({
            default: false,
            description: 'As for deploy: also restart nodes that already are as they should be.'
          })
        ),
        rotate_keys: Type.Optional(RotateKeys),
        ...rolloutArguments
      },
      { $id: 'PlanArguments', ...closed, description: 'How it would be deployed.', examples: [{}] }
    ),
    changes: false,
    role: 'operator',
    timeout: 60,
    summary: 'Tell what a deployment would do',
    description:
      'What `deploy` would do now with the staged configuration: one result per node, whose data has the action, why, and in which step, and one for each node that it would stop since it is not in the configuration any more; then one with the id of the configuration. `deploy` with the reqid as `plan` does just this, with the arguments that the plan was given. Agents fetch what they lack of its bundle and compare it with what runs; no node is touched. An instance that is not connected is a failure: its nodes get there when it connects.'
  },
  check: {
    arguments: Type.Object(
      {
        ...selector,
        deployed: Type.Optional(
          Type.Boolean({ default: false, description: 'Of the deployed configuration, instead of the staged one.' })
        ),
        require: Type.Optional(Ref(CheckRequirement))
      },
      { $id: 'CheckArguments', ...closed, description: 'Which nodes, of which configuration.', examples: [{}] }
    ),
    changes: false,
    role: 'operator',
    timeout: 120,
    summary: 'Check nodes before they are deployed',
    description:
      'Each node is parsed (`zeek -a`) on its own instance, with its arguments, environment and layout, and its host is looked at: interface, ports, CPU, executable, disk, capabilities. One result per node, with what was found. Where the configuration has captures, one instance reads them, with what is deployed and with what is checked, and has a result that tells what differs.'
  },
  set_option: {
    arguments: Type.Object(
      { name: OptionName, value: OptionValue },
      {
        $id: 'SetOptionArguments',
        ...closed,
        description: 'Which option, and its value.',
        examples: [{ name: 'Site::local_nets', value: '10.0.0.0/8,192.168.0.0/16' }]
      }
    ),
    changes: true,
    role: 'operator',
    timeout: 30,
    summary: 'Set an option while nodes run',
    description:
      "Sets an option (what Zeek's scripts declare with `option`) in every running node that has it, without a restart; one that is started later sets it, too, until the option is unset. One result per node, whose data holds the value that it has now; none, where it does not run or has no such option. When a node refuses the value, nothing is changed anywhere: its error has Zeek's words. `PUT /v1/options/{name}` is the same."
  },
  unset_option: {
    arguments: Type.Object(
      { name: OptionName },
      {
        $id: 'UnsetOptionArguments',
        ...closed,
        description: 'Which option.',
        examples: [{ name: 'Site::local_nets' }]
      }
    ),
    changes: true,
    role: 'operator',
    timeout: 30,
    summary: 'Unset an option',
    description:
      'The option is in every node what its scripts make it, without a restart. One result per node, whose data holds that value. `DELETE /v1/options/{name}` is the same.'
  },
  set_intel: {
    arguments: Type.Object(
      { name: FeedName, bundle: BundleRef },
      {
        $id: 'SetIntelArguments',
        ...closed,
        description: 'Which feed, and the bundle that holds its file and nothing else, in `intel/`.',
        examples: [{ name: 'tor-exits', bundle: BundleRef.examples[0] }]
      }
    ),
    changes: true,
    role: 'operator',
    timeout: 120,
    summary: 'Set a feed of intelligence while nodes run',
    description:
      "Has the manager read a file of indicators, without a restart; it tells the workers. What an earlier file of that feed had and this one has not is removed. It is read again whenever the manager is started, until the feed is unset. The result of the manager holds how many indicators it has read. When it refuses the file, nothing is changed: the error has Zeek's words. `PUT /v1/intel/{feed}` takes the file itself."
  },
  unset_intel: {
    arguments: Type.Object(
      { name: FeedName },
      {
        $id: 'UnsetIntelArguments',
        ...closed,
        description: 'Which feed.',
        examples: [{ name: 'tor-exits' }]
      }
    ),
    changes: true,
    role: 'operator',
    timeout: 120,
    summary: 'Unset a feed of intelligence',
    description:
      'Has the manager forget the indicators of a feed that no other one has, without a restart. `DELETE /v1/intel/{feed}` is the same.'
  },
  get_node_output: {
    arguments: Type.Object(
      {
        ...selector,
        stream: Type.Optional(Ref(NodeOutputStream)),
        lines: Type.Optional(
          Type.Integer({ minimum: 0, maximum: 10_000, default: 100, description: 'The last lines of each.' })
        ),
        incarnation: Type.Optional(
          Type.Integer({
            minimum: 0,
            maximum: 100,
            default: 0,
            description: 'Of which process: 0 is the newest, 1 the one before it.'
          })
        ),
        follow: Type.Optional(
          Type.Boolean({
            default: false,
            description: 'Go on with what is written from now on, as `node_output` events of the request.'
          })
        ),
        duration: Duration('follow'),
        max_lines: Type.Optional(
          Type.Integer({
            minimum: 1,
            maximum: 100_000,
            default: 1000,
            description: 'Lines of each node after which following ends.'
          })
        )
      },
      {
        $id: 'GetNodeOutputArguments',
        ...closed,
        description: 'Which output of which nodes.',
        examples: [{ nodes: ['worker-1'], stream: 'stderr', lines: 20 }]
      }
    ),
    changes: false,
    role: 'viewer',
    limited: true,
    timeout: 10,
    summary: 'Get the output of nodes',
    description:
      'One result per node, whose data holds the last lines. With follow, these lines and what they write then come as events on the stream of the request, until the duration or the number of lines is over.'
  },
  diagnose: {
    arguments: Type.Object(selector, {
      $id: 'DiagnoseArguments',
      ...closed,
      description: 'Which nodes.',
      examples: [{ nodes: ['worker-1'] }]
    }),
    changes: false,
    role: 'operator',
    limited: true,
    timeout: 60,
    summary: 'Diagnose nodes',
    description:
      'One result per node: its processes and how they have ended, its command line, its last outputs, and its core file with a backtrace where gdb is installed.'
  },
  get_node_stats: {
    arguments: Type.Object(
      {
        ...selector,
        watch: Type.Optional(
          Type.Boolean({ default: false, description: 'Go on with samples, as `node_stats` events of the request.' })
        ),
        interval: Type.Optional(
          Type.Number({ minimum: 1, maximum: 3600, default: 5, description: 'Seconds between samples.' })
        ),
        duration: Duration('watch'),
        history: Type.Optional(
          Type.Boolean({ default: false, description: 'Each result has the last hour of its node, too.' })
        )
      },
      { $id: 'GetNodeStatsArguments', ...closed, description: 'Which nodes.', examples: [{ roles: ['WORKER'] }] }
    ),
    changes: false,
    role: 'viewer',
    limited: true,
    timeout: 10,
    summary: 'Get statistics of nodes',
    description:
      'One result per node: processor, memory, packets received and dropped, lag and sessions, with rates since the sample before. With history, what its agent has sampled in the last hour, too: also of a node that does not run any more, whose result is a failure.'
  },
  get_instance_stats: {
    arguments: Type.Object(
      { instances: selector.instances },
      {
        $id: 'GetInstanceStatsArguments',
        ...closed,
        description: 'Which instances; none: all that are connected.',
        examples: [{}]
      }
    ),
    changes: false,
    role: 'viewer',
    limited: true,
    timeout: 10,
    summary: 'Get statistics of instances',
    description:
      'One result per instance: processors, load, memory, file systems, interfaces, versions, logs that wait to be archived, and Zeek processes that are not of this cluster.'
  },
  cleanup: {
    arguments: Type.Object(
      {
        instances: selector.instances,
        remove: Type.Optional(
          Type.Boolean({ default: false, description: 'Whether it is removed; else only told what would be.' })
        )
      },
      {
        $id: 'CleanupArguments',
        ...closed,
        description: 'Which instances; none: all that are connected.',
        examples: [{ remove: false }]
      }
    ),
    changes: true,
    role: 'operator',
    limited: true,
    timeout: 60,
    summary: 'Tell, or remove, what nodes have left that are no longer deployed',
    description:
      'One result per instance, whose data holds the directories of nodes that it does not run any more. One that holds anything but outputs and core files, such as logs that are not archived, is kept, and says why. Nothing is removed without `remove`.'
  },
  upgrade: {
    arguments: Type.Object(
      {
        bundle: BundleRef,
        instances: Type.Optional(Type.Array(Name, { maxItems: 10_000, description: 'Only these instances.' })),
        labels: Type.Optional({
          ...Ref(Labels),
          description: 'Only deployed instances that have all of these labels.'
        }),
        max_parallel: Type.Optional(
          Type.Integer({ minimum: 1, maximum: 10_000, description: 'How many at a time. Default: 1.' })
        )
      },
      {
        $id: 'UpgradeArguments',
        ...closed,
        description: 'The bundle of a release, and which instances; neither names nor labels: all that are connected.',
        examples: [{ bundle: 'release-0.2.0', labels: { site: 'north' }, max_parallel: 5 }]
      }
    ),
    changes: true,
    role: 'operator',
    timeout: 600,
    takes: 'the fetch, and the trial, of one instance after the other',
    summary: 'Upgrade agents',
    description:
      'Has instances start as the release that a bundle holds, one after the other, or max_parallel at a time; nodes are not touched. One result per instance, whose data holds its version before and after. One that fails goes back to the version that it had, and says why; then no other instance begins. An instance that has the version already is left alone. That of the controller comes last: where it ends the controller, too, the request ends `interrupted`.'
  },
  test_timeout: {
    arguments: Type.Object(
      { with_state: Type.Optional(Type.Boolean({ default: false })) },
      {
        $id: 'TestTimeoutArguments',
        ...closed,
        description: 'With or without request state.',
        examples: [{ with_state: true }]
      }
    ),
    changes: false,
    role: 'viewer',
    limited: true,
    timeout: 10,
    // It does nothing but take a place among the pending requests.
    timeoutMax: 60,
    isForTesting: true,
    summary: 'Test time-outs (for testing)',
    description:
      'For testing clients. With state it is answered "request timed out" when its time is over; without, it is never answered, and ends with a request_expired event.'
  }
} satisfies Record<string, RequestDefinition>

export type RequestType = keyof typeof requests
export type Arguments<T extends RequestType> = Static<(typeof requests)[T]['arguments']>
export const requestTypes = Object.keys(requests) as RequestType[]

export const RequestTypeName = OpenEnum('RequestType', requestTypes, `What is asked: ${requestTypes.join(', ')}.`)

/** The arguments of a request of any type: one plain object for generated clients. */
export const RequestArguments = Type.Object(
  {
    config: Type.Optional(Ref(SentConfiguration)),
    deployed: Type.Optional(Type.Boolean()),
    force: Type.Optional(Type.Boolean()),
    rotate_keys: Type.Optional(Type.Boolean()),
    check: Type.Optional(Type.Boolean()),
    plan: Type.Optional(Type.String()),
    comment: Type.Optional(Type.String()),
    revision: Type.Optional(Type.Integer()),
    last_good: Type.Optional(Type.Boolean()),
    id: Type.Optional(Type.String()),
    name: Type.Optional(Type.String()),
    value: Type.Optional(Type.String()),
    bundle: Type.Optional(Type.String()),
    nodes: Type.Optional(Type.Array(Type.String())),
    roles: Type.Optional(Type.Array(Ref(ClusterRole))),
    instances: Type.Optional(Type.Array(Type.String())),
    labels: Type.Optional(Ref(Labels)),
    strategy: Type.Optional(Ref(DeployStrategy)),
    max_parallel: Type.Optional(Type.Integer()),
    max_parallel_percent: Type.Optional(Type.Integer()),
    max_parallel_per_instance: Type.Optional(Type.Integer()),
    min_healthy_seconds: Type.Optional(Type.Number()),
    max_drop_percent: Type.Optional(Type.Number()),
    max_lag_seconds: Type.Optional(Type.Number()),
    max_memory_bytes: Type.Optional(Type.Integer()),
    max_errors: Type.Optional(Type.Integer()),
    auto_revert: Type.Optional(Type.Boolean()),
    canary: Type.Optional(Type.Integer()),
    canary_seconds: Type.Optional(Type.Number()),
    auto_promote: Type.Optional(Type.Boolean()),
    on_check_failure: Type.Optional(Ref(OnCheckFailure)),
    stream: Type.Optional(Ref(NodeOutputStream)),
    lines: Type.Optional(Type.Integer()),
    incarnation: Type.Optional(Type.Integer()),
    follow: Type.Optional(Type.Boolean()),
    watch: Type.Optional(Type.Boolean()),
    duration: Type.Optional(Type.Number()),
    max_lines: Type.Optional(Type.Integer()),
    interval: Type.Optional(Type.Number()),
    history: Type.Optional(Type.Boolean()),
    remove: Type.Optional(Type.Boolean()),
    with_state: Type.Optional(Type.Boolean()),
    require: Type.Optional(Ref(CheckRequirement))
  },
  {
    $id: 'RequestArguments',
    ...closed,
    description: 'The arguments as they were sent; which fields depends on the type.',
    examples: [{ nodes: ['worker-1'] }]
  }
)
export type RequestArguments = Static<typeof RequestArguments>
