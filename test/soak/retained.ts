import { groupBy } from '../../src/util.js'
import { requests as definitions, type RequestType } from '../../schemas/api.js'
import { same } from '../chaos/check-requests.js'
import { isTerminal, placeOf, type Line, type Shown, type Told } from '../chaos/lines.js'

/** What one client saw, over all its streams, in order: each cursor once. */
export function seenBy(client: string, lines: Iterable<Line>): Told[] {
  const streams = new Set<string>()
  const events = new Map<string, Told>()
  for (const line of lines) {
    if (line.kind === 'open' && line.client === client) streams.add(line.stream)
    else if (line.kind === 'event' && streams.has(line.stream)) events.set(line.event.cursor, line.event)
  }
  return [...events.values()].sort((a, b) => placeOf(a.cursor).seq - placeOf(b.cursor).seq)
}

/**
 * Whether a client has seen all of a log from its first event on until it left, and what is left of that is what it
 * saw.
 */
export function* gaps(name: string, seen: readonly Told[], left: readonly Told[]): Generator<string> {
  for (const [index, { cursor }] of seen.entries()) {
    const before = index === 0 ? 0 : placeOf(seen[index - 1]!.cursor).seq
    if (placeOf(cursor).seq !== before + 1) yield `${name}: nothing was seen between ${before} and ${cursor}`
  }
  const byCursor = new Map(seen.map(event => [event.cursor, event]))
  const last = placeOf(seen.at(-1)?.cursor ?? '.0').seq
  for (const event of left) {
    if (placeOf(event.cursor).seq <= last && !same(byCursor.get(event.cursor), event)) {
      yield `${name}: ${event.cursor} (${event.type}) is not what was seen`
    }
  }
}

/**
 * All requests that there ever were: those that are left, and those that may be dropped as their events tell of them.
 * The
 * newest of each kind may not be dropped, nor what has no end.
 */
export function allRequests(
  log: readonly Told[],
  left: readonly Shown[],
  max: { changes: number; reads: number }
): Shown[] {
  const known = new Set(left.map(({ reqid }) => reqid))
  const stories = [
    ...groupBy(
      log.filter(({ reqid }) => reqid !== undefined),
      ({ reqid }) => reqid!
    ).values()
  ]
  const isChange = (story: Told[]) =>
    definitions[story[0]!.type.replace(/_request$/, '') as RequestType]?.changes ?? true
  const old = (['changes', 'reads'] as const).flatMap(kind =>
    stories.filter(story => isChange(story) === (kind === 'changes')).slice(0, -max[kind] || undefined)
  )
  return [...left, ...old.filter(story => !known.has(story[0]!.reqid!) && story.some(isTerminal)).map(told)]
}

function told(story: readonly Told[]): Shown {
  const [start, end] = [story[0] as Told & Record<string, any>, story.find(isTerminal) as Told & Record<string, any>]
  const { state = 'expired', success = false, results = [] } = end
  return {
    reqid: start.reqid!,
    type: start.type.replace(/_request$/, ''),
    state,
    success,
    arguments: start['arguments'] ?? {},
    results,
    created_at: start['time'],
    finished_at: end['time']
  }
}
