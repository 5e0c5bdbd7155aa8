import type { Selector } from '../../../schemas/api.js'
import type { ClusterConfiguration, ClusterNode, Outcome } from '../../../schemas/types.js'
import { compare } from '../../util.js'

/** The nodes that a selector matches, sorted by name, and an outcome for each unknown name. */
export interface Selection {
  selected: ClusterNode[]
  unknown: Outcome[]
}

/**
 * Returns the nodes that a selector matches. An empty list counts as not given. When no node matches, an outcome says
 * so, unless there are no nodes at all.
 */
export function select(
  { nodes: names = [], roles = [], instances = [] }: Selector,
  configuration: ClusterConfiguration
): Selection {
  const byName = new Map(configuration.nodes.map(node => [node.name, node]))
  const places = new Set(configuration.instances.map(({ name }) => name))
  const sorted = (list: readonly string[]) => [...new Set(list)].sort(compare)
  const unknown: Outcome[] = [
    ...sorted(names)
      .filter(name => !byName.has(name))
      .map((node): Outcome => ({ success: false, node, error: 'unknown cluster node' })),
    ...sorted(instances)
      .filter(name => !places.has(name))
      .map((instance): Outcome => ({ success: false, instance, error: 'unknown instance' }))
  ]
  const selected = sorted(names.length > 0 ? names : [...byName.keys()])
    .flatMap(name => byName.get(name) ?? [])
    .filter(
      ({ role, instance }) =>
        (roles.length === 0 || roles.includes(role)) && (instances.length === 0 || instances.includes(instance))
    )
  const isEmpty = selected.length === 0 && unknown.length === 0 && byName.size > 0
  return { selected, unknown: isEmpty ? [{ success: false, error: 'no node is selected' }] : unknown }
}
