import type { Instance } from '../../../schemas/types.js'
import { canonicalHost, isPlainAddress } from '../../addresses.js'
import { messageOf } from '../../errors.js'
import { isLoopback } from '../../util.js'

/** Resolves with the address of a host name; rejects when there is none. */
export type Resolve = (host: string) => Promise<string>

/** Finds unique names for instances and nodes. */
export class Names {
  readonly #taken: Set<string>
  readonly #counts = new Map<string, number>()

  constructor(taken: Iterable<string>) {
    this.#taken = new Set(taken)
  }

  /** Returns the text with illegal characters replaced, and with a number appended where the name is taken. */
  take(text: string): string {
    let name = text
      .replace(/[^A-Za-z0-9._-]/g, '-')
      .replace(/^[.-]/, '_')
      .slice(0, 64)
    const start = name.slice(0, 58)
    while (this.#taken.has(name)) {
      const count = (this.#counts.get(start) ?? 1) + 1
      this.#counts.set(start, count)
      name = `${start}-${count}`
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

/** The hosts of a file; several names and addresses may mean the same host. */
export interface FileHosts {
  /** In the order of the file, as written. */
  hosts: Iterable<string>
  /** The host that loopback names and addresses mean: the one that the file is for. */
  home: string
  resolve: Resolve
}

/**
 * Returns one instance for each host, in the order given. Names are looked up, so that a name with an address is the
 * same host as this address; where that cannot be determined, a note says so.
 */
export async function instancesOf({ hosts, home, resolve }: FileHosts, nodes: Iterable<string>): Promise<Hosts> {
  const spellings = [...new Set(hosts)]
  const lookups = await lookUp(namesToLookUp(spellings, home), resolve)
  const machineOf = (host: string): string => {
    if (isOwn(host)) return isOwn(home) ? 'localhost' : machineOf(home)
    return lookups.get(canonicalHost(host))?.address ?? canonicalHost(host)
  }

  const names = new Names(nodes)
  /** By machine, with the first of its spellings. */
  const machines = new Map<string, { instance: Instance; spelling: string }>()
  const nameOf = new Map<string, string>()
  const notes: string[] = []
  for (const host of spellings) {
    const label = isOwn(host) && !isOwn(home) ? home : host
    const address = plainAddressOf(label)
    const machine = machineOf(host)
    const known = machines.get(machine)
    const instance = known?.instance ?? { name: names.take(`agent-${address ?? label.replace(/\.$/, '')}`) }
    // An address with a zone is valid on its own host only, and so is a loopback address.
    if (address !== undefined) instance.host ??= address
    if (!known) machines.set(machine, { instance, spelling: host })
    nameOf.set(host, instance.name)
    if (known) notes.push(`host ${host} is the same host: instance ${instance.name}`)
  }
  const instances = [...machines.values()]
  for (const {
    instance: { name, host },
    spelling
  } of instances) {
    notes.push(
      `host ${spelling} is instance ${name}: start its agent with ZEEK_AGENT_NAME=${name}${host ? '' : '; its address is the one that its agent has'}`
    )
  }
  for (const [host, { problem }] of lookups) {
    if (problem !== undefined) {
      notes.push(
        `host ${host} ${problem}: if the file has another name or address of the same host, write one of them everywhere, or it becomes two instances`
      )
    }
  }
  return { instances: instances.map(({ instance }) => instance), nameOf, notes }
}

const isOwn = (host: string) => isLoopback(canonicalHost(host))

/**
 * Returns the address of a host that is written as one, in its canonical form; undefined for a name, and for an address
 * that others cannot reach.
 */
function plainAddressOf(host: string): string | undefined {
  const canonical = canonicalHost(host)
  return isPlainAddress(canonical) ? canonical : undefined
}

/** Returns the host names of a file whose addresses show whether they are the same host as others. */
function namesToLookUp(spellings: readonly string[], home: string): string[] {
  const others = spellings.filter(host => !isOwn(host))
  const hosts = new Set([...others, ...(spellings.length > 0 && !isOwn(home) ? [home] : [])].map(canonicalHost))
  // With a single host there is no other that could be the same.
  if (hosts.size <= 1) return []
  return [...hosts].filter(host => !isPlainAddress(host) && !host.includes(':'))
}

interface Lookup {
  address?: string
  /** Why it is unknown whether another name or address is the same host. */
  problem?: string
}

async function lookUp(names: readonly string[], resolve: Resolve): Promise<Map<string, Lookup>> {
  return new Map(
    await Promise.all(
      names.map(async (name): Promise<[string, Lookup]> => {
        try {
          const address = canonicalHost(await resolve(name))
          return [name, isLoopback(address) ? { problem: `is this host here, at ${address}` } : { address }]
        } catch (error) {
          return [name, { problem: `cannot be looked up here (${messageOf(error)})` }]
        }
      })
    )
  )
}
