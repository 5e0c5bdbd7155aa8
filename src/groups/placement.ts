import { auto, type Group } from '../../schemas/groups.js'
import type { Topology, TopologyCpu } from '../../schemas/topology.js'
import { cpuList, parseCpuList } from '../cpu-list.js'
import { inOrder, reasonOf, type Choice } from './cpu-order.js'
import { placeText, siteOf, type Site } from './site.js'

/** Where one worker runs. */
export interface Placement {
  /** The CPU that it is pinned to; absent where it is not pinned. */
  cpu?: number
  /** Why there, for people. */
  reason: string
}

interface Placed {
  placements: Placement[]
  warnings: string[]
  error?: undefined
}

/** Why workers have no place, for people. `isUnknown`: for now, as the instance has not told what it is. */
interface Unplaced {
  error: string
  isUnknown?: boolean
}

/** The workers of a group on one instance in their order, or why they have no place. */
export type Plan = Placed | Unplaced

export interface PlacementTask {
  group: Pick<Group, 'name' | 'interface' | 'cpus' | 'numa' | 'options'> & { workers: number | typeof auto }
  instance: string
  /** Undefined: the instance has not told. */
  topology: Topology | undefined
  /** CPUs that others have, or that are kept for them: `auto` chooses none of them. */
  taken: ReadonlySet<number>
}

/**
 * Returns where the workers of a group run on an instance: a pure function of its argument, in which the places of the
 * first workers do not depend on how many come after them.
 */
export function placeWorkers(task: PlacementTask): Plan {
  const { group, instance, topology } = task
  const site = topology && siteOf(group.interface, topology)
  const plan = planOf(task, site)
  if (plan.error !== undefined) return { ...plan, error: `group '${group.name}': ${plan.error}` }
  const warnings = [...plan.warnings, ...(site ? unfed(group, site, plan.placements.length) : [])]
  return { ...plan, warnings: warnings.map(text => `group '${group.name}' on instance '${instance}': ${text}`) }
}

function planOf(task: PlacementTask, site: Site | undefined): Plan {
  const { workers, cpus, numa } = task.group
  if (cpus !== undefined && cpus !== auto) return onList(task, cpus, site)
  if (cpus === undefined && workers !== auto) {
    return numa === undefined
      ? unpinned(workers, 'not pinned')
      : { error: 'numa has no meaning without cpus, or workers: auto' }
  }
  if (!site || site.topology.cpus.length === 0) {
    return {
      isUnknown: true,
      error: `${cpus === auto ? 'cpus' : 'workers'}: auto needs the CPUs of instance '${task.instance}', which it does not tell: its agent is not connected, or cannot`
    }
  }
  return onBest(task, site)
}

function unpinned(count: number, reason: string, warnings: string[] = []): Plan {
  return { placements: Array.from({ length: count }, () => ({ reason })), warnings }
}

const listed = (cpus: readonly number[]) => `CPU${cpus.length > 1 ? 's' : ''} ${cpuList(cpus)}`

/** Places workers on the CPUs of a list, in its order. What the host has not told is not checked. */
function onList({ group: { workers, numa }, instance }: PlacementTask, text: string, site: Site | undefined): Plan {
  const list = parseCpuList(text) ?? []
  if (list.length === 0) return { error: `cpus: ${text} is no list of CPUs, as 2-15,18` }
  const twice = list.find((cpu, index) => list.indexOf(cpu) < index)
  if (twice !== undefined) return { error: `cpus: CPU ${twice} is there twice` }
  const known = new Map(site?.topology.cpus.map(cpu => [cpu.id, cpu]))
  const missing = list.filter(cpu => known.size > 0 && !known.has(cpu))
  if (missing.length > 0) {
    return {
      error: `cpus: instance '${instance}' does not have ${listed(missing)}, it may use ${cpuList(known.keys())}`
    }
  }
  const away = list.filter(cpu => known.size > 0 && numa !== undefined && known.get(cpu)!.numa !== numa)
  if (away.length > 0) {
    return {
      error: `cpus: ${listed(away)} of instance '${instance}' ${away.length > 1 ? 'are' : 'is'} not on NUMA node ${numa}, which numa demands`
    }
  }
  const count = workers === auto ? within(site?.topology.quota, list.length) : workers
  if (count > list.length) return { error: `${count} workers, but cpus has ${list.length}: ${text}` }
  const placements = list.slice(0, count).map(id => {
    const place = site && known.has(id) ? placeText(known.get(id)!, site) : ''
    return { cpu: id, reason: `CPU ${id}, as cpus says${place === '' ? '' : `: ${place}`}` }
  })
  return { placements, warnings: [] }
}

