import type { DomainEvent } from '../../schemas/events.js'
import { severities, type Severity } from '../../schemas/notifications.js'
import type { HealthCode, HealthReason } from '../../schemas/operations.js'
import { cut } from '../../schemas/cut.js'
import type { StoredEvent } from '../store/events.js'
import { defined } from '../util.js'
import { oneLine } from './one-line.js'

/** Something that can be told: of an event, or of one reason in it. */
export interface Occurrence {
  /** The number of its event. */
  seq: number
  /** Milliseconds since 1970. */
  time: number
  /** The type of event that rules select it by: when something is over, that of the event with which it began. */
  type: string
  severity: Severity
  /** Whether something is over that began before. Its severity is that of the beginning. */
  over?: true
  /** Of a reason of health. */
  code?: string
  instance?: string
  node?: string
  text: string
}

type Beginning = Pick<Occurrence, 'type' | 'severity' | 'code' | 'instance' | 'node'>

/** What is amiss as far as the log is read: what an event makes of it depends on this. */
export interface Amiss {
  /** By reason: those of the last assessment, and no others. */
  health: Map<string, Beginning>
  /** Hosts that are lost, by instance. */
  hosts: Map<string, Beginning>
  /** Nodes that are down, by instance and name: what one agent tells takes no room from what others do. */
  nodes: Map<string, Map<string, Beginning>>
}

/** Returns that nothing is amiss. */
export const nothingAmiss = (): Amiss => ({ health: new Map(), hosts: new Map(), nodes: new Map() })

/**
 * Of how many instances, and of how many nodes of one, it is known that they are amiss. What began first makes room: no
 * event tells that a node is gone, so it may be one that is not there any more.
 */
const instancesMax = 10_000
const nodesMax = 1_000
/** The longest text of one occurrence. */
const textLength = 400

/** How bad each reason is. */
const severityOfCode: Record<HealthCode, Severity> = {
  not_deployed: 'info',
  node_not_running: 'error',
  workers_missing: 'error',
  packets_dropped: 'warning',
  no_packets: 'error',
  disk_full: 'error',
  archive_behind: 'warning',
  archive_failing: 'error',
  node_silent: 'error',
  cluster_split: 'error',
  logs_stalled: 'error',
  duplicated: 'warning',
  imbalance: 'warning',
  redeploy_needed: 'warning',
  rollout_interrupted: 'warning',
  drift: 'warning',
  elastic_exhausted: 'warning',
  controller_missing: 'warning',
  controller_diverged: 'error',
  notifications_failing: 'warning'
}

/** Returns whether one is as bad as another, or worse. */
export const isAtLeast = (one: Severity, other: Severity) => severities.indexOf(one) >= severities.indexOf(other)

/** Returns the worst of some. */
export const worstOf = (all: Iterable<Severity>): Severity =>
  [...all].reduce((worst, one) => (isAtLeast(one, worst) ? one : worst), 'info')

type What = Omit<Occurrence, 'seq' | 'time'>

/** Returns what an event has to be told of, and brings up to date what is amiss. */
export function occurrencesOf(event: StoredEvent, amiss: Amiss): Occurrence[] {
  const { seq, time } = event
  return told(event, amiss).map(one => ({ ...one, seq, time, text: oneLine(cut(one.text, textLength)) }))
}

function told(event: StoredEvent, amiss: Amiss): What[] {
  if (event.body === '') return unread(event)
  try {
    return read(JSON.parse(event.body), amiss)
  } catch {
    // Of another version, which says it otherwise: one event must not keep all others from being told.
    return unread(event)
  }
}

/** Of an event whose text is too long, or not as it is known. */
function unread({ type, reqid, instance, node }: StoredEvent): What[] {
  const what = reqid === null ? type : `${type} of request ${reqid}`
  return [
    {
      type,
      severity: type.endsWith('_request') ? 'info' : 'warning',
      ...(instance !== null && { instance }),
      ...(node !== null && { node }),
      text: `${what}: look at the events, what it says cannot be told here`
    }
  ]
}

