import { ClusterConfigurationInput } from '../../schemas/types.js'

/** A configuration converted from a file of another tool. */
export interface Converted {
  configuration: ClusterConfigurationInput
  /** Lines about what the configuration cannot hold, or what else must be done. */
  notes: string[]
}

/** Maximum number of nodes in a configuration: a count of processes in a file may ask for any number. */
export const maxNodes = ClusterConfigurationInput.properties.nodes.maxItems!
