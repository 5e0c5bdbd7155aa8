import type { ClusterNode } from '../schemas/types.js'
import { groupBy } from './util.js'

/** Conflicts on one host between nodes that are valid on their own. */
export interface Sharing {
  /** Conflicts that cannot work. */
  errors: string[]
  /** Conflicts that likely do not work, or not well. */
  warnings: string[]
}

/** The option with the id of the fan-out group that a node joins. */
export const fanOutOption = 'AF_Packet::fanout_id'
/** Zeek's default, for every node that sets no other. */
export const defaultFanOutId = '23'

/** Naming more nodes adds nothing. */
const maxNamed = 5

/** A node that listens on a device, and how it shares the packets there. */
export interface ListeningNode {
  name: string
  /** The network interface. */
  device: string
  /** The fan-out group that the node joins; undefined where it joins none. */
  id: string | undefined
  /** Whether the node's options set the id. Otherwise a script, which is not read here, may. */
  saysId: boolean
  /**
   * The group of nodes that divide the packets of the device among them: each group gets all packets. Undefined:
   * unknown.
   */
  group: string | undefined
}

function listed(names: readonly string[]): string {
  const shown =
    names.length > maxNamed ? [...names.slice(0, maxNamed - 1), `${names.length - maxNamed + 1} more`] : names
  return shown.length < 2 ? shown.join() : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`
}

const quoted = ({ name }: { name: string }) => `'${name}'`

/**
 * Returns a fan-out id as the kernel has it: the lower 16 bits of a number. The value may also be any Zeek expression,
 * which only Zeek can evaluate.
 */
const idOf = (value: string) => (/^\s*\d+\s*$/.test(value) ? String(Number(value) & 0xffff) : value.trim())

/**
 * Returns how a node gets packets from a source that everybody has: AF_PACKET, or libpcap. Undefined for other sources.
 */
export function listenerOf({
  name,
  interface: source,
  options = {},
  env = {}
}: Pick<ClusterNode, 'name' | 'interface' | 'options' | 'env'>): ListeningNode | undefined {
  const [, prefix = 'pcap', device] = /^(?:([^:]*)::)?([^:]+)$/.exec(source ?? '') ?? []
  if (device === undefined || !['af_packet', 'pcap'].includes(prefix)) return undefined
  const said = options[fanOutOption]
  if (prefix === 'af_packet' && options['AF_Packet::enable_fanout']?.trim() !== 'F') {
    const id = idOf(said ?? defaultFanOutId)
    return { name, device, id, saysId: said !== undefined, group: `fan-out ${id}` }
  }
  // PF_RING's and Myricom's versions of libpcap spread packets according to environment variables.
  const isSpread = prefix === 'pcap' && Object.keys(env).some(variable => /^(PCAP_PF_RING|SNF)_/.test(variable))
  return { name, device, id: undefined, saysId: false, group: isSpread ? undefined : `alone ${name}` }
}

/**
 * Finds fan-out groups with several interfaces: a group belongs to one, and the kernel refuses nodes with a second one.
 */
function fanOuts(instance: string, listeners: readonly ListeningNode[], { errors, warnings }: Sharing): void {
  for (const [id, members] of groupBy(
    listeners.filter(({ id }) => id !== undefined),
    ({ id }) => id!
  )) {
    const firsts = (of: readonly ListeningNode[]) =>
      [...groupBy(of, ({ device }) => device).values()].map(([first]) => first!)
    const all = firsts(members)
    const explicit = firsts(members.filter(({ saysId }) => saysId))
    const text = (nodes: readonly ListeningNode[], middle: string) =>
      `nodes ${listed(nodes.map(node => `${quoted(node)} (${node.device})`))} on instance '${instance}' ${middle}: the kernel lets only one interface have it (EINVAL for the others); give each interface an ${fanOutOption} of its own`
    if (explicit.length > 1) errors.push(text(explicit, `have the same ${fanOutOption}, ${id}`))
    else if (all.length > 1) {
      warnings.push(
        text(
          all,
          `have the same ${fanOutOption}, ${id}${id === defaultFanOutId ? ', the default,' : ''} unless a script sets it`
        )
      )
    }
  }
}

/** Finds nodes that do not share the packets of an interface with the others, and so see all of them, too. */
function duplicates(instance: string, listeners: readonly ListeningNode[], { warnings }: Sharing): void {
  for (const [device, members] of groupBy(
    listeners.filter(({ group }) => group !== undefined),
    ({ device }) => device
  )) {
    const firsts = [...groupBy(members, ({ group }) => group).values()].map(([first]) => first!)
    if (firsts.length < 2) continue
    warnings.push(
      `nodes ${listed(firsts.map(quoted))} on instance '${instance}' each see every packet of ${device}: to share them, let all listen on af_packet::${device} with one ${fanOutOption}`
    )
  }
}

function pins(instance: string, nodes: readonly ClusterNode[], { warnings }: Sharing): void {
  for (const [cpu, pinned] of groupBy(
    nodes.filter(({ cpu_affinity: cpu }) => cpu !== undefined),
    ({ cpu_affinity: cpu }) => cpu
  )) {
    if (pinned.length > 1) {
      warnings.push(`nodes ${listed(pinned.map(quoted))} on instance '${instance}' are pinned to one CPU, ${cpu}`)
    }
  }
}

/** Finds what nodes of one instance share and cannot, or should not, share: fan-out groups, packets, CPUs. */
export function sharing(nodes: readonly ClusterNode[]): Sharing {
  const found: Sharing = { errors: [], warnings: [] }
  for (const [instance, own] of groupBy(nodes, ({ instance }) => instance)) {
    const listeners = own.flatMap(node => listenerOf(node) ?? [])
    fanOuts(instance, listeners, found)
    duplicates(instance, listeners, found)
    pins(instance, own, found)
  }
  return found
}
