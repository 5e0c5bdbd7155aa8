import type { InstanceNode } from '../../../schemas/api.js'
import type { ClusterRole, NodeState } from '../../../schemas/types.js'
import { compare } from '../../util.js'

/** Selects nodes that match every given list and come after the place `after`; at most `limit`, or all without it. */
export interface NodeFilter {
  instances?: readonly string[] | undefined
  roles?: readonly ClusterRole[] | undefined
  states?: readonly NodeState[] | undefined
  after?: string | undefined
  limit?: number | undefined
}

/** Returns the place of a node among all: what comes after it does not depend on whether the node still exists. */
const placeOf = ({ instance, node }: InstanceNode) => `${instance}/${node}`

/** Returns a page of nodes sorted by instance and name; `next`, if there are more, is the `after` of the next page. */
export function pageOf(nodes: readonly InstanceNode[], filter: NodeFilter): { nodes: InstanceNode[]; next?: string } {
  const { instances, roles, states, after, limit } = filter
  const [instance = '', name = ''] = after?.split('/') ?? []
  const comes = (node: InstanceNode) =>
    after === undefined || (compare(node.instance, instance) || compare(node.node, name)) > 0
  const found = nodes.filter(
    node =>
      comes(node) &&
      (!instances || instances.includes(node.instance)) &&
      (!roles || (node.cluster_role !== undefined && roles.includes(node.cluster_role))) &&
      (!states || states.includes(node.state))
  )
  const page = found.slice(0, limit)
  return { nodes: page, ...(page.length < found.length ? { next: placeOf(page.at(-1)!) } : {}) }
}
