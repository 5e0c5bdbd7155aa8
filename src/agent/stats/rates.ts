import type { NodeStats } from '../../../schemas/operations.js'

/** What was read of a node's process at one time. */
export interface Reading {
  /** Which process: another one of the same number is another. */
  process: string
  /** In milliseconds, of a clock that nobody sets. */
  at: number
  /** Without rates. */
  stats: NodeStats
}

/** A reading, and the same with rates since the one before. */
export interface Sample {
  reading: Reading
  stats: NodeStats
}

/** How much a counter has grown. One that is smaller than before has begun again: it has grown by what it is. */
export function increase(before: number, now: number): number {
  return now < before ? now : now - before
}

/**
 * A sample with its rates since the reading before; of another process than that, since its start. Without one there
 * are none.
 */
export function ratesOf(before: Reading | undefined, { process, at, stats }: Reading): NodeStats {
  if (!before) return stats
  const isSame = before.process === process
  const elapsed = (at - before.at) / 1000
  const interval = isSame ? elapsed : Math.min(elapsed, stats.uptime)
  if (interval <= 0) return stats
  const grown = (key: 'cpu_seconds' | 'packets_received' | 'packets_dropped') => {
    const [old, now] = [isSame ? before.stats[key] : 0, stats[key]]
    return old === undefined || now === undefined ? undefined : increase(old, now)
  }
  const cpu = grown('cpu_seconds')!
  const received = grown('packets_received')
  const dropped = grown('packets_dropped')
  return {
    ...stats,
    interval,
    cpu_percent: (100 * cpu) / interval,
    ...(received === undefined ? {} : { packets_per_second: received / interval }),
    ...(dropped === undefined ? {} : { dropped_per_second: dropped / interval }),
    ...(received === undefined || dropped === undefined
      ? {}
      : { dropped_percent: received + dropped === 0 ? 0 : (100 * dropped) / (received + dropped) })
  }
}
