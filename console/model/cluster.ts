import { stepsAfter, type StepNodes } from './rollout.js'
import { noTotals, withStats, type Totals } from './totals.js'
import type { ClusterRequest, DomainEvent, Health, Instance, Node, NodeStats, Schema, Snapshot } from './types.js'

/** A request, and what the stream tells of it while it is pending. */
export interface TrackedRequest extends ClusterRequest {
  waiting?: readonly Schema['NodeStep'][] | undefined
  /** The steps that are known of a deployment that goes over the nodes in steps. */
  steps?: StepNodes | undefined
}

/**
 * The cluster as the events of the stream tell of it. A value: what changes is replaced, so that who draws a part of it
 * sees by identity whether that has changed.
 */
export interface Cluster {
  instances: ReadonlyMap<string, Instance>
  /** The processes of each instance, sorted by name: those of an instance are replaced together. */
  nodes: ReadonlyMap<string, readonly Node[]>
  /** Undefined until it is known. */
  health: Health | undefined
  /** Requests that are pending, and those that were answered lately, newest last. */
  requests: ReadonlyMap<string, TrackedRequest>
  /** The news, newest first. */
  recent: readonly DomainEvent[]
  /** The last sample of each node. */
  stats: ReadonlyMap<string, NodeStats>
  /** What all nodes together use and see, over time. */
  totals: Totals
}

export const nothingKnown: Cluster = {
  instances: new Map(),
  nodes: new Map(),
  health: undefined,
  requests: new Map(),
  recent: [],
  stats: new Map(),
  totals: noTotals
}

const recentMax = 200
/** How many requests are kept that have been answered. */
const answeredMax = 50
/** The types of events that are news: what has become of nodes, agents and the cluster, and what operators did. */
export const newsTypes = [
  'notify_change',
  'notify_health',
  'notify_error',
  'notify_log',
  'notify_agent_hello',
  'notify_agent_lost',
  'deploy_request',
  'deploy_response',
  'stage_configuration_response',
  'start_response',
  'stop_response',
  'restart_response'
] as const
const isNews = ({ type }: DomainEvent) => (newsTypes as readonly string[]).includes(type)

/** Returns the cluster at the start of a stream, from the parts of its snapshot. What has happened before is kept. */
export function clusterOf(snapshots: readonly Snapshot[], before: Cluster): Cluster {
  const requests = snapshots.flatMap(({ requests = [] }) => requests)
  return {
    ...before,
    instances: byName(snapshots.flatMap(({ instances = [] }) => instances)),
    nodes: byInstance(snapshots.flatMap(({ nodes = [] }) => nodes)),
    requests: new Map(requests.map(request => [request.reqid, request]))
  }
}

const byName = (instances: readonly Instance[]) => new Map(instances.map(instance => [instance.name, instance]))

/** Returns nodes by their instance, both sorted by name. */
export function byInstance(nodes: readonly Node[]): Map<string, readonly Node[]> {
  const sorted = [...nodes].sort((a, b) => compareNames(a.instance, b.instance) || compareNames(a.node, b.node))
  const groups = new Map<string, Node[]>()
  for (const node of sorted) {
    const group = groups.get(node.instance)
    if (group) group.push(node)
    else groups.set(node.instance, [node])
  }
  return groups
}

const collator = new Intl.Collator('en', { numeric: true })
/** Compares names as people count: worker-2 before worker-10. */
export const compareNames = (a: string, b: string): number => collator.compare(a, b)

/** Returns the cluster with nodes and instances as the controller lists them; what it does not list is gone. */
export function withLists(cluster: Cluster, nodes: readonly Node[], instances: readonly Instance[]): Cluster {
  return { ...cluster, nodes: byInstance(nodes), instances: byName(instances) }
}

/** Returns the cluster with what has happened before what is known of it, newest first. */
export function withHistory(cluster: Cluster, events: readonly DomainEvent[]): Cluster {
  const known = new Set(cluster.recent.map(({ cursor }) => cursor))
  const older = events.filter(event => isNews(event) && !known.has(event.cursor))
  return { ...cluster, recent: [...cluster.recent, ...older].slice(0, recentMax) }
}

/** Whether the lists are to be read anew after an event: it changes what they hold, and does not say how. */
export function changesLists(event: DomainEvent, { nodes }: Cluster): boolean {
  switch (event.type) {
    case 'notify_agent_hello':
    case 'notify_agent_lost':
    case 'deploy_response':
    case 'start_response':
    case 'stop_response':
      return true
    // Some of what has happened may be left out.
    case 'notify_error':
      return event.instance !== undefined
    case 'notify_change':
      return !(nodes.get(event.instance) ?? []).some(({ node }) => node === event.node)
    default:
      return false
  }
}

/** Returns the cluster after an event. */
export function afterEvent(cluster: Cluster, event: DomainEvent): Cluster {
  const next = afterOwn(cluster, event)
  if (!isNews(event)) return next
  return { ...next, recent: [event, ...next.recent].slice(0, recentMax) }
}

