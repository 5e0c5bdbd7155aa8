import { isIP } from 'node:net'
import type { Instance } from '../../schemas/types.js'
import { isLoopback } from '../util.js'

/** Finds names that instances and nodes can have, each once. */
export class Names {
  readonly #taken: Set<string>
  readonly #counts = new Map<string, number>()

  constructor (taken: Iterable<string>) {
    this.#taken = new Set(taken)
  }

  /** The text with what no name can have replaced, and a number where that is taken. */
  take (text: string): string {
    const legal = text.replace(/[^A-Za-z0-9._-]/g, '-').replace(/^[.-]/, '_').slice(0, 58)
    let name = legal
    while (this.#taken.has(name)) {
      const count = (this.#counts.get(legal) ?? 1) + 1
      this.#counts.set(legal, count)
      name = `${legal}-${count}`
    }
    this.#taken.add(name)
    return name
  }
}

export interface Hosts {
  instances: Instance[]
  /** The name of the instance of each host. */
  nameOf: Map<string, string>
  notes: string[]
}

/** One instance for each host, in the order given; all loopback names and addresses are one host. */
export function instancesOf (hosts: Iterable<string>, nodes: Iterable<string>): Hosts {
  const names = new Names(nodes)
  const instances = new Map<string, Instance>()
  const nameOf = new Map<string, string>()
  const notes: string[] = []
  for (const host of hosts) {
    if (nameOf.has(host)) continue
    const machine = isLoopback(host) ? 'localhost' : host
    const known = instances.get(machine)
    const instance = known ?? { name: names.take(`agent-${host}`) }
    // An address with a zone means something on its own host only.
    if (isIP(host) !== 0 && !host.includes('%')) instance.host ??= host
    if (!known) notes.push(`host ${host} is instance ${instance.name}: start its agent with ZEEK_AGENT_NAME=${instance.name}${instance.host ? '' : '; its address is the one that its agent has'}`)
    instances.set(machine, instance)
    nameOf.set(host, instance.name)
  }
  return { instances: [...instances.values()], nameOf, notes }
}
