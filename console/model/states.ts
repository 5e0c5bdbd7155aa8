import type { Node, NodeState } from './types.js'

/** How a state is shown: by shape, colour and word, so that none of them is needed. */
export type Tone = 'good' | 'busy' | 'bad' | 'quiet' | 'doubt'

const tones: Record<string, Tone> = {
  RUNNING: 'good',
  PENDING: 'busy',
  STOPPED: 'quiet',
  FAILED: 'bad',
  CRASHED: 'bad',
  UNKNOWN: 'doubt'
}

export const nodeStates: readonly NodeState[] = ['RUNNING', 'PENDING', 'STOPPED', 'CRASHED', 'FAILED', 'UNKNOWN']

/** Returns the tone of a state; of one that is not known, doubt. */
export const toneOf = (state: string): Tone => tones[state] ?? 'doubt'

/** Whether a node is not as it is wanted: it should run and does not. */
export function isAmiss({ state, desired_state: desired }: Pick<Node, 'state' | 'desired_state'>): boolean {
  return state !== 'RUNNING' && (desired ?? 'RUNNING') === 'RUNNING'
}

/** Returns how many nodes are in each state, those that there are. */
export function countStates(nodes: readonly Pick<Node, 'state'>[]): [NodeState, number][] {
  const counts = new Map<NodeState, number>()
  for (const { state } of nodes) counts.set(state, (counts.get(state) ?? 0) + 1)
  return [...counts].sort(([a], [b]) => nodeStates.indexOf(a) - nodeStates.indexOf(b))
}

/** The states of requests. */
export function toneOfRequest(state: string): Tone {
  if (state === 'succeeded') return 'good'
  if (state === 'pending') return 'busy'
  return state === 'partial' || state === 'failed' ? 'bad' : 'doubt'
}
