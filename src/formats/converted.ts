import { ClusterConfigurationInput } from '../../schemas/types.js'
import { invalid } from '../errors.js'
import { shown } from './refusal.js'

/** A configuration converted from a file of another tool. */
export interface Converted {
  configuration: ClusterConfigurationInput
  /** Lines about what the configuration cannot hold, or what else must be done. */
  notes: string[]
}

/** Maximum number of nodes in a configuration: a count of processes in a file may ask for any number. */
export const maxNodes = ClusterConfigurationInput.properties.nodes.maxItems!

/** Most characters that the processes of a file may have together: each has what its section says. */
const maxGrowth = 1 << 23

/** Counts how long a configuration becomes, so that no count of processes makes it as long as it likes. */
export class Growth {
  #length = 0

  /** Adds processes that have this each. Throws `invalid_request`, for a place in the file, when that is too much. */
  add(place: string, content: object, processes = 1): void {
    this.#length += JSON.stringify(content).length * processes
    if (this.#length <= maxGrowth) return
    throw invalid([{ field: shown(place), message: 'has too many processes for what each of them has' }])
  }
}
