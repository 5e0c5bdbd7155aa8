import { Type, type Static } from '@sinclair/typebox'
import { closed, Enum, Name, OpenEnum, Ref, RevisionNumber, Time } from './basics.js'
import { Labels } from './groups.js'

export const DeployStrategy = Enum(
  'DeployStrategy',
  ['at_once', 'by_role', 'rolling'],
  'at_once: all nodes together. by_role: managers, then loggers, proxies and workers, each when the nodes before are healthy. rolling: the same, and a few of a role at a time.'
)
export type DeployStrategy = Static<typeof DeployStrategy>

export const OnCheckFailure = Enum(
  'OnCheckFailure',
  ['refuse', 'skip'],
  'What follows from nodes that fail their check. refuse: nothing is changed anywhere, the default. skip: they stay as they are, when it goes in steps.'
)

/** What people may do with a deployment in steps while it is under way. */
export const rolloutActions = {
  pause: 'It waits before its next step until it is resumed, or its time is over.',
  resume: 'It goes on.',
  promote: 'It goes on after its canary.',
  revert: 'The nodes that were changed go back to what they were, and it ends.',
  cancel:
    'It ends: what was changed goes back to what it was, or stays where the deployment has said `auto_revert: false`; what was not is left alone.'
} as const
export type RolloutAction = keyof typeof rolloutActions

/** The arguments of a deployment that say how it goes over the nodes. */
export const rolloutArguments = {
  instances: Type.Optional(
    Type.Array(Name, {
      maxItems: 10_000,
      description: 'Only nodes on these instances are changed; the others stay as they are until another deployment.'
    })
  ),
  labels: Type.Optional({ ...Ref(Labels), description: 'Only nodes on instances that have all of these labels.' }),
  strategy: Type.Optional(Ref(DeployStrategy)),
  max_parallel: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 100_000,
      description: 'How many nodes are changed at a time, when rolling. Default: 1.'
    })
  ),
  max_parallel_percent: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 100,
      description: 'The same, of the nodes of a role that are to be changed: instead of max_parallel.'
    })
  ),
  max_parallel_per_instance: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 100_000,
      description: 'How many of them on one instance, at most.'
    })
  ),
  min_healthy_seconds: Type.Optional(
    Type.Number({
      minimum: 0,
      maximum: 3600,
      description: 'For how long the nodes of a step must run before the next step. Default: 5.'
    })
  ),
  max_drop_percent: Type.Optional(
    Type.Number({
      minimum: 0,
      maximum: 100,
      description: 'How many of its packets a changed worker may drop; one that dropped more before, as many as then.'
    })
  ),
  max_lag_seconds: Type.Optional(
    Type.Number({
      minimum: 0,
      maximum: 3600,
      description: 'How far behind a changed worker may be; or as far as before.'
    })
  ),
  max_memory_bytes: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'How much memory a changed node may use; or as much as before.'
    })
  ),
  max_errors: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'How many errors Zeek may report in a changed node; or as many as before in the same time.'
    })
  ),
  auto_revert: Type.Optional(
    Type.Boolean({
      description:
        'Whether the nodes that were changed go back to what they were when a step fails, the default; else they stay.'
    })
  ),
  canary: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 100_000,
      description: 'How many workers are changed first. Then it waits until someone promotes or reverts it.'
    })
  ),
  canary_seconds: Type.Optional(
    Type.Number({ minimum: 0.001, maximum: 86_400, description: 'How long it waits for that. Default: 600.' })
  ),
  auto_promote: Type.Optional(
    Type.Boolean({
      description: 'Whether it is promoted then, when nobody has decided; else, the default, it is reverted.'
    })
  ),
  on_check_failure: Type.Optional(Ref(OnCheckFailure))
}

export const RolloutPhase = OpenEnum(
  'RolloutPhase',
  ['changing', 'watching', 'canary', 'paused', 'reverting'],
  'changing: nodes are being stopped and started. watching: they run, and must stay healthy. canary: it waits to be promoted or reverted. paused: it waits to be resumed. reverting: nodes go back to what they were.'
)
export type RolloutPhase = Static<typeof RolloutPhase>

const Amount = (description: string) => Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description })

/** What is told of a rollout, in its events and with its request. */
export const rolloutProgress = {
  revision: { ...RevisionNumber, description: 'The revision that is being deployed.' },
  phase: Ref(RolloutPhase),
  step: Amount('The step that is under way, counted from 1.'),
  of: Amount('How many steps there are.'),
  nodes: Type.Array(Name, { description: 'The nodes of this step.' }),
  done: Amount('Nodes that are changed, and healthy.'),
  total: Amount('Nodes that are to be changed.'),
  until: Type.Optional({ ...Time, description: 'When a canary is decided without anybody.' }),
  reason: Type.Optional(Type.String({ description: 'Why it is paused or goes back.' }))
}

export const Rollout = Type.Object(rolloutProgress, {
  $id: 'Rollout',
  ...closed,
  description: 'How far a deployment has come that goes over the nodes in steps.',
  examples: [{ revision: 12, phase: 'watching', step: 3, of: 6, nodes: ['worker-1', 'worker-2'], done: 3, total: 9 }]
})
export type Rollout = Static<typeof Rollout>

export const rolloutComponents = [DeployStrategy, OnCheckFailure, RolloutPhase, Rollout]
