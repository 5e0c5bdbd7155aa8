import type { ClusterConfigurationInput, ClusterNode } from '../../schemas/types.js'
import { expanded } from '../../src/groups/expansion.js'

/** Returns the nodes that a converted configuration has once it is deployed: those of its groups come last. */
export const nodesOf = (configuration: ClusterConfigurationInput): ClusterNode[] =>
  expanded(configuration, () => undefined).configuration.nodes
