import type { NodeStats } from './types.js'

/** What all nodes together use and see at one time. */
export interface Total {
  /** Milliseconds since 1970: of the newest sample in it. */
  at: number
  /** Nodes of which there is a sample. */
  nodes: number
  /** A second; rates are undefined until some node has told two samples. */
  packets: number | undefined
  /** Percent of the packets of all nodes that were dropped. */
  drop: number | undefined
  /** The largest lag behind the packets, in seconds; undefined where no node tells of one. */
  lag: number | undefined
  /** Percent of one processor. */
  cpu: number | undefined
  memory: number
}

/** Totals over time, oldest first. */
export type Totals = readonly Total[]

export const noTotals: Totals = []

/** Instances are sampled at slightly different times: samples of so many milliseconds make one total. */
const slotMs = 5_000
/** A sample that is older counts no more: its node does not run, or nobody tells of it. */
const staleMs = 45_000
/** An hour. */
const totalsMax = 720

/** Returns the totals with the samples of all nodes, of which some have come at a time. */
export function withStats(totals: Totals, stats: ReadonlyMap<string, NodeStats>, at: number): Totals {
  const total = totalOf(stats, at)
  const last = totals.at(-1)
  const isSame = last !== undefined && Math.floor(last.at / slotMs) === Math.floor(at / slotMs)
  return [...(isSame ? totals.slice(0, -1) : totals), total].slice(-totalsMax)
}

function totalOf(stats: ReadonlyMap<string, NodeStats>, at: number): Total {
  const fresh = [...stats.values()].filter(({ time }) => at - Date.parse(time) <= staleMs)
  const packets = sumOf(fresh.map(one => one.packets_per_second))
  const dropped = sumOf(fresh.map(one => one.dropped_per_second)) ?? 0
  const lags = fresh.flatMap(({ packet_lag: lag }) => (lag === undefined ? [] : [lag]))
  return {
    at,
    nodes: fresh.length,
    packets,
    drop: packets === undefined ? undefined : packets + dropped === 0 ? 0 : (100 * dropped) / (packets + dropped),
    lag: lags.length === 0 ? undefined : Math.max(...lags),
    cpu: sumOf(fresh.map(one => one.cpu_percent)),
    memory: sumOf(fresh.map(one => one.memory_bytes)) ?? 0
  }
}

/** Returns the sum of what is known, undefined where nothing is. */
function sumOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter(value => value !== undefined)
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0)
}
