import type { RequestArguments } from '../../schemas/api.js'
import type { ClusterConfiguration } from '../../schemas/types.js'
import type { ZeekRequestType } from '../../src/zeek/websocket/controller-api.js'
import type { Dice, Run } from './run.js'

/** What to ask for: a request of some type, marked where its arguments have room for that. */
export interface Errand {
  type: ZeekRequestType
  args: RequestArguments
  mark?: string
  timeout?: number
}

export type Config = Omit<ClusterConfiguration, 'id'>

/** How often which type: what starts processes seldom, as that is slow here and the same each time. */
const wheel: ZeekRequestType[] = [
  'get_instances',
  'get_instances',
  'get_nodes',
  'get_nodes',
  'get_id_value',
  'get_id_value',
  'get_id_value',
  'get_configuration',
  'stage_configuration',
  'stage_configuration',
  'restart',
  'restart',
  'test_timeout',
  'test_timeout'
]

export function errand(run: Run, dice: Dice, config: Config): Errand {
  const mark = run.name('chaos')
  const type = dice.chance(0.06) ? 'deploy' : dice.pick(wheel)
  switch (type) {
    case 'get_id_value':
      return { type, mark, args: { id: mark, nodes: dice.chance(0.5) ? ['manager'] : [] } }
    case 'stage_configuration':
      return { type, mark, args: { config: { ...variant(config, dice), id: mark } } }
    // A node that there is not is an answer, too, and costs no process.
    case 'restart':
      return { type, mark, args: { nodes: dice.chance(0.25) ? ['worker-1', mark] : [mark] } }
    case 'test_timeout':
      return { type, args: { with_state: dice.chance(0.5) }, timeout: dice.between(0.2, 1.5) }
    case 'get_configuration':
      return { type, args: { deployed: dice.chance(0.5) } }
    case 'deploy':
      return { type, args: { force: dice.chance(0.2) }, timeout: 10 }
    default:
      return { type, args: {} }
  }
}

/** A deployment of it restarts a worker, or none. */
function variant({ instances, nodes }: Config, dice: Dice): Config {
  const level = String(dice.pick([1, 2]))
  return {
    instances,
    nodes: nodes.map(node => (node.name === 'worker-1' ? { ...node, options: { 'Demo::level': level } } : node))
  }
}
