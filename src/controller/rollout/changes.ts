import type { ClusterNode, Outcome } from '../../../schemas/types.js'
import type { Answer, Task } from '../../requests/task.js'
import { addTo } from '../../quota.js'
import type { Cluster } from '../cluster/cluster.js'
import type { Shares } from '../cluster/shares.js'
import type { Fleet } from '../fleet.js'
import { askNodes } from '../work/ask.js'
import type { RolloutPlan } from './rollout.js'

/**
 * Asks agents which nodes a deployment would change. Those of instances that are away are not among them, nor among the
 * unchanged ones: they change when their agent is back. Returns an answer if it must not go on.
 */
export async function changesOf(
  { cluster, fleet }: { cluster: Cluster; fleet: Fleet },
  after: Shares,
  { args: { force = false }, skipped }: Pick<RolloutPlan, 'args' | 'skipped'>,
  task: Task
): Promise<Pick<RolloutPlan, 'changes' | 'unchanged'> | { answer: Answer }> {
  const before = cluster.deployment!.configuration.nodes
  const nodes = after.deployment.configuration.nodes
  const was = new Map(before.map(node => [node.name, node]))
  const isHere = ({ instance }: ClusterNode) => fleet.member(instance) !== undefined
  const here = nodes.filter(node => !skipped.has(node.name) && isHere(node) && isHere(was.get(node.name) ?? node))
  const { told } = await askPlans({ cluster, fleet }, { shares: after, nodes: here, force }, task)
  const outcomes = [...told.values()].flat()
  const failures = outcomes.filter(({ success }) => !success)
  if (failures.length > 0) return { answer: { results: failures } }
  const unchanged = outcomes.flatMap(({ node, data }) => (data?.plan?.action === 'none' ? node! : []))
  const isUnchanged = new Set(unchanged)
  const gone = before.filter(node => !after.has(node.name) && !skipped.has(node.name) && isHere(node))
  return {
    changes: inOrder(
      here.filter(({ name }) => !isUnchanged.has(name)),
      gone
    ),
    unchanged
  }
}

/**
 * Returns the nodes that are changed in the order of their turns, then those that go: none of these can be a canary.
 */
export const inOrder = (changed: readonly ClusterNode[], gone: readonly ClusterNode[]): ClusterNode[] => [
  ...inTurns(changed),
  ...inTurns(gone)
]

/**
 * Returns nodes in an order that takes one of each instance, then the next ones: few at a time are not all of one host.
 */
function inTurns(nodes: readonly ClusterNode[]): ClusterNode[] {
  const turns = new Map<string, number>()
  const turnOf = nodes.map(({ instance, role }) => addTo(turns, `${role} ${instance}`, 1))
  return [...nodes.keys()].sort((a, b) => turnOf[a]! - turnOf[b]! || a - b).map(n => nodes[n]!)
}

/** Asks agents what a deployment would do to some nodes. Returns what they say, by instance. */
export async function askPlans(
  { cluster, fleet }: { cluster: Cluster; fleet: Fleet },
  { shares, nodes, force }: { shares: Shares; nodes: readonly ClusterNode[]; force: boolean },
  task: Task
): Promise<{ told: ReadonlyMap<string, readonly Outcome[]>; timedOut: boolean }> {
  const told = new Map<string, readonly Outcome[]>()
  const progress = (instance: string, outcomes: readonly Outcome[]) => {
    told.set(instance, outcomes)
  }
  // Agents that lack the layout of these shares ask for it.
  const timedOut = await cluster.offering(shares, () =>
    askNodes(fleet, { ...task, progress }, nodes, {
      method: 'plan',
      params: (_names, instance) => ({ share: cluster.shareOf(shares, instance), force, refresh: true })
    })
  )
  return { told, timedOut }
}
