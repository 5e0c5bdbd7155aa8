import type { InstanceNode } from '../../../schemas/api.js'
import type { HealthReport } from '../../../schemas/operations.js'

/** Two nodes that run, one of them a manager, of which one does not see the other. */
export interface Split {
  /** Which processes: with another one of the same name it begins anew. */
  key: string
  /** Who does not see. */
  blind: InstanceNode
  unseen: InstanceNode
}

const isManager = ({ cluster_role: role }: InstanceNode) => role === 'MANAGER'

/** What agents say at the moment. A node that does not run is seen by nobody, and need see nobody. */
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
 * For how long agents have said so. Only what an agent says again lasts: what was true of a moment when it was asked is
 * not made to last by the time until it is asked again.
 */
export class SplitTimes {
  #times = new Map<string, { first: number; last: number }>()

  /** Takes what all agents say, when one of them has just said it anew. In milliseconds. */
  note(splits: readonly Split[], instance: string, now: number): void {
    this.#times = new Map(
      splits.map(({ key, blind }) => {
        const { first = now, last = now } = this.#times.get(key) ?? {}
        return [key, { first, last: blind.instance === instance ? now : last }]
      })
    )
  }

  /** In seconds. */
  of({ key }: Split): number {
    const { first = 0, last = 0 } = this.#times.get(key) ?? {}
    return (last - first) / 1000
  }
}
