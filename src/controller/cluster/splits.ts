import type { InstanceNode } from '../../../schemas/api.js'
import type { HealthReport } from '../../../schemas/operations.js'

/** Two running nodes, at least one of them a manager, of which one does not see the other. */
export interface Split {
  /** Identifies the two processes: with a new process of the same name, the split starts anew. */
  key: string
  /** The node that does not see the other. */
  blind: InstanceNode
  unseen: InstanceNode
}

const isManager = ({ cluster_role: role }: InstanceNode) => role === 'MANAGER'

/** Returns the splits in the agents' last reports. A node that does not run need not be seen, nor see others. */
export function splitsOf(nodes: readonly InstanceNode[], reports: ReadonlyMap<string, HealthReport>): Split[] {
  const running = new Map(
    nodes
      .filter(({ state, desired_state: desired }) => state === 'RUNNING' && desired !== 'STOPPED')
      .map(node => [node.node, node])
  )
  return [...reports].flatMap(([instance, { nodes: told }]) =>
    told.flatMap(({ node, unseen = [] }) => {
      const blind = running.get(node)
      if (blind?.instance !== instance) return []
      return unseen.flatMap((name): Split[] => {
        const other = running.get(name)
        if (!other || other === blind || !(isManager(blind) || isManager(other))) return []
        return [{ key: `${node} ${blind.pid} ${name} ${other.pid}`, blind, unseen: other }]
      })
    })
  )
}

/**
 * Measures how long agents have reported each split. Only another report prolongs a split: what was true at the moment
 * of one report does not grow longer by the time until the next.
 */
export class SplitTimes {
  #times = new Map<string, { first: number; last: number }>()

  /** Records the splits of all agents, when the agent of `instance` has just sent a report. `now` in milliseconds. */
  note(splits: readonly Split[], instance: string, now: number): void {
    this.#times = new Map(
      splits.map(({ key, blind }) => {
        const { first = now, last = now } = this.#times.get(key) ?? {}
        return [key, { first, last: blind.instance === instance ? now : last }]
      })
    )
  }

  /** Returns the duration of a split in seconds. */
  of({ key }: Split): number {
    const { first = 0, last = 0 } = this.#times.get(key) ?? {}
    return (last - first) / 1000
  }
}
