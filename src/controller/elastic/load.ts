import type { NodeStats } from '../../../schemas/operations.js'

/** What workers have done together, over a time. */
export interface Load {
  /** How many they are. */
  workers: number
  seconds: number
  /** What each of them used of a CPU, on average. */
  cpuPercent: number
  /** Packets a second that came to them, and how many of these were dropped; undefined where one does not tell. */
  traffic: { packets: number; droppedPercent: number } | undefined
}

/** How long a look and an answer may take beside the time that is measured, in seconds. */
const slack = 2

export type Sample = ReadonlyMap<string, NodeStats>

/**
 * Returns what workers have done between two samples of them; undefined where one of them was not running for all of
 * that time, is not in both, or the samples are not about `seconds` apart.
 */
export function loadOf(workers: readonly string[], [before, now]: [Sample, Sample], seconds: number): Load | undefined {
  const parts = workers.map(name => partOf(before.get(name), now.get(name)))
  if (parts.length === 0 || !parts.every(part => part !== undefined)) return undefined
  // By the clock of their host, which counts on however late an answer is.
  if (!parts.every(part => part.seconds >= seconds / 2 && part.seconds <= seconds * 2 + slack)) return undefined
  const sum = (of: (part: Part) => number) => parts.reduce((total, part) => total + of(part), 0)
  const tells = parts.every(({ received, dropped }) => received !== undefined && dropped !== undefined)
  const came = sum(({ received = 0, dropped = 0 }) => received + dropped)
  const dropped = sum(({ dropped = 0 }) => dropped)
  return {
    workers: parts.length,
    seconds: sum(part => part.seconds) / parts.length,
    cpuPercent: sum(part => (100 * part.cpu) / part.seconds) / parts.length,
    traffic: tells
      ? {
          packets: sum(({ received = 0, dropped = 0, seconds }) => (received + dropped) / seconds),
          droppedPercent: came === 0 ? 0 : (100 * dropped) / came
        }
      : undefined
  }
}

/** What one worker has done between two samples. */
interface Part {
  seconds: number
  cpu: number
  received: number | undefined
  dropped: number | undefined
}

function partOf(before: NodeStats | undefined, now: NodeStats | undefined): Part | undefined {
  // A process that is another one by now has not been up for so long.
  if (!before || !now || before.pid !== now.pid || now.uptime <= before.uptime) return undefined
  const grown = (key: 'packets_received' | 'packets_dropped') => {
    const [old, count] = [before[key], now[key]]
    return old === undefined || count === undefined ? undefined : Math.max(0, count - old)
  }
  return {
    seconds: now.uptime - before.uptime,
    cpu: Math.max(0, now.cpu_seconds - before.cpu_seconds),
    received: grown('packets_received'),
    dropped: grown('packets_dropped')
  }
}
