import { nodeTimes, type Hello } from '../../../schemas/agent.js'
import type { ClusterNode } from '../../../schemas/types.js'
import { trialSeconds } from '../../../schemas/upgrades.js'
import { groupBy } from '../../util.js'
import type { Fleet } from '../fleet.js'

/** Allowance for messages, files and a busy machine, in seconds. */
const slack = 5

/** What an agent says counts up to this, in seconds: a request that it does not answer holds up others. */
const longestSeconds = 900

/** How long a node may take to stop, and to start, in seconds. */
export type Times = typeof nodeTimes
type Placed = Pick<ClusterNode, 'instance' | 'role'>

/** Returns the times that the agent of an instance reported when it last connected, else the defaults. */
export function timesOf(fleet: Pick<Fleet, 'known'>): (instance: string) => Times {
  const said = new Map(fleet.known().map(({ name, hello }) => [name, hello.times]))
  return instance => {
    const { stop, start } = said.get(instance) ?? nodeTimes
    return { stop: Math.min(stop, longestSeconds), start: Math.min(start, longestSeconds) }
  }
}

/**
 * Returns how long an operation on nodes may take, in seconds. Instances work in parallel; each stops its nodes in
 * groups of one role, one after the other, and starts them all at once.
 */
function longest(nodes: readonly Placed[], take: (instance: string, groups: number) => number): number {
  const seconds = [...groupBy(nodes, ({ instance }) => instance)].map(([instance, own]) =>
    take(instance, new Set(own.map(({ role }) => role)).size)
  )
  return slack + Math.max(0, ...seconds)
}

export function toStop(nodes: readonly Placed[], times: (instance: string) => Times): number {
  return longest(nodes, (instance, groups) => groups * times(instance).stop)
}

export function toStart(nodes: readonly Placed[], times: (instance: string) => Times): number {
  return longest(nodes, instance => times(instance).start)
}

/** Returns how long it may take to stop nodes, and to start them or others in their place, in seconds. */
export function toRestart(nodes: readonly Placed[], times: (instance: string) => Times): number {
  return longest(nodes, (instance, groups) => groups * times(instance).stop + times(instance).start)
}

/** How long an agent may take to get a release, and to look whether it can run, in seconds. */
const fetchSeconds = 600
/** The same for its supervisor to end and to start anew, twice, and to be reached again. */
const restartSeconds = 60

/** Returns how long it may take until an agent is back after it has ended to be upgraded, in seconds. */
export const toReturn = ({ times }: Pick<Hello, 'times'>): number =>
  Math.min(times?.upgrade ?? trialSeconds, longestSeconds) + restartSeconds

/** Returns how long it may take to upgrade an instance, in seconds. */
export const toUpgrade = (hello: Pick<Hello, 'times'>): number => fetchSeconds + toReturn(hello)
