import { auto, type ElasticGroup, type Group } from '../../schemas/groups.js'
import type { Topology } from '../../schemas/topology.js'
import {
  ClusterConfigurationInput,
  namePattern,
  type ClusterConfiguration,
  type ClusterNode
} from '../../schemas/types.js'
import { parseCpuList } from '../cpu-list.js'
import { fanOutOption, listenerOf } from '../sharing.js'
import { defined, groupBy } from '../util.js'
import { faultsOf, isElastic, limitsOf } from './elastic.js'
import { fanOutIds } from './fan-out-ids.js'
import { Members, type LabelledInstance } from './membership.js'
import { placeWorkers, type Placement } from './placement.js'

export interface Grouped {
  groups: readonly Group[]
  instances: readonly LabelledInstance[]
  /** Nodes that stand beside the groups. */
  nodes: readonly ClusterNode[]
}

/** What groups become. */
export interface Expansion {
  /** The workers of all groups that have no error: group by group, instance by instance, in ascending order. */
  nodes: ClusterNode[]
  /** The groups among them of which not all workers need run, on each instance. */
  elastic: ElasticGroup[]
  /** By the name of a worker, why it runs where it does, for people. */
  reasons: Map<string, string>
  /** With one of them the configuration cannot be deployed. */
  errors: string[]
  /**
   * As errors, but they may pass by themselves: instances that do not tell of their CPUs while they are not connected.
   */
  obstacles: string[]
  warnings: string[]
}

/** The workers of a group on one instance. */
interface Part {
  group: Group
  instance: string
  placements: readonly Placement[]
  /** The fan-out id that the group gets there. */
  fanOut?: string | undefined
}

const isName = new RegExp(namePattern)
const maxNodes = ClusterConfigurationInput.properties.nodes.maxItems!
const tooMany = `the groups have more than ${maxNodes} workers`
/** The most characters that all workers have together as JSON: each has what its group has. */
const maxLength = 1 << 25

/**
 * Expands groups of workers into nodes: a pure function, but for `topologyOf`, which tells what is known of an
 * instance.
 *
 * The n-th worker of a group on one `instance` is `<group>-<n>`, of one on `instances` or by `labels`
 * `<group>-<instance>-<n>`: no name changes when workers or instances are added. CPUs of nodes, and all CPUs of lists,
 * are taken before any is chosen; then those of groups with a number of workers are chosen, then those of the others,
 * in the order of the groups.
 */
export function expandGroups(
  { groups, instances, nodes }: Grouped,
  topologyOf: (instance: string) => Topology | undefined
): Expansion {
  const expansion: Expansion = { nodes: [], elastic: [], reasons: new Map(), errors: [], obstacles: [], warnings: [] }
  const members = new Members(instances)
  const parts: Part[] = []
  for (const [name, [group, ...others]] of groupBy(groups, ({ name }) => name)) {
    if (others.length > 0) expansion.errors.push(`multiple groups named '${name}'`)
    const { instances: of, errors } = members.of(group!)
    expansion.errors.push(...errors, ...faultsOf(name, group!.workers))
    parts.push(...of.map(instance => ({ group: group!, instance, placements: [] })))
    // Each has a worker at least.
    if (parts.length > maxNodes) return { ...expansion, errors: [...expansion.errors, tooMany] }
  }
  const nodesOn = groupBy(nodes, ({ instance }) => instance)
  const size = new Size()
  for (const [instance, own] of groupBy(parts, ({ instance }) => instance)) {
    const beside = nodesOn.get(instance) ?? []
    place(own, beside, topologyOf(instance), expansion)
    giveFanOutIds(own, beside)
    const excess = size.excessWith(own)
    // It would only grow.
    if (excess !== undefined) return { ...expansion, errors: [...expansion.errors, excess] }
  }
  const owners = new Map(nodes.map(({ name }) => [name, "the configuration's nodes"]))
  for (const part of parts) addWorkers(part, owners, expansion)
  return expansion
}

/** A configuration whose groups have become nodes, and what there is to say of them. */
export interface Expanded<T> extends Omit<Expansion, 'nodes'> {
  configuration: Omit<T, 'groups'>
}

