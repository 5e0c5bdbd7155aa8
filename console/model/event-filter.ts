import { fits as isAbout } from './past.js'
import type { DomainEvent } from './types.js'

type EventType = DomainEvent['type']

/** Kinds of events, as they are chosen. The controller takes the types. */
export const eventKinds: Readonly<Record<string, { name: string; types: readonly EventType[] }>> = {
  nodes: { name: 'Changes of nodes', types: ['notify_change'] },
  health: { name: 'Health', types: ['notify_health'] },
  agents: { name: 'Agents', types: ['notify_agent_hello', 'notify_agent_lost', 'notify_agents_ready', 'notify_join'] },
  trouble: { name: 'Errors and logs', types: ['notify_error', 'notify_log'] },
  changes: {
    name: 'What operators did',
    types: (['stage_configuration', 'deploy', 'start', 'stop', 'restart'] as const).flatMap(
      type => [`${type}_request`, `${type}_response`] as const
    )
  }
}

/** Which events: those that fit every field that is given. */
export interface EventFilter {
  /** A kind, or a type. */
  kind: string
  instance: string
  node: string
}

/** Types of events that come many a second: they are shown where they are asked for. */
const noise: readonly EventType[] = ['node_stats', 'node_output']

/** Returns the types that a filter asks for; undefined for all but samples and outputs. */
export function typesOf({ kind }: Pick<EventFilter, 'kind'>): readonly EventType[] | undefined {
  if (kind === '') return undefined
  // A type that there is not fits nothing; the controller says which there are.
  return eventKinds[kind]?.types ?? [kind as EventType]
}

/** Returns whether an event fits a filter. */
export function fits(event: DomainEvent, { kind, instance, node }: EventFilter): boolean {
  const types = typesOf({ kind }) ?? (noise.includes(event.type) ? [] : [event.type])
  return isAbout(event, { types, instance: instance || undefined, node: node || undefined })
}
