import type { ClusterNode, NodeState, NodeStatus } from '../../../schemas/types.js'
import { Waiting } from '../../requests/waiting.js'
import type { Fleet } from '../fleet.js'

export interface WatchOptions {
  /** How long nodes must stay healthy, in milliseconds. */
  healthyMs: number
  /** How much longer an agent may be away then, or a node take to run again, in milliseconds. */
  graceMs: number
  /** Returns whether a node is meant to run. */
  isWanted: (node: string) => boolean
}

/** States of nodes that have ended by themselves. */
const ended: readonly NodeState[] = ['CRASHED', 'FAILED']

/**
 * Watches nodes that run. Resolves with why one of them is not healthy; with undefined when all have been for long
 * enough, or one of the signals aborts. A node whose agent is away, or that an operator restarts, may be, if it runs in
 * time.
 */
export async function watch(
  fleet: Fleet,
  nodes: readonly ClusterNode[],
  { healthyMs, graceMs, isWanted }: WatchOptions,
  signals: readonly AbortSignal[]
): Promise<string | undefined> {
  const own = new Map(nodes.map(node => [node.name, node]))
  const away = new Map<string, string>()
  const waiting = new Waiting()
  let why: string | undefined
  const note = (instance: string, { node, state, reason = '' }: Pick<NodeStatus, 'node' | 'state' | 'reason'>) => {
    if (own.get(node)?.instance !== instance) return
    if (state === 'RUNNING' || !isWanted(node)) away.delete(node)
    else if (ended.includes(state)) why ??= `${node} is ${state}: ${reason}`
    else away.set(node, `${state}: ${reason}`)
    if (why !== undefined) waiting.release('healthy')
    if (why !== undefined || away.size === 0) waiting.release('back')
  }
  fleet.on('change', note)
  try {
    const places = new Set(nodes.map(({ instance }) => instance))
    for (const { name, statuses } of fleet.known()) {
      if (places.has(name)) for (const status of statuses.values()) note(name, status)
    }
    if (why === undefined) await waiting.wait('healthy', healthyMs, ...signals)
    if (why === undefined && away.size > 0) await waiting.wait('back', graceMs, ...signals)
    const [first] = away
    if (why !== undefined || !first || signals.some(({ aborted }) => aborted)) return why
    return `${first[0]} is ${first[1]}`
  } finally {
    fleet.off('change', note)
  }
}
