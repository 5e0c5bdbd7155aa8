import { nodeTimes } from '../../../schemas/agent.js'
import type { Node } from '../../../schemas/types.js'
import { groupBy } from '../../util.js'
import type { Fleet } from '../fleet.js'

/** What lies between: messages, files, a busy machine. In seconds. */
const slack = 5

/** What a node may take to stop, and to start, in seconds. */
export type Times = typeof nodeTimes
type Placed = Pick<Node, 'instance' | 'role'>

/** What the agent of an instance has said, when it was there last. */
export function timesOf(fleet: Pick<Fleet, 'known'>): (instance: string) => Times {
  const said = new Map(fleet.known().map(({ name, hello }) => [name, hello.times]))
  return instance => said.get(instance) ?? nodeTimes
}

/**
 * How long something may take with nodes, in seconds. Instances do it beside each other; each stops its nodes in groups
 * of
 * one role, one after the other, and starts them all at once.
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

/** To stop nodes, and to start them or others in their place. */
export function toRestart(nodes: readonly Placed[], times: (instance: string) => Times): number {
  return longest(nodes, (instance, groups) => groups * times(instance).stop + times(instance).start)
}
