import type { NodeStats } from './types.js'

/** What all nodes together use and see at one time. */
export interface Total {
  /** Milliseconds since 1970: of the newest sample in it. */
  at: number
  /** Nodes of which there is a sample. */
  nodes: number
  packets: number
  /** Percent of the packets of all nodes that were dropped. */
  drop: number
  /** The largest lag behind the packets, in seconds; undefined where no node tells of one. */
  lag: number | undefined
  /** Percent of one processor. */
  cpu: number
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
  let [packets, dropped, cpu, memory, nodes] = [0, 0, 0, 0, 0]
  let lag: number | undefined
  for (const one of stats.values()) {
    if (at - Date.parse(one.time) > staleMs) continue
    nodes++
    packets += one.packets_per_second ?? 0
    dropped += one.dropped_per_second ?? 0
    cpu += one.cpu_percent ?? 0
    memory += one.memory_bytes
    if (one.packet_lag !== undefined) lag = Math.max(lag ?? 0, one.packet_lag)
  }
  const seen = packets + dropped
  return { at, nodes, packets, drop: seen === 0 ? 0 : (100 * dropped) / seen, lag, cpu, memory }
}
