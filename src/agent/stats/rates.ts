import type { NodeStats } from '../../../schemas/operations.js'

/** What was read of a node's process at one time. */
export interface Reading {
  /** Identifies the process: another one with the same process ID is another process. */
  process: string
  /** In milliseconds of a monotonic clock. */
  at: number
  /** Without rates. */
  stats: NodeStats
}

/** A reading, and the same with rates since the one before. */
export interface Sample {
  reading: Reading
  stats: NodeStats
}

/** Returns how much a counter has grown. One that is smaller than before has begun again: it has grown by its value. */
export function increase(before: number, now: number): number {
  return now < before ? now : now - before
}

/**
 * Returns a sample with its rates since the reading before, or since its start when that reading was of another
 * process. Without a reading before there are no rates.
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
