import { isDeepStrictEqual } from 'node:util'
import { isTerminal, placeOf, type Shown, type Told } from './lines.js'
import type { World } from './world.js'

/** The clock of a kill and those of a request are read by different processes. */
const slackMs = 1_000

/**
 * What the log and the history at the end say of each request: exactly one response, after the request, and the same in
 * both.
 */
export function* requestViolations(world: World): Generator<string> {
  yield* orderViolations(world.log)
  for (const [reqid, story] of world.stories) {
    if (!world.requests.has(reqid)) {
      yield `lost request: ${reqid} has events (${story.map(({ type }) => type).join(', ')}), and the history does not have it`
    }
  }
  for (const request of world.requests.values()) {
    yield* storyViolations(request, world.stories.get(request.reqid) ?? [])
    if (request.state === 'interrupted' && !wasKilled(request, world)) {
      yield `request ${request.reqid} is interrupted, and the controller did not end meanwhile`
    }
  }
}

function* orderViolations(log: readonly Told[]): Generator<string> {
  for (const [index, { cursor }] of log.entries()) {
    const before = log[index - 1]?.cursor
    if (before !== undefined && placeOf(cursor).seq <= placeOf(before).seq) {
      yield `the log has ${cursor} after ${before}`
    }
  }
}

function* storyViolations(request: Shown, story: readonly Told[]): Generator<string> {
  const { reqid, type, state } = request
  const starts = story.filter(event => event.type.endsWith('_request'))
  const ends = story.filter(isTerminal)
  const [start] = starts
  const [end] = ends
  if (!start) yield `${end ? 'response without request' : 'no request event'}: ${reqid} (${type}, ${state})`
  if (starts.length > 1) {
    yield `${starts.length} request events: ${reqid} at ${starts.map(({ cursor }) => cursor).join(', ')}`
  }
  if (!end) return yield `no response: ${reqid} (${type}) is ${state} at the end`
  if (ends.length > 1) {
    yield `${ends.length} responses: ${reqid} (${type}) at ${ends.map(({ cursor }) => cursor).join(', ')}`
  }
  if (start && story[0] !== start) {
    yield `${isTerminal(story[0]!) ? 'response before request' : 'progress before request'}: ${reqid} at ${story[0]!.cursor}`
  }
  if (story.at(-1) !== end && ends.length === 1) {
    yield `request ${reqid} goes on after its response: ${story.at(-1)!.type} at ${story.at(-1)!.cursor}`
  }
  if (start && start.type !== `${type}_request`) {
    yield `request ${reqid} is a ${type}, its request event a ${start.type}`
  }
  const isStateless = type === 'test_timeout' && request.arguments.with_state !== true
  const expected = isStateless ? 'request_expired' : `${type}_response`
  if (end.type !== expected) yield `request ${reqid} ended with ${end.type} instead of ${expected}`
  if ((isStateless ? 'expired' : end.state) !== state) {
    yield `state contradicts: ${reqid} is ${state} in the history and ${end.state ?? end.type} in its response`
  }
  if (!isStateless && (end.success !== request.success || !same(end.results, request.results))) {
    yield `results contradict: ${reqid} has others in the history than in its response`
  }
}

function wasKilled({ created_at: created, finished_at: finished }: Shown, { kills }: World): boolean {
  return kills.some(({ at }) => at >= Date.parse(created) - slackMs && at <= Date.parse(finished ?? created) + slackMs)
}

/** Whether it is the same JSON: members of objects have no order. */
export function same(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b)
}
