import { compareNames } from './cluster.js'
import type { Node, Schema } from './types.js'

export type Group = Schema['Group']
/** A group on one instance, of which not all workers need run. */
export type ElasticGroup = Schema['ElasticGroupStatus']
type Document = Schema['ConfigurationDocument']
type ConfigurationNode = Document['configuration']['nodes'][number]

/** A worker of a group, where it is deployed; where nothing is, as it would be. */
export interface GroupWorker {
  node: string
  instance: string
  cpu: number | undefined
  /** Why a deployment now would have it there; undefined where that would not, or is not known. */
  reason: string | undefined
  /** Where a deployment now would have it instead, and why. */
  instead: string | undefined
}

/** A group, and what it has become. */
export interface GroupOfWorkers {
  group: Group
  /** Sorted by instance and name. */
  workers: readonly GroupWorker[]
  /** Of each instance the names of its workers. */
  byInstance: ReadonlyMap<string, ReadonlySet<string>>
  /** How many workers a deployment now would add, and how many it would leave out. */
  added: number
  removed: number
}

/** The groups that are staged. */
export interface Groups {
  groups: readonly GroupOfWorkers[]
  /** Whether they are deployed, too. */
  isDeployed: boolean
}

/**
 * Returns the groups of the staged configuration, sorted by name. What is deployed has nodes in their place: those are
 * known by their names, if it is this configuration that is deployed. `ready`: what a deployment now would make of it.
 */
export function groupsOf(staged: Document, ready: Document | undefined, deployed: Document | undefined): Groups {
  const { id, groups = [], nodes } = staged.configuration
  const isDeployed = id !== undefined && deployed?.configuration.id === id
  const group = grouping(groups, new Set(nodes.map(({ name }) => name)))
  const planned = group(ready?.configuration.nodes ?? [])
  const actual = isDeployed ? group(deployed.configuration.nodes) : planned
  const reasons = new Map(ready?.placements?.map(({ node, reason }) => [node, reason]))
  return {
    isDeployed,
    groups: [...groups]
      .sort((a, b) => compareNames(a.name, b.name))
      .map(group => become(group, actual.get(group.name) ?? [], planned.get(group.name) ?? [], reasons))
  }
}

function become(
  group: Group,
  actual: readonly ConfigurationNode[],
  planned: readonly ConfigurationNode[],
  reasons: ReadonlyMap<string, string>
): GroupOfWorkers {
  const plannedOf = new Map(planned.map(node => [node.name, node]))
  const workers = actual.map(({ name: node, instance, cpu_affinity: cpu }): GroupWorker => {
    const then = plannedOf.get(node)
    const reason = reasons.get(node)
    const isSame = then?.cpu_affinity === cpu
    return {
      node,
      instance,
      cpu,
      reason: isSame && then ? reason : undefined,
      instead: isSame || !then ? undefined : reason
    }
  })
  const byInstance = new Map<string, Set<string>>()
  for (const { node, instance } of workers.sort(inOrder)) {
    const names = byInstance.get(instance)
    if (names) names.add(node)
    else byInstance.set(instance, new Set([node]))
  }
  // Where a deployment now would have no worker at all, it could not be: its host does not tell of its CPUs.
  const known = new Set(planned.map(({ instance }) => instance))
  const has = new Set(workers.map(({ node }) => node))
  return {
    group,
    workers,
    byInstance,
    added: planned.filter(({ name }) => !has.has(name)).length,
    removed: workers.filter(({ node, instance }) => known.has(instance) && !plannedOf.has(node)).length
  }
}

const inOrder = (a: GroupWorker, b: GroupWorker) => compareNames(a.instance, b.instance) || compareNames(a.node, b.node)

/**
 * Returns what finds the workers of each group among nodes: they are `<group>-<n>` on one `instance`, else
 * `<group>-<instance>-<n>`. `others`: nodes that stand beside the groups.
 */
