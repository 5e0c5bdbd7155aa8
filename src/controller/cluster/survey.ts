import type { Instance } from '../../../schemas/types.js'
import { canonicalHost } from '../../addresses.js'
import { groupBy } from '../../util.js'
import { processesBeside } from '../work/checks.js'
import type { Fleet } from '../fleet.js'
import type { Taken } from './ports.js'

/** Timeout for an agent to report taken ports. If it does not, none are known. */
const surveyMs = 3_000

/** The ports that foreign processes (strangers) hold on the hosts of nodes, as agents last reported. */
export class Survey {
  #fleet: Fleet
  #taken: Taken = new Map()

  constructor(fleet: Fleet) {
    this.#fleet = fleet
  }

  /**
   * Returns taken ports by host; including those that an earlier deployment skipped, so that no port changes when a
   * stranger ends.
   */
  taken(skipped: Record<string, number[]> = {}): Taken {
    const hosts = new Set([...this.#taken.keys(), ...Object.keys(skipped)])
    return new Map(
      [...hosts].map(host => [host, new Set([...(this.#taken.get(host) ?? []), ...(skipped[host] ?? [])])])
    )
  }

  /** Asks the connected ones of these instances for taken ports. Never rejects. */
  async look(instances: readonly Instance[], hostOf: (instance: Instance) => string | undefined): Promise<void> {
    const beside = processesBeside(this.#fleet)
    const said = await Promise.all(
      instances.map(async instance => {
        const host = hostOf(instance)
        if (host === undefined || !this.#fleet.member(instance.name)) return []
        const params = { host, processes: beside(instance.name) }
        return await this.#fleet.ask(instance.name, 'get_taken_ports', params, { timeoutMs: surveyMs }).then(
          ({ ports }: { ports: number[] }) => [{ host, ports }],
          () => []
        )
      })
    )
    // Only ports that all instances of a host report: each knows best which are held by its own nodes.
    const inCommon = (lists: readonly { ports: number[] }[]) => {
      const [first, ...others] = lists.map(({ ports }) => new Set(ports))
      return new Set([...first!].filter(port => others.every(ports => ports.has(port))))
    }
    this.#taken = new Map(
      [...groupBy(said.flat(), ({ host }) => canonicalHost(host))].map(([host, lists]) => [host, inCommon(lists)])
    )
  }
}