function read(event: DomainEvent, amiss: Amiss): What[] {
  const { type } = event
  switch (event.type) {
    case 'notify_change':
      return changed(event, amiss)
    case 'notify_agent_lost': {
      const { instance, reason } = event
      const lost: What = { type, severity: 'error', instance, text: `host lost: ${instance}: ${reason}` }
      begin(amiss.hosts, instance, lost, instancesMax)
      return [lost]
    }
    case 'notify_agent_hello': {
      const { instance, host } = event
      const back = end(amiss.hosts, instance, `host back: ${instance}, from ${host}`)
      return back ?? [{ type, severity: 'info', instance, text: `${instance} is connected, from ${host}` }]
    }
    case 'notify_health':
      return assessed(event.reasons, amiss)
    case 'notify_error': {
      const { message: text, instance, node } = event
      return [{ type, severity: 'warning', text, ...defined({ instance, node }) }]
    }
    case 'notify_log': {
      const { instance, level, message } = event
      return [{ type, severity: level === 'ERROR' ? 'error' : 'warning', instance, text: `${instance}: ${message}` }]
    }
    case 'notify_agents_ready':
      return [{ type, severity: 'info', text: `every instance is connected: ${event.instances.join(', ')}` }]
    case 'rollout_progress':
      return [{ type, severity: 'info', text: `deployment ${event.reqid}: ${event.phase}` }]
    default:
      return requested(event)
  }
}

/** Of requests: that they were accepted, and how they have ended. */
function requested(event: DomainEvent): What[] {
  const { type } = event
  const of = (text: string) => ('reqid' in event ? `${text}: request ${event.reqid}` : text)
  if ('success' in event) {
    const name = type.replace(/_response$/, '')
    return [{ type, severity: event.success ? 'info' : 'warning', text: of(`${name}: ${event.state}`) }]
  }
  if (!('expires_at' in event)) return []
  return [{ type, severity: 'info', text: of(`${type.replace(/_request$/, '')} was asked for`) }]
}

function changed(
  { type, instance, node, old_state: old, new_state: state, reason }: Extract<DomainEvent, { type: 'notify_change' }>,
  amiss: Amiss
): What[] {
  const nodes = amiss.nodes.get(instance) ?? new Map<string, Beginning>()
  const text = `${node} on ${instance} is ${state}, was ${old}: ${reason}`
  if (state === 'CRASHED' || state === 'FAILED') {
    const down: What = { type, severity: 'error', instance, node, text }
    begin(nodes, node, down, nodesMax)
    put(amiss.nodes, instance, nodes, instancesMax)
    return [down]
  }
  // What an operator stops is not amiss any more.
  if (state !== 'RUNNING' && state !== 'STOPPED') return [{ type, severity: 'info', instance, node, text }]
  const back = end(nodes, node, `${node} on ${instance} runs again: ${reason}`)
  if (nodes.size === 0) amiss.nodes.delete(instance)
  if (back && state === 'RUNNING') return back
  return [{ type, severity: 'info', instance, node, text }]
}

/** Of health: reasons that there were not before, and those that there are no longer. */
function assessed(reasons: readonly HealthReason[], { health }: Amiss): What[] {
  const type = 'notify_health'
  const subjectOf = ({ code, instance, node }: HealthReason) => [code, instance, node].join(' ')
  const now = new Map(reasons.map(reason => [subjectOf(reason), reason]))
  const gone = [...health].flatMap(([subject, what]) =>
    now.has(subject) ? [] : end(health, subject, `over: ${what.code}${placeOf(what)}`)!
  )
  const come = [...now].flatMap(([subject, { code, instance, node, message }]): What[] => {
    if (health.has(subject)) return []
    const what = {
      type,
      // A newer version may know others.
      severity: (severityOfCode as Record<string, Severity>)[code] ?? 'warning',
      code,
      ...defined({ instance, node }),
      text: `${code}${placeOf({ instance, node })}: ${message}`
    }
    begin(health, subject, what)
    return [what]
  })
  return [...come, ...gone]
}

const placeOf = ({ instance, node }: { instance?: string | undefined; node?: string | undefined }) =>
  instance === undefined ? '' : ` on ${node === undefined ? instance : `${instance}, ${node}`}`

function begin(
  begun: Map<string, Beginning>,
  subject: string,
  { type, severity, code, instance, node }: What,
  max?: number
): void {
  put(begun, subject, { type, severity, ...defined({ code, instance, node }) }, max)
}

/** Puts something into a map as its newest. At most `max` are left: the oldest makes room. */
function put<T>(map: Map<string, T>, key: string, value: T, max = Infinity): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > max) map.delete(map.keys().next().value!)
}

/** Returns that something is over; undefined when it was not amiss. */
function end(begun: Map<string, Beginning>, subject: string, text: string): What[] | undefined {
  const what = begun.get(subject)
  begun.delete(subject)
  return what && [{ ...what, over: true, text }]
}
