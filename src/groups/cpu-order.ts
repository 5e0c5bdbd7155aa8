import type { TopologyCpu } from '../../schemas/topology.js'
import { placeText, type Site } from './site.js'

/** A CPU that a worker can have. */
export interface Choice {
  cpu: TopologyCpu
  /** How many CPUs of its physical core are taken before it: with none, it has the core for itself. */
  before: number
  /** Whether it is on another NUMA node than is best. */
  isAway: boolean
  /** Whether it is on the physical core of CPU 0. */
  isKernels: boolean
}

/**
 * Returns the CPUs that are not taken, best first: so that workers slow each other down least.
 *
 * 1. One CPU of each physical core on the NUMA node `home` (on all nodes, where it is undefined): memory of another
 *    node is slower to reach, and the threads of a core share its units and caches.
 * 2. One of each core on other nodes.
 * 3. A second one of each core, in the same order; then a third, and so on.
 * 4. The core of CPU 0, where the kernel does most of its own work, and which is left to the other nodes of the
 *    cluster.
 *
 * CPUs of which the host does not tell the core are cores of their own. `isUsable`: which CPUs may be chosen at all.
 */
export function inOrder(
  cpus: readonly TopologyCpu[],
  {
    home,
    taken,
    isUsable
  }: { home: number | undefined; taken: ReadonlySet<number>; isUsable: (cpu: TopologyCpu) => boolean }
): Choice[] {
  const used = new Map<number, number>()
  const coreOf = ({ core, id }: TopologyCpu) => core ?? id
  const use = (cpu: TopologyCpu) => used.set(coreOf(cpu), (used.get(coreOf(cpu)) ?? 0) + 1)
  for (const cpu of cpus) if (taken.has(cpu.id)) use(cpu)
  const choices: Choice[] = []
  for (const cpu of cpus) {
    if (taken.has(cpu.id) || !isUsable(cpu)) continue
    const core = coreOf(cpu)
    const isAway = home !== undefined && cpu.numa !== home
    choices.push({ cpu, before: used.get(core) ?? 0, isAway, isKernels: core === 0 })
    use(cpu)
  }
  // The sort is stable: CPUs are in ascending order.
  return choices.sort((a, b) => rankOf(a) - rankOf(b))
}

/** Returns which CPU is better: the one with the lower rank. */
const rankOf = ({ before, isAway, isKernels }: Choice) => (isKernels ? 1 << 20 : 0) + 2 * before + Number(isAway)

const ordinals = ['', 'second thread of ', 'third thread of ', 'fourth thread of ']

/** Returns why a CPU was chosen, after better ones. */
export function reasonOf({ cpu, before, isAway, isKernels }: Choice, site: Site): string {
  const place = placeText(cpu, site)
  const thread = cpu.core === undefined ? '' : (ordinals[before] ?? `thread ${before + 1} of `)
  const lack = isKernels
    ? 'the kernel has most of its work here, and no other CPU was free'
    : before > 0
      ? 'no whole core was free'
      : isAway
        ? 'no core there was free'
        : ''
  return `CPU ${cpu.id}` + (place === '' ? '' : `: ${thread}${place}`) + (lack === '' ? '' : ` (${lack})`)
}
