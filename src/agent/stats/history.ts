import { statsHistoryMax, type NodeStatsPoint } from '../../../schemas/operations.js'
import type { Outcome } from '../../../schemas/types.js'
import { defined } from '../../util.js'
import { ratesOf, type Reading, type Sample } from './rates.js'

/** How long readings are kept, and of how long a time one is, in milliseconds: however often nodes are sampled. */
const keptMs = 3_600_000
const slotMs = keptMs / statsHistoryMax

/** What nodes used and saw in the last hour, through restarts of their processes. */
export class StatsHistory {
  /**
   * By node, oldest first: one more than there are points, for the rates of the first. Readings are kept instead of
   * points, so that the rates of fewer points miss nothing of the time between them.
   */
  #readings = new Map<string, readonly Reading[]>()

  /** Takes the latest samples of the nodes that run, by name. All but `deployed` nodes are forgotten. */
  note(samples: ReadonlyMap<string, Sample>, deployed: readonly string[]): void {
    for (const [node, { reading }] of samples) {
      this.#readings.set(node, withReading(this.#readings.get(node) ?? [], reading))
    }
    const names = new Set(deployed)
    for (const node of this.#readings.keys()) if (!names.has(node)) this.#readings.delete(node)
  }

  /**
   * Returns outcomes with the history of their nodes, of so many points each at most. A failure has it if there is any:
   * its node may have run a moment ago. `now` is in milliseconds of the clock of readings.
   */
  addTo(outcomes: readonly Outcome[], most: number, now: number): Outcome[] {
    return outcomes.map(outcome => {
      const history = pointsOf(this.#readings.get(outcome.node ?? '') ?? [], most, now)
      return outcome.success || history.length > 0 ? { ...outcome, data: { ...outcome.data, history } } : outcome
    })
  }
}

const slotOf = ({ at }: Reading) => Math.floor(at / slotMs)

/**
 * Returns readings with a later one, if none of its slot is among them, and without those that are too old: but for the
 * last of these.
 */
export function withReading(readings: readonly Reading[], reading: Reading): readonly Reading[] {
  const last = readings.at(-1)
  if (last && slotOf(last) >= slotOf(reading)) return readings
  const all = [...readings, reading]
  const first = all.findIndex(({ at }) => at > reading.at - keptMs)
  return all.slice(Math.max(0, first - 1)).slice(-statsHistoryMax - 1)
}

/**
 * Returns the readings of the last hour as points, oldest first: all, or where they are more than `most`, each one so
 * many after the one before, up to the newest.
 */
export function pointsOf(readings: readonly Reading[], most: number, now: number): NodeStatsPoint[] {
  const recent = readings.findIndex(({ at }) => at > now - keptMs)
  if (recent < 0 || most < 1) return []
  // An hour can begin and end within a slot.
  const first = Math.max(recent, readings.length - statsHistoryMax)
  const step = Math.ceil((readings.length - first) / most)
  return readings.flatMap((reading, index) => {
    if (index < first || (readings.length - 1 - index) % step !== 0) return []
    return [pointOf(readings[index - step] ?? readings[index - 1], reading)]
  })
}

function pointOf(before: Reading | undefined, reading: Reading): NodeStatsPoint {
  const stats = ratesOf(before, reading)
  return defined({
    time: stats.time,
    cpu_percent: rounded(stats.cpu_percent, 1),
    memory_bytes: stats.memory_bytes,
    packets_per_second: rounded(stats.packets_per_second, 1),
    dropped_percent: rounded(stats.dropped_percent, 3),
    packet_lag: rounded(stats.packet_lag, 3)
  })
}

/** Returns a number with so many decimals at most: a request keeps its results. */
const rounded = (value: number | undefined, decimals: number) =>
  value === undefined ? undefined : Number(value.toFixed(decimals))
