import type { RequestArguments } from '../../../schemas/api.js'
import { hasLabels } from '../../../schemas/groups.js'
import type { ClusterConfiguration } from '../../../schemas/types.js'

/** The part of a cluster that a deployment is limited to. */
export type Part = Pick<RequestArguments, 'instances' | 'labels'>

/** Returns whether it is only some instances. Empty lists count as not given: generated clients send them. */
export const isPartial = ({ instances = [], labels = {} }: Part): boolean =>
  instances.length > 0 || Object.keys(labels).length > 0

/**
 * Returns the names of nodes that a deployment does not touch: those that are, or would be, on another instance than
 * the selected ones. Returns why nothing is selected, as an error.
 */
export function outsideOf(
  { instances: names = [], labels = {} }: Part,
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
  const inPart = new Set(selected.map(({ name }) => name))
  const nodes = [...before.nodes, ...after.nodes]
  return new Set(nodes.filter(({ instance }) => !inPart.has(instance)).map(({ name }) => name))
}
