/**
 * How the packets of an interface are spread over its workers.
 *
 * Two faults show in nothing but counts. Workers that all get every packet (each with a fan-out of its own) count the
 * same, and so do those to which packets are dealt in turn, whatever connection they are of. One that gets most of the
 * packets leaves its sisters idle.
 *
 * Equal counts alone prove nothing: the more packets, the nearer those of a good fan-out are to each other, until any
 * fixed percentage is met by all. What chance cannot do is to be much better than chance. Had each of N packets gone to
 * one worker or another by the throw of a coin, two counts would differ by about the square root of 2N; hashed
 * connections differ by a multiple of it, since the packets of a connection stay together. So counts that are within a
 * tenth of that root are odd (a coin does it in 8 % of all cases, connections of ten packets in 2.5 %), and in eight
 * blocks of samples in a row they are no chance: 2e-9 for coins, 2e-13 for such connections.
 *
 * The same packets are not read at the same moment from all workers: a few milliseconds make a difference, too. So a
 * block goes on until that tenth is more than what comes in between: a sample at a thousand packets a second, a minute
 * at fifty thousand.
 */

/** What a worker has counted since its start. */
export interface Count {
  node: string
  /** Identifies the process: another process begins to count anew. */
  process: string
  packets: number
}

/** What is known of the workers of one interface. */
export interface FanOut {
  /** Workers whose counts are compared; with other workers everything begins anew. */
  workers: readonly Omit<Count, 'packets'>[]
  /** When the block has begun, in milliseconds of a monotonic clock, and with which counts. */
  at: number
  counts: readonly number[]
  /** How many blocks in a row had equal counts. */
  equal: number
  /** For each of the last blocks: the count of each worker, as a multiple of the median. */
  times: readonly (readonly number[])[]
}

export interface FanOutVerdict {
  nodes: string[]
  duplicated: boolean
  heaviest?: { node: string; times: number }
}

/** How many blocks in a row must say the same, and how many packets a worker must have counted in each. */
const blocks = 8
const packetsMin = 1000
/** How far apart the counts of one sample may have been read. */
const apartMs = 5
/** How much two counts may differ to be equal, as a part of the difference that chance makes. */
const equalPart = 0.1
/** Fewest workers for which an imbalance is reported: of two, neither is the median. */
const medianMin = 3

/** Returns what is known after another sample, read at `at`. */
export function follow(before: FanOut | undefined, at: number, sample: readonly Count[]): FanOut {
  const workers = sample.map(({ node, process }) => ({ node, process }))
  const counts = sample.map(({ packets }) => packets)
  const isSame =
    before !== undefined &&
    before.workers.length === workers.length &&
    workers.every(
      ({ node, process }, n) => node === before.workers[n]!.node && process === before.workers[n]!.process
    ) &&
    counts.every((count, n) => count >= before.counts[n]!)
  if (!isSame) return { workers, at, counts, equal: 0, times: [] }
  const grown = counts.map((count, n) => count - before.counts[n]!)
  const mean = grown.reduce((sum, count) => sum + count, 0) / grown.length
  const chance = Math.sqrt(2 * mean)
  if (mean < packetsMin || chance * equalPart < (mean * apartMs) / (at - before.at)) return before
  const median = Math.max(1, medianOf(grown))
  return {
    workers,
    at,
    counts,
    equal: equalBlocks(before.equal, Math.max(...grown) - Math.min(...grown), chance),
    times: [...before.times, grown.map(count => count / median)].slice(-blocks)
  }
}

/** Returns what the blocks prove; undefined while there are too few. */
export function verdictOf({ workers, equal, times }: FanOut): FanOutVerdict | undefined {
  if (times.length < blocks) return undefined
  const least = workers.map((_worker, n) => Math.min(...times.map(block => block[n]!)))
  const heaviest = least.indexOf(Math.max(...least))
  return {
    nodes: workers.map(({ node }) => node),
    duplicated: workers.length > 1 && equal >= blocks,
    ...(workers.length < medianMin ? {} : { heaviest: { node: workers[heaviest]!.node, times: least[heaviest]! } })
  }
}

/**
 * Returns how many blocks in a row had equal counts. Once that is proven, only counts that are as different as chance
 * makes them disprove it: a sample that came late does not.
 */
function equalBlocks(before: number, difference: number, chance: number): number {
  if (difference <= chance * equalPart) return Math.min(blocks, before + 1)
  return before >= blocks && difference < chance ? before : 0
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
