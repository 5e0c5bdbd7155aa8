import { Type, type Static } from '@sinclair/typebox'
import { closed, Cursor, ListOf, Name, Ref, Time } from './basics.js'
import {
  Interface,
  LoadLocal,
  MemoryMax,
  Nice,
  NodeEnvironment,
  NodeOptions,
  Scripts,
  StringMap,
  plain
} from './node-fields.js'
import { NumaNode } from './topology.js'

/** The word for what the controller chooses itself. */
export const auto = 'auto'

export const Labels = StringMap({
  id: 'Labels',
  names: '^[A-Za-z0-9_]([A-Za-z0-9_./-]{0,62}[A-Za-z0-9_])?$',
  values: plain,
  expected: 'a text without control characters',
  description: 'What an instance is, for groups of workers that choose by it.',
  examples: [{ site: 'berlin', tap: 'uplink' }]
})
export type Labels = Static<typeof Labels>

/** Returns whether an instance has all of these labels. */
export function hasLabels({ labels: own = {} }: { labels?: Labels }, labels: Labels): boolean {
  return Object.entries(labels).every(([name, value]) => own[name] === value)
}

/** Returns labels as a text, the same in whatever order they are: `site=berlin, tap=uplink`. */
export function textOfLabels(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join(', ')
}

/** The most workers of a group on one instance: as many as a machine can have CPUs. */
export const groupWorkersMax = 4096

/** What an elastic group keeps to where it does not say otherwise. */
export const elasticDefaults = {
  max_drop_percent: 1,
  max_cpu_percent: 80,
  min_cpu_percent: 30,
  window_seconds: 60,
  cooldown_seconds: 300
} as const

const limit = (name: keyof typeof elasticDefaults, maximum: number, description: string, minimum = 0) =>
  Type.Optional(Type.Number({ minimum, maximum, description: `${description} Default: ${elasticDefaults[name]}.` }))
const Workers = (description: string) => Type.Integer({ minimum: 1, maximum: groupWorkersMax, description })

/** That min is not more than max, and the like, is said by expandGroups(). */
export const ElasticWorkers = Type.Object(
  {
    min: Workers('As many run, whatever there is to do.'),
    max: Workers('No more run: the group has this many, and those that need not run are spares.'),
    max_drop_percent: limit(
      'max_drop_percent',
      100,
      'One more is started when those that run drop more of their packets.'
    ),
    max_cpu_percent: limit(
      'max_cpu_percent',
      100,
      'One more is started when each of them uses more of a CPU, on average.'
    ),
    min_cpu_percent: limit(
      'min_cpu_percent',
      100,
      'One is stopped when each of them uses less of a CPU, on average, and none has dropped a packet.'
    ),
    window_seconds: limit('window_seconds', 3600, 'The seconds over which that is measured.', 1),
    cooldown_seconds: limit('cooldown_seconds', 86_400, 'The seconds from a change to the next one, at least.')
  },
  {
    $id: 'ElasticWorkers',
    ...closed,
    description: 'How many workers of a group run on an instance: from min to max, by what they drop and use.',
    examples: [{ min: 2, max: 8 }]
  }
)
export type ElasticWorkers = Static<typeof ElasticWorkers>
/** The same where a client sends it. */
export const ElasticWorkersInput: typeof ElasticWorkers = { ...ElasticWorkers, $id: 'ElasticWorkersInput' }

const otherCounts = [
  { type: 'integer', minimum: 1, maximum: groupWorkersMax },
  { type: 'string', enum: [auto] }
]

export const WorkerCount = Type.Unsafe<number | typeof auto | ElasticWorkers>({
  $id: 'WorkerCount',
  anyOf: [...otherCounts, Ref(ElasticWorkers)],
  'x-expected': `a number of workers from 1 to ${groupWorkersMax}, "${auto}", or an object with min and max`,
  description:
    'Workers on each instance. auto: one for each free physical core of the NUMA node that the interface is on (of all nodes, where that is unknown) but the core of CPU 0; with a list in cpus, one for each of its CPUs. At least one, and no more than the CPU quota of the instance. min and max: as many as there is work for.',
  examples: [14, auto, { min: 2, max: 8 }]
})
export type WorkerCount = Static<typeof WorkerCount>
/** The same where a client sends it. */
export const WorkerCountInput: typeof WorkerCount = {
  ...WorkerCount,
  $id: 'WorkerCountInput',
  anyOf: [...otherCounts, Ref(ElasticWorkersInput)]
}

