import { placeOf } from './cursor.js'
import type { DomainEvent } from './types.js'

/** What has happened, as it was read in pages and as it comes. A value. */
export interface Past {
  /** Newest first. */
  events: readonly DomainEvent[]
  /** Where older ones begin; undefined when there are none that are kept. */
  next: string | undefined
  /** Whether the newest ones were read. */
  isThere: boolean
}

export type Page = Pick<Past, 'events' | 'next'>

export const noPast: Past = { events: [], next: undefined, isThere: false }

/** What to look for. */
export interface EventQuery {
  types: readonly DomainEvent['type'][]
  node?: string | undefined
  instance?: string | undefined
}

/** Returns whether an event is one of those that are looked for. */
export function fits(event: DomainEvent, { types, node, instance }: EventQuery): boolean {
  const about = event as { node?: string; instance?: string }
  return (
    types.includes(event.type) &&
    (node === undefined || about.node === node) &&
    (instance === undefined || about.instance === instance)
  )
}

function joined(events: readonly DomainEvent[], others: readonly DomainEvent[]): readonly DomainEvent[] {
  const known = new Set(events.map(({ cursor }) => cursor))
  return [...events, ...others.filter(({ cursor }) => !known.has(cursor))].sort(
    (a, b) => placeOf(b.cursor) - placeOf(a.cursor)
  )
}

/** Returns the past with events that have just come. */
export const withComing = (past: Past, events: readonly DomainEvent[]): Past => ({
  ...past,
  events: joined(past.events, events)
})

/** Returns the past with the page that comes before it. */
export const withOlder = (past: Past, { events, next }: Page): Past => ({
  ...past,
  events: joined(past.events, events),
  next
})

/** Returns the past with the newest page. Older ones are kept if nothing is missing between them. */
export function withNewest(past: Past, { events, next }: Page): Past {
  const known = new Set(past.events.map(({ cursor }) => cursor))
  if (past.isThere && events.some(({ cursor }) => known.has(cursor))) return withComing(past, events)
  const oldest = events.at(-1)
  const later = past.events.filter(event => oldest === undefined || placeOf(event.cursor) > placeOf(oldest.cursor))
  return { events: joined(events, later), next, isThere: true }
}
