import type { InstanceNode } from '../../../schemas/api.js'
import type { ClusterRole, NodeState } from '../../../schemas/types.js'
import { compare } from '../../util.js'

/** Those that fit every list which is given, after a place, so many at most: all of them when it is not said. */
export interface NodeFilter {
  instances?: readonly string[] | undefined
  roles?: readonly ClusterRole[] | undefined
  states?: readonly NodeState[] | undefined
  after?: string | undefined
  limit?: number | undefined
}

/** The place of a node among all: what comes after it does not depend on whether it is still there. */
const placeOf = ({ instance, node }: InstanceNode) => `${instance}/${node}`

/** A page of nodes, which are sorted by instance and name; `next` is where the next one starts, if there is more. */
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
