import { requests, type RequestArguments, type RequestDefinition, type RequestType } from '../../../schemas/api.js'
import type { ClusterConfiguration } from '../../../schemas/types.js'
import type { ControllerSettings } from '../config.js'
import { timesOf, toRestart, toStart, toStop } from './durations.js'
import type { Fleet } from '../fleet.js'
import { restartSteps } from './operations.js'
import { rolloutSeconds } from '../rollout/rollout.js'
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
  const { settings, deployed } = circumstances
  const { timeout, takes }: RequestDefinition = requests[type]
  const set = settings[`controller_timeout_${type}`]
  if (takes === undefined) return (set ?? timeout) + (args.follow || args.watch ? (args.duration ?? 60) : 0)
  // In a rolling restart, the setting applies to each step.
  const steps =
    type === 'restart' && deployed ? Math.max(1, restartSteps(args, select(args, deployed).selected).length) : 1
  const seconds = set === undefined ? Math.max(timeout, expectedSeconds(type, args, circumstances)) : set * steps
  return Math.min(settings.controller_timeout_max, seconds)
}

function expectedSeconds(type: RequestType, args: RequestArguments, circumstances: TimeoutInputs): number {
  const { settings, fleet, deployed, staged } = circumstances
  const times = timesOf(fleet)
  if (type === 'deploy') {
    const checking = args.check === false ? 0 : settings.controller_timeout_check
    const nodes = [...(deployed?.nodes ?? []), ...(staged?.nodes ?? [])]
    const changes = [...new Map(nodes.map(node => [node.name, node])).values()]
    const strategy = deployed ? strategyOf(args, settings.controller_deploy_strategy) : 'at_once'
    const changing = strategy === 'at_once' ? 0 : rolloutSeconds(args, stepsOf(changes, paceOf(args, strategy)), times)
    // At once, or back again.
    return settings.controller_connect_grace + checking + changing + toRestart(nodes, times)
  }
  const selected = deployed ? select(args, deployed).selected : []
  if (type === 'restart') return restartSteps(args, selected).reduce((sum, step) => sum + toRestart(step, times), 0)
  return (type === 'stop' ? toStop : toStart)(selected, times)
}
