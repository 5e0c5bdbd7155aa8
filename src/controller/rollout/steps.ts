import { type ClusterNode, clusterRoles } from '../../../schemas/types.js'

type Placed = Pick<ClusterNode, 'role' | 'instance'>

/** How many nodes are dealt with at a time. */
export interface Pace {
  /** Returns how many of one role, of so many that are to be dealt with. */
  most: (ofRole: number) => number
  /** How many of them on one instance. */
  perInstance?: number | undefined
  /** How many workers come first, alone. */
  canary?: number | undefined
}

/** Returns nodes in steps: by role, in the order in which roles start, and within a role in their own order. */
export function stepsOf<T extends Placed>(
  nodes: readonly T[],
  { most, perInstance = Infinity, canary = 0 }: Pace
): T[][] {
  return clusterRoles.flatMap(role => {
    const ofRole = nodes.filter(node => node.role === role)
    const first = role === 'WORKER' ? ofRole.slice(0, canary) : []
    const rest = ofRole.slice(first.length)
    return [...(first.length > 0 ? [first] : []), ...batches(rest, Math.max(1, most(ofRole.length)), perInstance)]
  })
}

/** Returns nodes in batches of at most so many, and at most so many on one instance. */
function batches<T extends Placed>(nodes: readonly T[], most: number, perInstance: number): T[][] {
  const made: T[][] = []
  for (let left = nodes; left.length > 0;) {
    const batch = new Set<T>()
    const counts = new Map<string, number>()
    for (const node of left) {
      const count = counts.get(node.instance) ?? 0
      if (batch.size >= most) break
      if (count >= perInstance) continue
      batch.add(node)
      counts.set(node.instance, count + 1)
    }
    made.push([...batch])
    left = left.filter(node => !batch.has(node))
  }
  return made
}
