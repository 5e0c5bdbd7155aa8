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

/**
 * Returns the splits in agents' reports, each with its instance; `nodeOf` returns a deployed node. A node that does not
 * run need not be seen, nor see others.
 */
export function splitsOf(
  nodeOf: (name: string) => InstanceNode | undefined,
  reports: Iterable<readonly [instance: string, HealthReport]>
): Split[] {
  const running = (name: string) => {
    const node = nodeOf(name)
    return node?.state === 'RUNNING' && node.desired_state !== 'STOPPED' ? node : undefined
  }
  return [...reports].flatMap(([instance, { nodes: told }]) =>
    told.flatMap(({ node, unseen = [] }) => {
      const blind = unseen.length > 0 ? running(node) : undefined
      if (blind?.instance !== instance) return []
      return unseen.flatMap((name): Split[] => {
        const other = running(name)
        if (!other || other.node === node || !(isManager(blind) || isManager(other))) return []
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
  /** By instance whose agent has reported them, then by key. */
  #times = new Map<string, Map<string, { first: number; last: number }>>()

  /** Records what splits the agent of an instance has just reported: none when it is lost. `now` in milliseconds. */
  note(instance: string, splits: readonly Split[], now: number): void {
    const before = this.#times.get(instance)
    if (splits.length === 0) this.#times.delete(instance)
    else {
      this.#times.set(
        instance,
        new Map(splits.map(({ key }) => [key, { first: before?.get(key)?.first ?? now, last: now }]))
      )
    }
  }

  /** Returns the duration of a split in seconds. */
  of({ key, blind }: Split): number {
    const { first = 0, last = 0 } = this.#times.get(blind.instance)?.get(key) ?? {}
    return (last - first) / 1000
  }
}
