import type { Instance } from '../../../schemas/types.js'
import { groupBy } from '../../util.js'
import { processesBeside } from '../work/checks.js'
import type { Fleet } from '../fleet.js'
import type { Taken } from './ports.js'

/** How long an agent may take to say it. Of one that does not, nothing is known. */
const surveyMs = 3_000

/** The ports that strangers hold where nodes are to be: as agents said when they were asked last. */
export class Survey {
  #fleet: Fleet
  #taken: Taken = new Map()

  constructor(fleet: Fleet) {
    this.#fleet = fleet
  }

  /**
   * By host; with those that were skipped by an earlier deployment, so that nothing is renumbered when a stranger goes.
   */
  taken(skipped: Record<string, number[]> = {}): Taken {
    const hosts = new Set([...this.#taken.keys(), ...Object.keys(skipped)])
    return new Map(
      [...hosts].map(host => [host, new Set([...(this.#taken.get(host) ?? []), ...(skipped[host] ?? [])])])
    )
  }

  /** Asks those of the instances that are connected. Never rejects. */
  async look(instances: readonly Instance[], hostOf: (instance: Instance) => string | undefined): Promise<void> {
    const said = await Promise.all(
      instances.map(async instance => {
        const host = hostOf(instance)
        if (host === undefined || !this.#fleet.member(instance.name)) return []
        const params = { host, processes: processesBeside(this.#fleet, instance.name) }
        return await this.#fleet.ask(instance.name, 'get_taken_ports', params, { timeoutMs: surveyMs }).then(
          ({ ports }: { ports: number[] }) => [{ host, ports }],
          () => []
        )
      })
    )
    // Of several instances at a host, each knows its own nodes best.
    const inCommon = (lists: readonly { ports: number[] }[]) =>
      new Set(lists[0]!.ports.filter(port => lists.every(({ ports }) => ports.includes(port))))
    this.#taken = new Map([...groupBy(said.flat(), ({ host }) => host)].map(([host, lists]) => [host, inCommon(lists)]))
  }
}
