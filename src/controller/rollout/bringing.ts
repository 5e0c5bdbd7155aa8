import type { ClusterNode, Outcome } from '../../../schemas/types.js'
import type { Task } from '../../requests/task.js'
import { groupBy, within } from '../../util.js'
import type { Cluster } from '../cluster/cluster.js'
import type { Shares } from '../cluster/shares.js'
import type { Fleet } from '../fleet.js'
import { askInstance, tellsSteps } from '../work/ask.js'

export interface BringingParts {
  cluster: Cluster
  fleet: Fleet
  /** How long an agent may be away before that counts, in milliseconds. */
  graceMs: number
}

export interface Bringing {
  /** The nodes as they were deployed until now. */
  from: readonly ClusterNode[]
  /** What is deployed now. */
  to: Shares
  /** The nodes that are to become what that says; all others are held. */
  names: ReadonlySet<string>
  force: boolean
  timeoutMs: number
}

/** What has become of nodes. */
export interface Brought {
  /** By the name of each node that is there now. */
  outcomes: Map<string, Outcome>
  /** Of instances that had only nodes to stop. */
  failures: Outcome[]
}

/**
 * Has agents make some nodes what is deployed now. First those that lose a node: another one may be waiting for it. An
 * agent whose link is lost meanwhile is asked again when it is back soon.
 */
export async function bring(parts: BringingParts, bringing: Bringing, task: Task): Promise<Brought> {
  const { from, to, names, timeoutMs } = bringing
  const { signal, clear } = within(task.signal, timeoutMs)
  const until = performance.now() + timeoutMs
  const remainingMs = () => Math.max(1, Math.min(until - performance.now(), task.remainingMs()))
  const losing = new Set(
    from.filter(({ name, instance }) => names.has(name) && to.ownerOf(name) !== instance).map(node => node.instance)
  )
  const there = groupBy(
    [...names].filter(name => to.has(name)),
    name => to.ownerOf(name)!
  )
  const brought: Brought = { outcomes: new Map(), failures: [] }
  const ask = async (instance: string) => {
    const own = there.get(instance)
    for (const outcome of await tell(parts, { instance, nodes: own }, bringing, { ...task, signal, remainingMs })) {
      if (outcome.node !== undefined) brought.outcomes.set(outcome.node, outcome)
      else if (!outcome.success) brought.failures.push(outcome)
    }
  }
  try {
    await Promise.all([...losing].map(ask))
    await Promise.all([...there.keys()].filter(instance => !losing.has(instance)).map(ask))
  } finally {
    clear()
  }
  return brought
}

/** Sends an instance its share. Returns the outcomes of these of its nodes; without nodes, that of the instance. */
async function tell(
  { cluster, fleet, graceMs }: BringingParts,
  { instance, nodes }: { instance: string; nodes: readonly string[] | undefined },
  { to, names, force }: Bringing,
  task: Task
): Promise<readonly Outcome[]> {
  const told = tellsSteps(fleet, task)
  for (;;) {
    const { signal, clear } = within(task.signal, graceMs)
    const member = await fleet.when(instance, signal).finally(clear)
    let outcomes: readonly Outcome[] = []
    await askInstance(
      fleet,
      { ...task, progress: () => {} },
      {
        instance,
        method: 'deploy',
        params: { share: cluster.shareOf(to, instance, names), force, refresh: true },
        ...(nodes && { nodes }),
        onPart: steps => told(instance, steps),
        heard: said => {
          outcomes = said
        }
      }
    )
    if (!member || task.signal.aborted || fleet.member(instance) === member) return outcomes
  }
}
