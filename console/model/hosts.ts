import type { Tone } from './states.js'
import type { Schema } from './types.js'

export type InstanceStats = Schema['InstanceStats']

/** What most of some values are, and who has another. */
export interface Majority {
  usual: string | undefined
  others: ReadonlySet<string>
}

/** Returns which value most names have. When all have the same, or there is none, nobody has another. */
export function majorityOf(values: ReadonlyMap<string, string | undefined>): Majority {
  const counts = new Map<string, number>()
  for (const value of values.values()) if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1)
  // Of values that are as frequent, always the same one, whatever their order.
  const [usual] = [...counts].sort(([a, many], [b, few]) => few - many || (a < b ? -1 : 1))[0] ?? []
  const others = [...values].filter(([, value]) => value !== undefined && value !== usual).map(([name]) => name)
  return { usual, others: new Set(others) }
}

/** How much of something is used, in percent. */
export const usedPercent = (size: number, free: number): number =>
  size === 0 ? 0 : (100 * Math.max(0, size - free)) / size

/** Returns how a share that is used is to be taken. The controller's health begins to complain at 95 %. */
export function toneOfUse(percent: number): Tone {
  if (percent > 95) return 'bad'
  return percent > 85 ? 'doubt' : 'good'
}

/** Returns how a load is to be taken, for so many processors. */
export const toneOfLoad = (load: number, cpus: number): Tone => (cpus > 0 && load > 1.5 * cpus ? 'doubt' : 'good')

/** Whether an interface loses something now. */
export const losesPackets = ({
  dropped_per_second: dropped = 0,
  errors_per_second: errors = 0
}: InstanceStats['interfaces'][number]): boolean => dropped > 0 || errors > 0

/** Returns interfaces with those first that see the most. */
export const byTraffic = (interfaces: InstanceStats['interfaces']): InstanceStats['interfaces'] =>
  [...interfaces].sort(
    (a, b) => (b.packets_per_second ?? 0) - (a.packets_per_second ?? 0) || a.name.localeCompare(b.name, 'en')
  )
