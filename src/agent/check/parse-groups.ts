import type { AssignedNode } from '../../../schemas/agent.js'
import { groupBy } from '../../util.js'
import type { Script } from '../../zeek/scripts.js'

/** A node that is to be parsed, and the scripts of it that are on this host, by path. */
export interface Parsed {
  node: AssignedNode
  env: Record<string, string>
  scripts: ReadonlyMap<string, Script>
}

/** Nodes that zeek parses alike: what it says of the first is true of all. */
export interface ParseGroup {
  /** The same for the same nodes in the next check, whatever has become of their scripts. */
  kind: string
  members: readonly [Parsed, ...Parsed[]]
}

/** All that a parse depends on but the node's name: neither its interface, nor its processor, nor its ports. */
const kindOf = ({ role, scripts = [], options = {}, env = {} }: AssignedNode) =>
  JSON.stringify([role, scripts, Object.entries(options), Object.entries(env).sort()])

/**
 * Groups nodes of one instance, whose layout and zeek are the same. Nodes of one kind that find other files, since a
 * script is in
 * the directory of one of them, are apart; so is each one whose scripts ask (`@if`) which node they are.
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
 * In the order in which to start: what took longest last time, after what nobody knows yet: of that, most scripts
 * first, and managers and workers.
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
