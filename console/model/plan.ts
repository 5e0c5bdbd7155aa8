import { compareNames } from './cluster.js'
import { counted, plain } from './format.js'
import { named } from './selection.js'
import type { Tone } from './states.js'
import type { RequestResult } from './types.js'

export interface PlannedNode {
  node: string
  instance: string
  /** Why; empty where that is no question. */
  reason: string
  /** How long it took when it was last started, in seconds; undefined where nobody knows. */
  lastStart: number | undefined
}

/** The nodes to which a deployment would do the same. */
export interface PlannedStep {
  /** What: `stop`, `restart`, `start`, `none`, or what else a controller may tell. */
  action: string
  tone: Tone
  /** For example `Restarts 2 nodes`. */
  title: string
  nodes: readonly PlannedNode[]
}

/** In the order in which they are shown: what is lost first. */
const actions: Record<string, { tone: Tone; verb: string }> = {
  stop: { tone: 'bad', verb: 'stops' },
  restart: { tone: 'busy', verb: 'restarts' },
  start: { tone: 'good', verb: 'starts' }
}
const order = [...Object.keys(actions), 'other', 'none']

/** Returns what a deployment would do, from the results of a plan: each action with its nodes. */
export function stepsOfPlan(results: readonly RequestResult[]): PlannedStep[] {
  const nodes = new Map<string, PlannedNode[]>()
  for (const { node, instance = '', data } of results) {
    if (node === undefined || !data?.plan) continue
    const { action, reason = '', last_start_seconds: lastStart } = data.plan
    const same = nodes.get(action) ?? []
    same.push({ node, instance, reason, lastStart })
    nodes.set(action, same)
  }
  const rankOf = (action: string) => order.indexOf(order.includes(action) ? action : 'other')
  return [...nodes]
    .sort(([a], [b]) => rankOf(a) - rankOf(b))
    .map(([action, nodes]) => {
      const [first = '', ...rest] = saidOf(action, nodes.length)
      return {
        action,
        tone: actions[action]?.tone ?? 'quiet',
        title: first.toUpperCase() + rest.join(''),
        nodes: nodes.sort((a, b) => compareNames(a.node, b.node))
      }
    })
}

function saidOf(action: string, count: number): string {
  if (action === 'none') return `leaves ${counted(count, 'node')} alone`
  return `${actions[action]?.verb ?? plain(action)} ${counted(count, 'node')}`
}

/** Returns what a plan comes to, in a sentence. */
export function summaryOfPlan(steps: readonly PlannedStep[]): string {
  const parts = steps.map(({ action, nodes }) => saidOf(action, nodes.length))
  if (steps.every(({ action }) => action === 'none')) return `Nothing is to be done: it ${parts.join('')}.`
  return `It ${parts.join(', ')}.`
}

/** Returns of which nodes a plan does not know what would become, and why, as a line for each instance and reason. */
export function unknownOfPlan(results: readonly RequestResult[]): string[] {
  const nodes = new Map<string, { node: string }[]>()
  for (const { success, node, error = 'it has not told' } of results) {
    if (success || node === undefined) continue
    const same = nodes.get(error) ?? []
    same.push({ node })
    nodes.set(error, same)
  }
  return [...nodes].map(
    ([error, of]) => `${plain(error)}: it is not known what would become of ${counted(of.length, 'node')}: ${named(of)}`
  )
}
