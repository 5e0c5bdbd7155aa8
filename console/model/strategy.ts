import type { ClusterRequest } from './types.js'

type Args = ClusterRequest['arguments']

export type Strategy = NonNullable<Args['strategy']>

/** The arguments of a deployment in steps that are numbers. */
export type StepNumber =
  | 'max_parallel'
  | 'max_parallel_percent'
  | 'max_parallel_per_instance'
  | 'min_healthy_seconds'
  | 'max_drop_percent'
  | 'max_lag_seconds'
  | 'max_memory_bytes'
  | 'max_errors'
  | 'canary'
  | 'canary_seconds'

/** How a deployment goes over the nodes, as it was filled in. */
export interface StepFields {
  /** Undefined: as the controller's setting says. */
  strategy: Strategy | undefined
  /** Numbers as they were written; what is empty is not sent. */
  numbers: Partial<Record<StepNumber, string>>
  autoRevert: boolean
  autoPromote: boolean
  skipFailed: boolean
}

/** What is as the controller has it. */
export const noStepFields: StepFields = {
  strategy: undefined,
  numbers: {},
  autoRevert: true,
  autoPromote: false,
  skipFailed: false
}

/** Those that say how many nodes are changed at a time. */
const ofPace: readonly string[] = ['max_parallel', 'max_parallel_percent', 'max_parallel_per_instance']
const mebibyte = 1_048_576

/** Returns the arguments that say how a deployment goes over the nodes: only what is filled in, and shown. */
export function stepArguments({ strategy, numbers, autoRevert, autoPromote, skipFailed }: StepFields): Partial<Args> {
  if (strategy === undefined) return {}
  if (strategy === 'at_once') return { strategy }
  const filled = Object.entries(numbers).filter(
    ([name, text]) => text.trim() !== '' && (strategy === 'rolling' || !ofPace.includes(name))
  )
  return {
    strategy,
    // Memory is written in MiB.
    ...Object.fromEntries(
      filled.map(([name, text]) => [name, Number(text) * (name === 'max_memory_bytes' ? mebibyte : 1)])
    ),
    ...(autoRevert ? {} : { auto_revert: false }),
    ...(autoPromote ? { auto_promote: true } : {}),
    ...(skipFailed ? { on_check_failure: 'skip' as const } : {})
  }
}