function grouping(groups: readonly Group[], others: ReadonlySet<string>) {
  const byName = new Map(groups.map(group => [group.name, group]))
  const groupOf = ({ name, instance, interface: source }: ConfigurationNode): Group | undefined => {
    const prefix = /^(.+)-[1-9]\d*$/.exec(name)?.[1]
    if (prefix === undefined || others.has(name)) return undefined
    const own = byName.get(prefix)
    const shared = prefix.endsWith(`-${instance}`) ? byName.get(prefix.slice(0, -instance.length - 1)) : undefined
    const group = own?.instance === instance ? own : shared?.instance === undefined ? shared : undefined
    return group?.interface === source ? group : undefined
  }
  return (nodes: readonly ConfigurationNode[]): Map<string, ConfigurationNode[]> => {
    const found = new Map(groups.map(({ name }) => [name, [] as ConfigurationNode[]]))
    for (const node of nodes) found.get(groupOf(node)?.name ?? '')?.push(node)
    return found
  }
}

/** The nodes of an instance by name: every group on it asks for its own, each time that something has changed. */
const named = new WeakMap<readonly Node[], ReadonlyMap<string, Node>>()

function byName(nodes: readonly Node[]): ReadonlyMap<string, Node> {
  const known = named.get(nodes) ?? new Map(nodes.map(node => [node.node, node]))
  named.set(nodes, known)
  return known
}

/** Returns the nodes of the cluster that are workers of a group. */
export function nodesOf(
  { byInstance }: Pick<GroupOfWorkers, 'byInstance'>,
  nodes: ReadonlyMap<string, readonly Node[]>
): Node[] {
  const found: Node[] = []
  for (const [instance, names] of byInstance) {
    const there = byName(nodes.get(instance) ?? noNodes)
    for (const name of names) {
      const node = there.get(name)
      if (node) found.push(node)
    }
  }
  return found
}

const noNodes: readonly Node[] = []

/** Returns where workers are pinned, as `2-15`, and on which instances: what most have first. */
export function pinnings(workers: readonly GroupWorker[]): { cpus: string; instances: string[] }[] {
  const byInstance = new Map<string, number[]>()
  for (const { instance, cpu } of workers) {
    const cpus = byInstance.get(instance) ?? []
    if (cpu !== undefined) cpus.push(cpu)
    byInstance.set(instance, cpus)
  }
  const found = new Map<string, string[]>()
  for (const [instance, cpus] of byInstance) {
    const text = rangesOf(cpus)
    found.set(text, [...(found.get(text) ?? []), instance])
  }
  return [...found]
    .map(([cpus, instances]) => ({ cpus, instances }))
    .sort((a, b) => b.instances.length - a.instances.length)
}

/** Returns numbers as ranges, as `2-15,18`. */
function rangesOf(numbers: readonly number[]): string {
  const ranges: [first: number, last: number][] = []
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const range = ranges.at(-1)
    if (range?.[1] === number - 1) range[1] = number
    else ranges.push([number, number])
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',')
}

/** Returns by what a group is where it is, as `tap=uplink`; nothing where instances are named. */
export const labelsText = ({ labels }: Group): string | undefined =>
  labels &&
  (Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ') ||
    'all instances')

/** Whether a group has a text in its name, its interface, or the name of an instance, whatever its case. */
export function groupHas({ group, byInstance }: GroupOfWorkers, text: string): boolean {
  const wanted = text.trim().toLowerCase()
  return [group.name, group.interface, ...byInstance.keys()].some(one => one.toLowerCase().includes(wanted))
}

/** Returns how many workers a group is to have on each host, in words; `counted` puts a number before a noun. */
export function workersText({ workers }: Group, counted: (count: number, noun: string) => string): string {
  if (typeof workers === 'object') return `${workers.min} to ${workers.max} workers, as many as there is work for`
  return typeof workers === 'number' ? counted(workers, 'worker') : 'as many workers as free cores (auto)'
}

/** Returns how many workers of an elastic group run, as `3 of 2 to 8 run`. */
export const runningText = ({ running, workers: { min, max } }: ElasticGroup): string =>
  `${running.length} of ${min} to ${max} run`