function afterOwn(cluster: Cluster, event: DomainEvent): Cluster {
  switch (event.type) {
    case 'notify_change':
      return { ...cluster, nodes: withChange(cluster.nodes, event) }
    case 'notify_health':
      return { ...cluster, health: { ready: event.ready, reasons: event.reasons } }
    case 'notify_agent_hello':
      return withInstance(cluster, event.instance, { connected: true, version: event.version, host: event.host })
    case 'notify_agent_lost':
      return withInstance(cluster, event.instance, { connected: false })
    case 'node_stats': {
      const stats = new Map(cluster.stats)
      for (const one of event.stats) stats.set(one.node, one)
      return { ...cluster, stats, totals: withStats(cluster.totals, stats, Date.parse(event.time)) }
    }
    default:
      return { ...cluster, requests: afterRequestEvent(cluster.requests, event) }
  }
}

type Change = Extract<DomainEvent, { type: 'notify_change' }>

function withChange(
  nodes: Cluster['nodes'],
  { instance, node: name, new_state: state, reason, time, ...more }: Change
) {
  const { pid, restarts } = more as { pid?: number; restarts?: number }
  const group = nodes.get(instance) ?? []
  const before = group.find(({ node }) => node === name) ?? { instance, node: name, mgmt_role: 'NODE' as const }
  const { pid: _gone, ...rest } = before as Node
  const after: Node = {
    ...rest,
    state,
    reason,
    since: time,
    ...(pid === undefined ? {} : { pid }),
    ...(restarts === undefined ? {} : { restarts })
  }
  const isKnown = group.some(({ node }) => node === name)
  return new Map(nodes).set(
    instance,
    isKnown
      ? group.map(one => (one.node === name ? after : one))
      : [...group, after].sort((a, b) => compareNames(a.node, b.node))
  )
}

function withInstance(cluster: Cluster, name: string, change: Partial<Instance>): Cluster {
  const before = cluster.instances.get(name) ?? { name, connected: false, configured: false }
  return { ...cluster, instances: new Map(cluster.instances).set(name, { ...before, ...change }) }
}

/** Returns the requests after an event of one of them. */
function afterRequestEvent(requests: Cluster['requests'], event: DomainEvent): Cluster['requests'] {
  if (!('reqid' in event) || event.type === 'node_output') return requests
  const before = requests.get(event.reqid)
  const after = requestAfter(before, event)
  if (after === before || after === undefined) return requests
  const next = new Map(requests).set(event.reqid, after)
  // Answers are as long as the cluster is large; those of the watches that go on all the time are of no use here.
  if (after.type === 'get_node_stats' && after.state !== 'pending') next.delete(event.reqid)
  const answered = [...next.values()].filter(({ state }) => state !== 'pending')
  for (const { reqid } of answered.slice(0, Math.max(0, answered.length - answeredMax))) next.delete(reqid)
  return next
}

function requestAfter(before: TrackedRequest | undefined, event: DomainEvent): TrackedRequest | undefined {
  switch (event.type) {
    case 'request_progress':
      return before && withProgress(before, event)
    case 'rollout_progress':
      return before && withRollout(before, event)
    case 'request_expired':
      return before && { ...over(before), state: 'expired', finished_at: event.time }
    default:
  }
  if ('arguments' in event) {
    const { reqid, arguments: args, expires_at: expires, time, cursor } = event
    const type = event.type.replace(/_request$/, '')
    return {
      reqid,
      type,
      state: 'pending',
      arguments: args,
      results: [],
      warnings: [],
      created_at: time,
      expires_at: expires,
      event_cursor: cursor
    }
  }
  if ('success' in event && before) {
    const { state, success, results, warnings, time } = event
    return { ...over(before), state, success, results, warnings, finished_at: time, waiting: [] }
  }
  return before
}

function withProgress(
  before: TrackedRequest,
  { results, waiting = [] }: Extract<DomainEvent, { type: 'request_progress' }>
): TrackedRequest {
  const told = new Set([...results, ...waiting].map(({ node }) => node))
  const still = (before.waiting ?? []).filter(({ node }) => !told.has(node))
  return { ...before, results: [...before.results, ...results], waiting: [...still, ...waiting] }
}

function withRollout(
  before: TrackedRequest,
  {
    type: _type,
    cursor: _cursor,
    time: _time,
    reqid: _reqid,
    ...rollout
  }: Extract<DomainEvent, { type: 'rollout_progress' }>
): TrackedRequest {
  const known = before.steps ?? (before.rollout ? stepsAfter(new Map(), before.rollout) : new Map())
  // Its nodes have results only when all of it is over.
  return { ...before, rollout, steps: stepsAfter(known, rollout), waiting: [] }
}

/** Returns a request without what is told of it only while it is pending. */
function over({ rollout: _rollout, steps: _steps, ...request }: TrackedRequest): TrackedRequest {
  return request
}
