import { elasticDefaults, type ElasticGroup, type ElasticWorkers, type WorkerCount } from '../../schemas/groups.js'

/** Returns whether workers are started and stopped by what there is to do. */
export const isElastic = (workers: WorkerCount): workers is ElasticWorkers => typeof workers === 'object'

/** Returns what an elastic group keeps to, with all that it leaves to us. */
export const limitsOf = (workers: ElasticWorkers): Required<ElasticWorkers> => ({ ...elasticDefaults, ...workers })

/** Returns what is wrong with how many workers a group has. */
export function faultsOf(name: string, workers: WorkerCount): string[] {
  if (!isElastic(workers)) return []
  const { min, max, min_cpu_percent: low, max_cpu_percent: high } = limitsOf(workers)
  return [
    ...(min > max ? [`group '${name}': workers.min is ${min}, which is more than workers.max, ${max}`] : []),
    ...(low >= high
      ? [`group '${name}': workers.min_cpu_percent is ${low}, which is not less than workers.max_cpu_percent, ${high}`]
      : [])
  ]
}

/** Returns what a group on an instance is told from the others by. */
export const elasticKeyOf = ({ name, instance }: Pick<ElasticGroup, 'name' | 'instance'>) => `${instance} ${name}`

/** What is known of workers when something is deployed. */
export interface Workers {
  /** Whether a node was deployed before. */
  isThere: (node: string) => boolean
  /** Whether an operator has stopped it. */
  isStopped: (node: string) => boolean
  /** Whether it is a spare. */
  isSpare: (node: string) => boolean
}

/**
 * Returns the workers that are spares when these groups are deployed: those that were, and new ones, but for as many as
 * must run. What runs goes on.
 */
export function sparesOf(groups: readonly ElasticGroup[], { isThere, isStopped, isSpare }: Workers): string[] {
  return groups.flatMap(({ nodes, workers: { min } }) => {
    const open = nodes.filter(node => !isStopped(node))
    const idle = open.filter(node => !isThere(node) || isSpare(node))
    const running = open.length - idle.length
    return idle.slice(Math.max(0, min - running))
  })
}

/**
 * Returns the groups of a deployment in which only some nodes are as it has them, and the others as they were `before`:
 * a group that is of both is as it is to be.
 */
export function mixedGroups(
  before: readonly ElasticGroup[] = [],
  after: readonly ElasticGroup[] = [],
  { isChanged, isHeld }: { isChanged: (node: string) => boolean; isHeld: (node: string) => boolean }
): ElasticGroup[] {
  const mixed = new Map<string, ElasticGroup>()
  const only = (groups: readonly ElasticGroup[], isIn: (node: string) => boolean) =>
    groups.map(group => ({ ...group, nodes: group.nodes.filter(isIn) })).filter(({ nodes }) => nodes.length > 0)
  for (const group of [...only(after, isChanged), ...only(before, isHeld)]) {
    const other = mixed.get(elasticKeyOf(group))
    mixed.set(elasticKeyOf(group), other ? { ...other, nodes: [...other.nodes, ...group.nodes].sort(byNumber) } : group)
  }
  return [...mixed.values()]
}

/** Compares the names of two workers of a group on one instance, which end in their numbers. */
const byNumber = (a: string, b: string) => a.length - b.length || (a < b ? -1 : 1)