export const GroupCpus = Type.String({
  pattern: `^(${auto}|\\d{1,4}(-\\d{1,4})?(,\\d{1,4}(-\\d{1,4})?)*)$`,
  maxLength: 1024,
  'x-expected': `a list of CPUs as 2-15,18, or "${auto}"`,
  description:
    'The CPUs that the workers are pinned to, one each: of a list in its order; auto: physical cores of the NUMA node that the interface is on first. Without it none is pinned.',
  examples: ['2-15,18', auto]
})

const members = {
  name: {
    ...Name,
    description: 'The name of the group, with which the names of its workers begin.',
    examples: ['uplink']
  },
  instance: Type.Optional({ ...Name, description: 'The instance that the workers are on; they are <group>-1, …' }),
  instances: Type.Optional(
    Type.Array(Name, {
      minItems: 1,
      maxItems: 10_000,
      description: 'Instances, each with so many workers; they are <group>-<instance>-1, …'
    })
  ),
  labels: Type.Optional({
    ...Ref(Labels),
    description: 'As instances, with all instances that have all of these labels.'
  }),
  interface: Interface,
  workers: Ref(WorkerCount),
  cpus: Type.Optional(GroupCpus),
  numa: Type.Optional(
    Type.Integer({
      ...NumaNode,
      description: 'The only NUMA node whose CPUs the workers get, whichever the interface is on.'
    })
  ),
  memory_max: Type.Optional(MemoryMax),
  nice: Type.Optional(Nice),
  scripts: Type.Optional(Scripts),
  options: Type.Optional(Ref(NodeOptions)),
  env: Type.Optional(Ref(NodeEnvironment)),
  load_local: Type.Optional(LoadLocal)
}

/** Exactly one of `instance`, `instances` and `labels` is there: expandGroups() says so where it is not. */
export const Group = Type.Object(members, {
  $id: 'Group',
  ...closed,
  description:
    'Workers that differ by number, instance and CPU only. Exactly one of instance, instances and labels says where they are.',
  examples: [{ name: 'uplink', labels: { tap: 'uplink' }, interface: 'af_packet::eth1', workers: auto, cpus: auto }]
})
export type Group = Static<typeof Group>

/** What is kept with a deployment of an elastic group on one instance. */
const elasticGroup = {
  name: { ...Name, description: 'The name of the group.', examples: ['uplink'] },
  instance: { ...Name, description: 'The instance.', examples: ['berlin-1'] },
  workers: Type.Unsafe<Required<ElasticWorkers>>(Ref(ElasticWorkers)),
  nodes: Type.Array(Name, {
    description: 'All of its workers, spares included, in the order in which they are started.'
  })
}
export interface ElasticGroup {
  name: string
  instance: string
  /** With all of its limits. */
  workers: Required<ElasticWorkers>
  nodes: string[]
}

export const ElasticGroupStatus = Type.Object(
  {
    ...elasticGroup,
    running: Type.Array(Name, { description: 'Those that are to run.' }),
    spares: Type.Array(Name, { description: 'Those that are stopped until they are needed.' }),
    changed_at: Type.Optional({ ...Time, description: 'When one was last started or stopped for it.' }),
    reason: Type.Optional(
      Type.String({
        description: 'Why, with the figures.',
        examples: ['uplink on berlin-1: dropped 4.2 % of its packets in 60 s, 1 % is allowed; 3 of 8 workers run']
      })
    )
  },
  {
    $id: 'ElasticGroupStatus',
    ...closed,
    description:
      'An elastic group on one instance, as it is deployed. A worker that an operator has stopped is neither running nor a spare.',
    examples: [
      {
        name: 'uplink',
        instance: 'berlin-1',
        workers: { min: 2, max: 4, ...elasticDefaults },
        nodes: ['uplink-1', 'uplink-2', 'uplink-3', 'uplink-4'],
        running: ['uplink-1', 'uplink-2', 'uplink-3'],
        spares: ['uplink-4'],
        changed_at: Time.examples[0],
        reason: 'uplink on berlin-1: dropped 4.2 % of its packets in 60 s, 1 % is allowed; 3 of 4 workers run'
      }
    ]
  }
)
export type ElasticGroupStatus = Static<typeof ElasticGroupStatus>

export const ElasticGroupList = Type.Object(
  { groups: ListOf(ElasticGroupStatus), event_cursor: Cursor },
  {
    $id: 'ElasticGroupList',
    ...closed,
    description: 'The elastic groups that are deployed, each on each of its instances.',
    examples: [{ groups: ElasticGroupStatus.examples, event_cursor: Cursor.examples[0] }]
  }
)

/** What the named schemas here are, in an order in which each comes after those that it refers to. */
export const groupComponents = [
  Labels,
  ElasticWorkers,
  ElasticWorkersInput,
  WorkerCount,
  WorkerCountInput,
  Group,
  ElasticGroupStatus,
  ElasticGroupList
]
