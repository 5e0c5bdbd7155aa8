import type { DomainEvent } from './types.js'

/** Kinds of events, as they are chosen. The controller takes the types. */
export const eventKinds: Readonly<Record<string, { name: string; types: readonly string[] }>> = {
  nodes: { name: 'Changes of nodes', types: ['notify_change'] },
  health: { name: 'Health', types: ['notify_health'] },
  agents: { name: 'Agents', types: ['notify_agent_hello', 'notify_agent_lost', 'notify_agents_ready'] },
  trouble: { name: 'Errors and logs', types: ['notify_error', 'notify_log'] },
  changes: {
    name: 'What operators did',
    types: ['stage_configuration', 'deploy', 'start', 'stop', 'restart'].flatMap(type => [
      `${type}_request`,
      `${type}_response`
    ])
  }
}

/** Which events: those that fit every field that is given. */
export interface EventFilter {
  /** A kind, or a type. */
  kind: string
  instance: string
  node: string
}

/** Returns the types that a filter asks for; undefined for all but samples and outputs, which come many a second. */
export function typesOf({ kind }: Pick<EventFilter, 'kind'>): readonly string[] | undefined {
  if (kind === '') return undefined
  return eventKinds[kind]?.types ?? [kind]
}

const noise = new Set(['node_stats', 'node_output'])

/** Returns whether an event fits a filter. */
export function fits(event: DomainEvent, filter: EventFilter): boolean {
  const types = typesOf(filter)
  const { instance, node } = event as { instance?: string; node?: string }
  return (
    (types === undefined ? !noise.has(event.type) : types.includes(event.type)) &&
    (filter.instance === '' || instance === filter.instance) &&
    (filter.node === '' || node === filter.node)
  )
}
