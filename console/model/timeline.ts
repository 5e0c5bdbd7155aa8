import { percent } from './format.js'
import type { DomainEvent, Node, NodeState } from './types.js'

export type Change = Extract<DomainEvent, { type: 'notify_change' }>

/** A time in which a node was in one state. Times are in milliseconds since 1970. */
export interface Stay {
  state: NodeState
  reason: string
  from: number
  to: number
}

/**
 * Returns the states of a node from one time to another, oldest first. `changes`: those that are known, newest first.
 * `node`: what is so now. Before what is known there is nothing.
 */
export function staysOf(
  changes: readonly Change[],
  node: Pick<Node, 'state' | 'since' | 'reason'> | undefined,
  { from, to }: { from: number; to: number }
): Stay[] {
  const stays: Stay[] = []
  const add = (stay: Stay) => {
    const cut = { ...stay, from: Math.max(from, stay.from), to: Math.min(to, stay.to) }
    if (cut.from <= cut.to && stay.to >= from) stays.push(cut)
  }
  const oldest = changes.at(-1)
  if (oldest) add({ state: oldest.old_state, reason: '', from, to: Date.parse(oldest.time) })
  ;[...changes].reverse().forEach(({ new_state: state, reason, time }, index, all) => {
    const next = all[index + 1]
    add({ state, reason, from: Date.parse(time), to: next ? Date.parse(next.time) : to })
  })
  if (!oldest && node?.since !== undefined) {
    add({ state: node.state, reason: node.reason ?? '', from: Date.parse(node.since), to })
  }
  return stays
}

/** Spans of time that a bar can show, in milliseconds, with their names. */
export const spans = [
  { ms: 900_000, name: '15 minutes' },
  { ms: 3_600_000, name: 'hour' },
  { ms: 6 * 3_600_000, name: '6 hours' },
  { ms: 86_400_000, name: 'day' },
  { ms: 7 * 86_400_000, name: 'week' },
  { ms: 30 * 86_400_000, name: '30 days' }
] as const

const changesShown = 8

/** Returns the shortest span that has the last few changes in it; an hour when there are none. */
export function spanFor(changes: readonly Change[], now: number): number {
  const oldest = changes.slice(0, changesShown).at(-1)
  const age = oldest === undefined ? 3_600_000 : (now - Date.parse(oldest.time)) * 1.05
  return (spans.find(({ ms }) => ms >= age) ?? spans.at(-1)!).ms
}

/** Returns how much of a time a node was in which state, in words, the longest first. */
export function sharesOf(stays: readonly Stay[]): string {
  const total = stays.reduce((sum, { from, to }) => sum + to - from, 0)
  if (total === 0) return ''
  const times = new Map<string, number>()
  for (const { state, from, to } of stays) times.set(state, (times.get(state) ?? 0) + to - from)
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .map(([state, ms]) => `${state} ${percent((100 * ms) / total)}`)
    .join(', ')
}
