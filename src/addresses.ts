import { isIP, isIPv4, isIPv6, SocketAddress } from 'node:net'
import type { Instance } from '../schemas/types.js'
import { compare, groupBy, isLoopback } from './util.js'

/** Names by which every host means itself. */
const ownName = /^(localhost[46]?(\.localdomain[46]?)?|ip6-(localhost|loopback))$/

/**
 * Returns the canonical text of a host, equal for all its spellings: an address without brackets in its shortest form,
 * IPv4 within IPv6 as IPv4, a name in lower case and without the dot at its end. All names by which a host means itself
 * become `localhost`.
 */
export function canonicalHost(host: string): string {
  const bare = host.trim().replace(/^\[(.*)\]$/, '$1')
  if (!isIPv6(bare)) {
    const name = bare.toLowerCase().replace(/\.$/, '')
    return ownName.test(name) ? 'localhost' : name
  }
  const [address, zone] = bare.split('%')
  const { address: shortest } = new SocketAddress({ family: 'ipv6', address: address! })
  return shortest.replace(/^::ffff:(?=\d+\.)/i, '') + (zone === undefined ? '' : `%${zone}`)
}

/**
 * Returns the part of an address that one client has to itself, as a key to count it by: of IPv6 the /64, of which a
 * host can have any address; IPv4, also within IPv6, as it is.
 */
export function clientAddress(address: string): string {
  const host = isIPv4(address) ? address : canonicalHost(address)
  if (!isIPv6(host)) return host
  const [first = [], last] = host.split('::').map(part => part.split(':').filter(group => group !== ''))
  const groups = last ? [...first, ...Array<string>(8 - first.length - last.length).fill('0'), ...last] : first
  return `${groups.slice(0, 4).join(':')}::/64`
}

/** Returns whether a text is an address that means the same on each host: one without a zone. */
export const isPlainAddress = (host: string) => isIP(host) !== 0 && !host.includes('%')

/** An instance's name and address. */
export interface Placed {
  name: string
  host: string
}

/** Returns why instances cannot form one cluster, with the remedy: 127.0.0.1 is a different place for each host. */
export function mixedAddresses(instances: readonly Placed[]): string[] {
  const inside = instances.find(({ host }) => isLoopback(host))
  const outside = instances.find(({ host }) => !isLoopback(host))
  if (!inside || !outside) return []
  return [
    `loopback and other addresses cannot be mixed: instance '${inside.name}' is at ${inside.host}, instance '${outside.name}' at ${outside.host}; ` +
      `give '${inside.name}' the address at which the others reach it, as its host or as ZEEK_AGENT_ADVERTISE_ADDR of its agent; if both are one host, put its nodes on one instance`
  ]
}

/** Returns warnings about the addresses of instances: one host, or one name, in two spellings. */
export function oddPlaces(instances: readonly Instance[]): string[] {
  const warnings: string[] = []
  const groups = <T>(keyOf: (instance: Instance) => T | undefined) =>
    [...groupBy(instances, keyOf)]
      .filter(([key, { length }]) => key !== undefined && length > 1)
      .map(([, [first, second]]) => [first!, second!] as const)
  for (const [a, b] of groups(({ host, listen_port: port }) =>
    port === undefined || host === undefined ? undefined : `${canonicalHost(host)} ${port}`
  )) {
    warnings.push(
      `instances '${a.name}' and '${b.name}' are both dialled at ${a.host} port ${a.listen_port}: an agent is one instance`
    )
  }
  const spelling = new Map(instances.map(instance => [`${instance.host}`, instance]))
  for (const [, [a, b]] of groupBy(
    [...spelling.values()].filter(({ host }) => host !== undefined),
    ({ host }) => canonicalHost(host!)
  )) {
    if (b) {
      warnings.push(
        `instances '${a!.name}' and '${b.name}' are on one host, ${a!.host} and ${b.host}: put its nodes on one instance, unless two agents run there`
      )
    }
  }
  for (const [a, b] of groups(({ name }) => name.toLowerCase())) {
    if (a.name !== b.name) {
      warnings.push(
        `instances '${a.name}' and '${b.name}' differ in the case of letters only: an agent has the name of its instance as it is written`
      )
    }
  }
  return warnings.sort(compare)
}
