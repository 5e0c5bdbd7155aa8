import type { RequestArguments } from '../../../schemas/api.js'
import { hasLabels } from '../../../schemas/groups.js'
import type { ClusterConfiguration } from '../../../schemas/types.js'

/** What a deployment is limited to. */
export type Scope = Pick<RequestArguments, 'instances' | 'labels'>

/** Returns whether a deployment is limited to some instances. Empty ones count as not given: generated clients send them. */
export const isLimited = ({ instances = [], labels = {} }: Scope): boolean =>
  instances.length > 0 || Object.keys(labels).length > 0

/**
 * Returns the names of nodes that a deployment does not touch: those that are, or would be, on another instance than the
 * selected ones. Returns why nothing is selected, as an error.
 */
export function outOfScope(
  { instances: names = [], labels = {} }: Scope,
  before: ClusterConfiguration,
  after: ClusterConfiguration
): ReadonlySet<string> | string {
  const known = new Map([...before.instances, ...after.instances].map(instance => [instance.name, instance]))
  const unknown = names.find(name => !known.has(name))
  if (unknown !== undefined) return `unknown instance ${unknown}`
  const selected = [...known.values()].filter(
    instance => (names.length === 0 || names.includes(instance.name)) && hasLabels(instance, labels)
  )
  if (selected.length === 0) return 'no instance has these labels'
  const inScope = new Set(selected.map(({ name }) => name))
  const nodes = [...before.nodes, ...after.nodes]
  return new Set(nodes.filter(({ instance }) => !inScope.has(instance)).map(({ name }) => name))
}
