import { ConfigurationInput } from '../../schemas/types.js'

/** A configuration made of a file of another tool. */
export interface Converted {
  configuration: ConfigurationInput
  /** Lines about what the configuration does not have, or what is to be done besides. */
  notes: string[]
}

/** What a configuration can hold: a count of processes in a file may ask for any number. */
export const maxNodes = ConfigurationInput.properties.nodes.maxItems!
