import { Group, groupWorkersMax } from '../../schemas/groups.js'
import { ClusterConfigurationInput, type ClusterNode } from '../../schemas/types.js'
import { cpuList } from '../cpu-list.js'
import { defined } from '../util.js'
import { firstOf } from './notes.js'
import { shown } from './refusal.js'

const maxGroups = ClusterConfigurationInput.properties.groups.maxItems!
const maxCpusLength = Group.properties.cpus.maxLength!

/** Nodes, and the groups that stand for some of them. */
export interface Grouped {
  configuration: Pick<ClusterConfigurationInput, 'nodes' | 'groups'>
  /** Lines about workers that are no group. */
  notes: string[]
}

/**
 * Makes groups of workers that a file describes once, with a number of them. `numbered`: by section the workers of
 * each, in their order; they are among the nodes. They stay nodes where no group has exactly these workers.
 */
export function withGroups(
  nodes: readonly ClusterNode[],
  numbered: ReadonlyMap<string, readonly ClusterNode[]>
): Grouped {
  const groups: Group[] = []
  const members = new Set<ClusterNode>()
  const apart: { section: string; reason: string }[] = []
  for (const [section, workers] of numbered) {
    const made = groups.length < maxGroups ? groupOf(workers) : `there are ${maxGroups} groups already`
    if (typeof made === 'string') apart.push({ section, reason: made })
    else {
      groups.push(made)
      for (const worker of workers) members.add(worker)
    }
  }
  return {
    configuration: { nodes: nodes.filter(node => !members.has(node)), ...(groups.length > 0 && { groups }) },
    notes: firstOf(
      apart,
      ({ section, reason }) =>
        `${section === '' ? '' : `[${shown(section)}] `}the workers are nodes, and no group: ${reason}`,
      'sections are no groups'
    )
  }
}

/** Returns the group that has exactly these workers, of which there is one at least; or why none has. */
function groupOf(workers: readonly ClusterNode[]): Group | string {
  const first = workers[0]!
  const { instance, interface: source, scripts, options, env } = first
  const name = first.name.replace(/-1$/, '')
  const pinned = new Set(workers.flatMap(({ cpu_affinity: cpu }) => cpu ?? []))
  const cpus = pinned.size === 0 ? undefined : listOf([...pinned])
  if (source === undefined) return 'they have no interface'
  if (workers.length > groupWorkersMax) return `there are more than ${groupWorkersMax}`
  if (workers.some((worker, index) => worker.name !== `${name}-${index + 1}`)) return 'they have other names'
  const difference = differenceOf(workers)
  if (difference !== undefined) return `each has its own ${shown(difference)}`
  if (cpus !== undefined && pinned.size < workers.length) return 'not each has a CPU of its own'
  if (cpus !== undefined && cpus.length > maxCpusLength) return 'the list of their CPUs is too long'
  return { name, instance, interface: source, workers: workers.length, ...defined({ cpus, scripts, options, env }) }
}

/** Returns what nodes differ in but their names and CPUs, as `interface` or `option FileExtract::prefix`. */
function differenceOf([first, ...others]: readonly ClusterNode[]): string | undefined {
  const parts = partsOf(first!)
  for (const other of others) {
    const own = partsOf(other)
    for (const part of new Set([...parts.keys(), ...own.keys()])) if (parts.get(part) !== own.get(part)) return part
  }
  return undefined
}

/** Returns what a node has but its name and its CPU, as texts by what it is. */
function partsOf({ name: _name, cpu_affinity: _cpu, options = {}, env = {}, ...rest }: ClusterNode) {
  const named = (what: string, values: object) =>
    Object.entries(values).map(([key, value]) => [`${what}${key}`, JSON.stringify(value)] as const)
  return new Map([...named('', rest), ...named('option ', options), ...named('variable ', env)])
}

/** Returns CPUs as a list in their order, which is that of the workers. */
const listOf = (cpus: readonly number[]) =>
  cpus.every((cpu, index) => index === 0 || cpu > cpus[index - 1]!) ? cpuList(cpus) : cpus.join()
