import { compareNames } from './cluster.js'
import { nodeStates } from './states.js'
import type { Node, NodeStats } from './types.js'

/** A node with its last sample, if that is of the process that runs now. */
export interface NodeRow {
  node: Node
  stats: NodeStats | undefined
}

/** What a list of nodes can be sorted by. */
export const sortKeys = [
  'name',
  'role',
  'instance',
  'state',
  'since',
  'restarts',
  'cpu',
  'memory',
  'packets',
  'drop',
  'lag',
  'reason'
] as const
export type SortKey = (typeof sortKeys)[number]

/** Which nodes are listed, and in which order. Empty lists and texts mean all. */
export interface NodeFilter {
  /** Words that name, instance or reason hold, each of them. */
  text: string
  roles: readonly string[]
  states: readonly string[]
  instance: string
  sort: SortKey
  isDescending: boolean
}

/** Those of nodes, and those of the processes that manage them. */
export const nodeRoles = ['MANAGER', 'LOGGER', 'PROXY', 'WORKER'] as const
export const managementRoles = ['AGENT', 'CONTROLLER'] as const

const listIn = (text: string | null) => (text ?? '').split(',').filter(word => word !== '')

/** Returns the filter that a query of a URL says; what it does not know is left out. */
export function filterOf(query: URLSearchParams): NodeFilter {
  const sort = query.get('sort') ?? ''
  const key = sortKeys.find(one => one === sort.replace(/^-/, ''))
  return {
    text: query.get('q') ?? '',
    roles: listIn(query.get('role')),
    states: listIn(query.get('state')),
    instance: query.get('instance') ?? '',
    sort: key ?? 'name',
    isDescending: key !== undefined && sort.startsWith('-')
  }
}

/** Returns the query of a URL that says a filter: what is as usual is left out. */
export function queryOf({ text, roles, states, instance, sort, isDescending }: NodeFilter): string {
  const order = `${isDescending ? '-' : ''}${sort}`
  const told = {
    q: text,
    role: roles.join(','),
    state: states.join(','),
    instance,
    sort: order === 'name' ? '' : order
  }
  return new URLSearchParams(Object.entries(told).filter(([, value]) => value !== '')).toString().replaceAll('%2C', ',')
}

/** Returns the role of a node in its cluster, or in the management of it. */
export const roleOf = ({ cluster_role: role, mgmt_role: management }: Node): string => role ?? management

/** Returns the sample of a node, unless it is older than what runs now. */
export function sampleOf(node: Node, stats: ReadonlyMap<string, NodeStats>): NodeStats | undefined {
  const sample = stats.get(node.node)
  const runs = node.state === 'RUNNING' || node.state === 'UNKNOWN' || node.state === 'PENDING'
  if (!sample || !runs) return undefined
  return node.since !== undefined && Date.parse(sample.time) < Date.parse(node.since) ? undefined : sample
}

/** Returns the nodes that fit a filter, in its order. Agents and controllers only where their role is asked for. */
export function rowsOf(
  nodes: Iterable<readonly Node[]>,
  stats: ReadonlyMap<string, NodeStats>,
  filter: NodeFilter
): NodeRow[] {
  const words = filter.text.toLowerCase().split(/\s+/)
  const rows = [...nodes]
    .flat()
    .filter(node => fits(node, filter, words))
    .map(node => ({ node, stats: sampleOf(node, stats) }))
  return rows.sort(orderOf(filter))
}

function fits(node: Node, { roles, states, instance }: NodeFilter, words: readonly string[]): boolean {
  if (roles.length === 0 ? node.mgmt_role !== 'NODE' : !roles.includes(roleOf(node))) return false
  if (states.length > 0 && !states.includes(node.state)) return false
  if (instance !== '' && node.instance !== instance) return false
  const text = `${node.node} ${node.instance} ${node.reason ?? ''}`.toLowerCase()
  return words.every(word => text.includes(word))
}

/** What is amiss comes first. */
const urgency = ['CRASHED', 'FAILED', 'UNKNOWN', 'PENDING', 'STOPPED', 'RUNNING']
const rank = (list: readonly string[], value: string) => list.indexOf(value) + 1 || list.length + 1

const values: Record<SortKey, (row: NodeRow) => string | number | undefined> = {
  name: ({ node }) => node.node,
  role: ({ node }) => rank([...nodeRoles, ...managementRoles], roleOf(node)),
  instance: ({ node }) => node.instance,
  state: ({ node }) => rank(urgency, node.state),
  since: ({ node }) => (node.since === undefined ? undefined : Date.parse(node.since)),
  restarts: ({ node }) => node.restarts,
  cpu: ({ stats }) => stats?.cpu_percent,
  memory: ({ stats }) => stats?.memory_bytes,
  packets: ({ stats }) => stats?.packets_per_second,
  drop: ({ stats }) => stats?.dropped_percent,
  lag: ({ stats }) => stats?.packet_lag,
  reason: ({ node }) => node.reason || undefined
}

/** Those of equal value are in the order of their names; those without one come last. */
function orderOf({ sort, isDescending }: NodeFilter): (a: NodeRow, b: NodeRow) => number {
  const value = values[sort]
  const sign = isDescending ? -1 : 1
  return (a, b) => {
    const [one, other] = [value(a), value(b)]
    if (one !== undefined && other !== undefined) {
      const order = typeof one === 'number' ? one - (other as number) : compareNames(one, other as string)
      if (order !== 0) return sign * order
    } else if (one !== other) return one === undefined ? 1 : -1
    return compareNames(a.node.node, b.node.node)
  }
}

/** Whether a column begins with its greatest values. */
export const beginsDescending = (key: SortKey): boolean =>
  ['since', 'restarts', 'cpu', 'memory', 'packets', 'drop', 'lag'].includes(key)

/** Returns the states that can be asked for: all that are known, and others that nodes have or that are asked for. */
export function statesIn(nodes: Iterable<readonly Node[]>, asked: readonly string[]): string[] {
  return [...new Set([...nodeStates, ...[...nodes].flat().map(({ state }) => state), ...asked])]
}
