import type { AssignedNode } from '../../../schemas/agent.js'
import { groupBy } from '../../util.js'
import type { Script } from '../../zeek/scripts.js'

/** Node to parse, and those of its scripts that are on this host, by path. */
export interface Parsed {
  node: AssignedNode
  env: Record<string, string>
  scripts: ReadonlyMap<string, Script>
}

/** Nodes that zeek parses alike: its findings for the first hold for all. */
export interface ParseGroup {
  /** Key that stays the same for the same nodes in the next check, even when their scripts have changed. */
  kind: string
  members: readonly [Parsed, ...Parsed[]]
}

/** Returns all that a parse depends on but the node's name, as text: not its interface, its processor or its ports. */
const kindOf = ({ role, scripts = [], options = {}, env = {} }: AssignedNode) =>
  JSON.stringify([role, scripts, Object.entries(options), Object.entries(env).sort()])

/**
 * Groups nodes of one instance, which have the same layout and zeek. Nodes of one kind are in separate groups when they
 * find different files, since a script is in the directory of one of them. A node whose scripts ask (`@if`) which node
 * they run on has a group of its own.
 */
export function groupsOf(nodes: readonly Parsed[]): ParseGroup[] {
  const groups = groupBy(nodes, ({ node, scripts }) => {
    const asksForName = [...scripts.values()].some(script => script.asksForName)
    return JSON.stringify([kindOf(node), [...scripts.keys()], asksForName ? node.name : ''])
  })
  return [...groups.values()].map(members => ({
    kind: kindOf(members[0]!.node),
    members: members as [Parsed, ...Parsed[]]
  }))
}

const heavy = ['MANAGER', 'WORKER']

/**
 * Sorts groups into the order in which to start them. Groups of unknown duration come first: those with most scripts,
 * then managers and workers. The others follow, the ones that took longest last time first.
 */
export function slowestFirst(groups: readonly ParseGroup[], took: ReadonlyMap<string, number>): ParseGroup[] {
  const sizeOf = ({ members: [{ scripts }] }: ParseGroup) => scripts.size
  const isHeavy = ({ members: [{ node }] }: ParseGroup) => Number(heavy.includes(node.role))
  return [...groups].sort(
    (a, b) =>
      (took.get(b.kind) ?? Infinity) - (took.get(a.kind) ?? Infinity) ||
      sizeOf(b) - sizeOf(a) ||
      isHeavy(b) - isHeavy(a)
  )
}
