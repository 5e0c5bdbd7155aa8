import { Type, type Static } from '@sinclair/typebox'
import { closed, Name, Ref } from './basics.js'
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

/** The most workers of a group on one instance: as many as a machine can have CPUs. */
export const groupWorkersMax = 4096

export const WorkerCount = Type.Unsafe<number | typeof auto>({
  $id: 'WorkerCount',
  anyOf: [
    { type: 'integer', minimum: 1, maximum: groupWorkersMax },
    { type: 'string', enum: [auto] }
  ],
  'x-expected': `a number of workers from 1 to ${groupWorkersMax}, or "${auto}"`,
  description:
    'Workers on each instance. auto: one for each free physical core of the NUMA node that the interface is on (of all nodes, where that is unknown) but the core of CPU 0; with a list in cpus, one for each of its CPUs. At least one, and no more than the CPU quota of the instance.',
  examples: [14, auto]
})

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

/** What the named schemas here are, in an order in which each comes after those that it refers to. */
export const groupComponents = [Labels, WorkerCount, Group]
