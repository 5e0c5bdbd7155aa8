import { requests, type RequestArguments, type RequestDefinition, type RequestType } from '../../../schemas/api.js'
import { captureSeconds } from '../../../schemas/captures.js'
import type { ClusterConfiguration, ClusterNode } from '../../../schemas/types.js'
import type { ControllerSettings } from '../config.js'
import { timesOf, toRestart, toStart, toStop, toUpgrade } from './durations.js'
import type { Fleet } from '../fleet.js'
import { restartSteps } from './operations.js'
import { waitingSeconds } from '../rollout/rollout.js'
import { stepsOf } from '../rollout/steps.js'
import { paceOf, strategyOf } from '../rollout/strategy.js'
import { select } from '../cluster/selection.js'

/** What the timeout of a request depends on. */
export interface TimeoutInputs {
  settings: ControllerSettings
  fleet: Pick<Fleet, 'known'>
  deployed: ClusterConfiguration | undefined
  staged: ClusterConfiguration | undefined
}

/** Returns the default timeout of a request in seconds: that of the settings, else what its steps may take. */
export function timeoutOf(type: RequestType, args: RequestArguments, circumstances: TimeoutInputs): number {
  const { settings } = circumstances
  const { timeout, takes }: RequestDefinition = requests[type]
  const set = settings[`controller_timeout_${type}`]
  if (type === 'check') {
    return Math.min(
      settings.controller_timeout_max,
      (set ?? timeout) + toReplay(args.deployed ? circumstances.deployed : circumstances.staged, circumstances)
    )
  }
  if (takes === undefined) return (set ?? timeout) + (args.follow || args.watch ? (args.duration ?? 60) : 0)
  const steps = stepsTaken(type, args, circumstances)
  const waiting = type === 'deploy' && steps.length > 0 ? waitingSeconds(args, steps.length) : 0
  // In steps, the setting applies to each of them.
  const seconds =
    set === undefined
      ? Math.max(timeout, expectedSeconds(type, args, circumstances, steps) + waiting)
      : set * Math.max(1, steps.length) + waiting
  return Math.min(settings.controller_timeout_max, seconds)
}

/** Returns the steps of a restart, and those that a deployment may have: none, where it is at once. */
function stepsTaken(
  type: RequestType,
  args: RequestArguments,
  { settings, deployed, staged }: TimeoutInputs
): ClusterNode[][] {
  if (!deployed) return []
  if (type === 'restart') return restartSteps(args, select(args, deployed).selected)
  const strategy = strategyOf(args, settings.controller_deploy_strategy)
  if (type !== 'deploy' || strategy === 'at_once') return []
  const nodes = [...deployed.nodes, ...(staged?.nodes ?? [])]
  return stepsOf([...new Map(nodes.map(node => [node.name, node])).values()], paceOf(args, strategy))
}

/** Returns how long it may take to read the captures of a configuration, each twice, in seconds. */
function toReplay(configuration: ClusterConfiguration | undefined, { fleet }: Pick<TimeoutInputs, 'fleet'>): number {
  const said = fleet.known().map(({ hello }) => hello.times?.capture ?? captureSeconds)
  return 2 * (configuration?.captures?.length ?? 0) * Math.max(captureSeconds, ...said)
}

/**
 * Returns how long it may take to upgrade instances, in seconds. All that are known count: labels choose among them.
 */
function toUpgradeAll({ instances = [], max_parallel: parallel = 1 }: RequestArguments, fleet: Pick<Fleet, 'known'>) {
  const known = fleet.known().filter(({ name }) => instances.length === 0 || instances.includes(name))
  return Math.ceil(known.length / parallel) * Math.max(0, ...known.map(({ hello }) => toUpgrade(hello)))
}

function expectedSeconds(
  type: RequestType,
  args: RequestArguments,
  { settings, fleet, deployed, staged }: TimeoutInputs,
  steps: readonly (readonly ClusterNode[])[]
): number {
  const times = timesOf(fleet)
  const inSteps = steps.reduce((sum, step) => sum + toRestart(step, times), 0)
  if (type === 'restart') return inSteps
  if (type === 'upgrade') return toUpgradeAll(args, fleet)
  if (type === 'deploy') {
    const checking = args.check === false ? 0 : settings.controller_timeout_check + toReplay(staged, { fleet })
    const planning = steps.length === 0 ? 0 : requests.plan.timeout
    // At once, or back again.
    const whole = toRestart([...(deployed?.nodes ?? []), ...(staged?.nodes ?? [])], times)
    return settings.controller_connect_grace + checking + planning + inSteps + whole
  }
  return (type === 'stop' ? toStop : toStart)(deployed ? select(args, deployed).selected : [], times)
}
