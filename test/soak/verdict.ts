import { fit, type Series } from './slope.js'

/**
 * A process in the time in which nobody killed it, without its warming up; and at rest, before and after all the load.
 */
export interface Life {
  name: string
  rss: Series
  /** After full collections, without code. */
  heap: Series
  /** Machine code and bytecode: it may grow until all of the program is compiled. */
  code: Series
  /** What held the process open, by name, file descriptors among it. */
  before: Record<string, number>
  after: Record<string, number>
}

/** Counted at rest: two more may be a connection of the moment. */
const handlesMax = 2

/**
 * Megabytes an hour, and megabytes in all: what is less may be chance. A full collection leaves little to chance; at
 * fifteen
 * requests a second ten megabytes an hour are 200 bytes a request. Of what the allocator keeps, only the clearly wrong
 * is told.
 */
const bounds = { heap: { perHour: 10, rise: 2 }, rss: { perHour: 100, rise: 15 } }

/**
 * It grows when it does over the whole time and over the later half: V8 gives memory back at times, and takes it again.
 */
function grows(series: Series, { perHour, rise }: { perHour: number; rise: number }): boolean {
  const later = series.slice(Math.floor(series.length / 2))
  return [fit(series), fit(later)].every(
    (fitted, index) => fitted.perHour > perHour && fitted.rise > rise / (index + 1)
  )
}

/** What has grown that should not have. */
export function* leaks({ name, before, after, ...series }: Life): Generator<string> {
  for (const kind of ['heap', 'rss'] as const) {
    const { perHour, rise } = fit(series[kind])
    if (grows(series[kind], bounds[kind])) {
      yield `${kind} of ${name} grows by ${perHour.toFixed(1)} MB an hour (${rise.toFixed(1)} MB seen)`
    }
  }
  for (const [handle, count] of Object.entries(after)) {
    const had = before[handle] ?? 0
    if (count > had + handlesMax) yield `${name} has ${count} ${handle} at rest, and had ${had} before the load`
  }
}

/** What is pruned stays as small as it is told to. */
export function* excess(kept: Record<string, { count: number; max: number }>): Generator<string> {
  for (const [name, { count, max }] of Object.entries(kept)) {
    if (count > max) yield `${name}: ${count}, more than ${max}`
  }
}