/** Returns a configuration with the workers of its groups among its nodes. */
export function expanded<T extends Pick<ClusterConfiguration, 'groups' | 'instances' | 'nodes'>>(
  { groups = [], ...configuration }: T,
  topologyOf: (instance: string) => Topology | undefined
): Expanded<T> {
  const { nodes, ...rest } = expandGroups({ ...configuration, groups }, topologyOf)
  return { ...rest, configuration: { ...configuration, nodes: [...configuration.nodes, ...nodes] } }
}

/** Places all workers of an instance. */
function place(
  parts: readonly Part[],
  nodes: readonly ClusterNode[],
  topology: Topology | undefined,
  { errors, obstacles, warnings }: Expansion
): void {
  const listed = parts.flatMap(({ group: { cpus } }) => (cpus === undefined ? [] : (parseCpuList(cpus) ?? [])))
  const taken = new Set([...nodes.flatMap(({ cpu_affinity: cpu }) => cpu ?? []), ...listed])
  const isOpen = ({ group }: Part) => group.workers === auto
  for (const part of [...parts.filter(part => !isOpen(part)), ...parts.filter(isOpen)]) {
    const { workers } = part.group
    const group = { ...part.group, workers: isElastic(workers) ? workers.max : workers }
    const plan = placeWorkers({ group, instance: part.instance, topology, taken })
    if (plan.error !== undefined) {
      ;(plan.isUnknown === true ? obstacles : errors).push(plan.error)
      continue
    }
    part.placements = plan.placements
    warnings.push(...plan.warnings)
    for (const { cpu } of plan.placements) if (cpu !== undefined) taken.add(cpu)
  }
}

/** Gives the groups of an instance that listen by AF_PACKET their fan-out ids. */
function giveFanOutIds(parts: readonly Part[], nodes: readonly ClusterNode[]): void {
  const listening = parts.map(part => ({ part, listener: listenerOf(part.group) }))
  const ids = fanOutIds(
    nodes.flatMap(node => listenerOf(node) ?? []),
    listening.flatMap(({ listener }) => listener ?? [])
  )
  for (const { part, listener } of listening) {
    if (listener && listener.id !== undefined && !listener.saysId) part.fanOut = ids.get(listener.device)
  }
}

/** Makes the workers of a part, unless their names are taken, or too long. `owners`: by name, whose node it is. */
function addWorkers({ group, instance, placements, fanOut }: Part, owners: Map<string, string>, to: Expansion): void {
  const { name, interface: source, memory_max: memoryMax, nice, scripts, env, load_local: loadsLocal } = group
  const prefix = group.instance === undefined ? `${name}-${instance}` : name
  const names = placements.map((_placement, index) => `${prefix}-${index + 1}`)
  const long = names.findLast(worker => !isName.test(worker))
  const double = names.find(worker => owners.has(worker))
  if (long !== undefined) {
    to.errors.push(`group '${name}': the name of its worker '${long}' is longer than 64 characters`)
  }
  if (double !== undefined) to.errors.push(`group '${name}': ${owners.get(double)} have a node '${double}', too`)
  if (long !== undefined || double !== undefined) return
  const options = fanOut === undefined ? group.options : { ...group.options, [fanOutOption]: fanOut }
  const common = {
    instance,
    role: 'WORKER' as const,
    interface: source,
    ...defined({ memory_max: memoryMax, nice, scripts, options, env, load_local: loadsLocal })
  }
  for (const [index, { cpu, reason }] of placements.entries()) {
    const worker = names[index]!
    owners.set(worker, `the workers of group '${name}'`)
    to.reasons.set(worker, reason)
    to.nodes.push({ name: worker, ...common, ...(cpu === undefined ? {} : { cpu_affinity: cpu }) })
  }
  if (isElastic(group.workers)) to.elastic.push({ name, instance, workers: limitsOf(group.workers), nodes: names })
}

/** Counts what groups become, so that a few words do not become as much as they like. */
class Size {
  #nodes = 0
  #length = 0
  /** How long a worker of a group is. */
  #lengths = new Map<Group, number>()

  /** Returns what is wrong with so many workers together with all before them. */
  excessWith(parts: readonly Part[]): string | undefined {
    for (const { group, placements } of parts) {
      const { interface: source, scripts, options, env } = group
      const length = this.#lengths.get(group) ?? JSON.stringify([source, scripts, options, env]).length
      this.#lengths.set(group, length)
      this.#nodes += placements.length
      this.#length += placements.length * length
    }
    if (this.#nodes > maxNodes) return tooMany
    return this.#length > maxLength ? 'the groups have too many workers for what each of them has' : undefined
  }
}