/** Chooses whatever is `auto`: CPUs, their number, or both. */
function onBest({ group, instance, taken }: PlacementTask, site: Site): Plan {
  const isUsable = usableBy(group, site.topology)
  const usable = site.topology.cpus.filter(isUsable)
  if (usable.length === 0) {
    return {
      error:
        group.numa === undefined
          ? `the kernel isolates all CPUs of instance '${instance}', so that workers need cpus: auto, or a list`
          : `numa: instance '${instance}' has no CPUs on NUMA node ${group.numa} for them`
    }
  }
  // A node without CPUs for them is as good as an unknown one.
  const home = usable.some(({ numa }) => numa === site.near) ? site.near : group.numa
  const choices = inOrder(site.topology.cpus, { home, taken, isUsable })
  const { count, why, warnings } = countOf(group.workers, { site, home, choices })
  if (group.cpus === undefined) return unpinned(count, `not pinned; ${why}`, warnings)
  if (count > choices.length) {
    const free = choices.map(({ cpu }) => cpu.id)
    const others = usable.map(({ id }) => id).filter(id => taken.has(id))
    return {
      error:
        `${count} workers, but instance '${instance}' has ${free.length} CPUs that they may use` +
        (free.length > 0 ? `: ${cpuList(free)}` : '') +
        (others.length > 0 ? `; others have ${cpuList(others)}` : '')
    }
  }
  const placements = choices.slice(0, count).map(choice => ({ cpu: choice.cpu.id, reason: reasonOf(choice, site) }))
  return { placements, warnings }
}

/**
 * Returns which CPUs `auto` may use for a group. Those that the kernel isolates are for nodes that are pinned, and
 * where there are some, others are not.
 */
function usableBy({ cpus, numa }: PlacementTask['group'], { cpus: all }: Topology): (cpu: TopologyCpu) => boolean {
  const isPinned = cpus !== undefined
  const hasIsolated = all.some(({ isolated }) => isolated)
  return cpu => (!hasIsolated || (cpu.isolated ?? false) === isPinned) && (numa === undefined || cpu.numa === numa)
}

/** Returns how many workers there are, and why. */
function countOf(
  workers: PlacementTask['group']['workers'],
  { site, home, choices }: { site: Site; home: number | undefined; choices: readonly Choice[] }
): { count: number; why: string; warnings: string[] } {
  if (workers !== auto) return { count: workers, why: '', warnings: [] }
  const { cpus, quota } = site.topology
  const cores = choices.filter(({ before, isAway, isKernels }) => before === 0 && !isAway && !isKernels).length
  const where =
    home === undefined ? '' : ` of NUMA node ${home}${home === site.near ? `, where ${site.device} is,` : ''}`
  if (cores === 0) {
    const why = `one worker: no physical core${where} is free but that of CPU 0`
    // Where there is no other core this is as it should be.
    return { count: 1, why, warnings: cpus.some(({ core, id }) => (core ?? id) !== 0) ? [why] : [] }
  }
  const count = within(quota, cores)
  const why = `${count} workers: ${cores} physical cores${where} are free beside that of CPU 0`
  return { count, why: count < cores ? `${why}, but the quota is ${quota} CPUs` : why, warnings: [] }
}

/** Returns a count, or what a quota of CPUs allows of it: at least one. */
const within = (quota: number | undefined, count: number) => Math.max(1, Math.min(count, Math.floor(quota ?? count)))

/** Returns a warning about workers without packets: with FANOUT_QM the packets of one queue go to one worker. */
function unfed(
  { interface: source, options }: PlacementTask['group'],
  { device, queues }: Site,
  count: number
): string[] {
  const isByQueue = options?.['AF_Packet::fanout_mode']?.includes('FANOUT_QM') && source.startsWith('af_packet::')
  if (!isByQueue || !queues || queues >= count) return []
  return [
    `${device} has ${queues} receive queues, so that with FANOUT_QM ${count - queues} of ${count} workers get no packets`
  ]
}
