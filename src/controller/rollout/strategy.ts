import type { RequestArguments } from '../../../schemas/api.js'
import { type DeployStrategy, rolloutArguments } from '../../../schemas/rollouts.js'
import { invalid } from '../../errors.js'
import { isPartial } from './part.js'
import type { Pace } from './steps.js'

/** The arguments that only mean something when a deployment goes in steps. */
const ofSteps = (Object.keys(rolloutArguments) as (keyof typeof rolloutArguments)[]).filter(name => name !== 'strategy')
/** Those of them that only say where. */
const ofPart: readonly string[] = ['instances', 'labels']

/** Returns those of them that are given. */
const givenIn = (args: RequestArguments) =>
  ofSteps.filter(name => (ofPart.includes(name) ? isPartial({ [name]: args[name] }) : args[name] !== undefined))

/** Returns whether a deployment is asked to go in steps, or to leave nodes as they are. */
export const isStepwise = (args: RequestArguments): boolean =>
  args.strategy === undefined ? givenIn(args).length > 0 : args.strategy !== 'at_once'

/** Returns how a deployment goes over the nodes: in steps where its arguments say anything of them. */
export function strategyOf(args: RequestArguments, byDefault: DeployStrategy): DeployStrategy {
  const given = givenIn(args)
  if (args.strategy !== undefined) return args.strategy
  if (given.some(name => !ofPart.includes(name))) return 'rolling'
  return given.length > 0 && byDefault === 'at_once' ? 'by_role' : byDefault
}

/** Throws `invalid_request` where arguments of a deployment exclude each other. */
export function checkStrategy(args: RequestArguments): void {
  const useless = args.strategy === 'at_once' ? givenIn(args) : []
  const errors = [
    ...useless.map(name => ({ field: `body/${name}`, message: 'has no meaning when all nodes are changed at once' })),
    ...(args.rotate_keys === true && isStepwise(args)
      ? [{ field: 'body/rotate_keys', message: 'restarts all nodes at once: it excludes steps and instances' }]
      : []),
    ...(args.max_parallel !== undefined && args.max_parallel_percent !== undefined
      ? [{ field: 'body/max_parallel_percent', message: 'excludes max_parallel' }]
      : []),
    ...(args.canary === undefined
      ? (['canary_seconds', 'auto_promote'] as const)
          .filter(name => args[name] !== undefined && args.strategy !== 'at_once')
          .map(name => ({ field: `body/${name}`, message: 'has no meaning without canary' }))
      : [])
  ]
  if (errors.length > 0) throw invalid(errors)
}

/** Returns the pace of a deployment in steps, as its arguments say it. */
export function paceOf(
  {
    max_parallel: most = 1,
    max_parallel_percent: percent,
    max_parallel_per_instance: perInstance,
    canary
  }: RequestArguments,
  strategy: DeployStrategy
): Pace {
  if (strategy !== 'rolling') return { most: ofRole => ofRole, canary }
  return { most: ofRole => (percent === undefined ? most : Math.floor((ofRole * percent) / 100)), perInstance, canary }
}
