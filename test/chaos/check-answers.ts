import { groupBy } from '../../src/util.js'
import { same } from './check-requests.js'
import type { Answer, Ask } from './lines.js'
import type { World } from './world.js'

const isAccepted = ({ status, request }: Answer) => status < 300 && request !== undefined

/** What clients were answered over HTTP, and what has become of it. */
export function* answerViolations(world: World): Generator<string> {
  const accepted = new Set<string>()
  for (const answer of world.answers) {
    const ask = world.asks.get(answer.id)
    if (!ask) yield `an answer that nobody asked for: ${answer.id}`
    else if (isAccepted(answer)) {
      accepted.add(answer.request!.reqid)
      yield* contradictions(ask, answer, world)
    } else if (answer.status === 404 && accepted.has(ask.reqid ?? '')) {
      yield `lost request: ${ask.client} was told that there is no ${ask.reqid}, which was accepted`
    } else if (answer.status === 500) yield `an internal error was told to ${ask.client} (${ask.type ?? ask.reqid})`
  }
}

function* contradictions(ask: Ask & { at: number }, { status, request }: Answer, world: World): Generator<string> {
  const { reqid, type, state, success, results } = request!
  const stored = world.requests.get(reqid)
  if (ask.reqid !== undefined && ask.reqid !== reqid) {
    yield `${ask.client} asked for request ${ask.reqid} and was shown ${reqid}`
  }
  if (!stored) {
    return yield `lost request: ${reqid} (${type}) was answered ${status} to ${ask.client}, and the history does not have it`
  }
  if (stored.type !== (ask.type ?? type)) yield `${ask.client} asked for ${ask.type}, and ${reqid} is a ${stored.type}`
  if (state === 'pending') {
    if (ask.type !== undefined && status === 200) {
      yield `request ${reqid} is pending, and the answer ${status} to ${ask.client} says that it is finished`
    }
    if ((world.endSeen.get(reqid) ?? Infinity) < ask.at) {
      yield `request ${reqid} was shown to ${ask.client} as pending after its end had been seen`
    }
  } else if (state !== stored.state || success !== stored.success || !same(results, stored.results)) {
    yield `answer contradicts: ${reqid} was ${state} for ${ask.client} and is ${stored.state}${state === stored.state ? ', with other results' : ''} in the history`
  }
}

/** One key, one request; who comes later is told so. */
export function* keyViolations(world: World): Generator<string> {
  const known = new Map<string, { reqid: string; at: number }>()
  for (const [at, line] of world.lines.entries()) {
    if (line.kind !== 'answer') continue
    const ask = world.asks.get(line.id)
    if (ask?.key === undefined) continue
    if (line.status === 422) yield `key ${ask.key} was refused to ${ask.client}, which has sent the same payload again`
    if (!isAccepted(line)) continue
    const first = known.get(ask.key)
    const { reqid } = line.request!
    if (!first) known.set(ask.key, { reqid, at })
    else if (first.reqid !== reqid) yield `key ${ask.key} was used for two requests, ${first.reqid} and ${reqid}`
    else if (!line.replayed && first.at < ask.at) yield `key ${ask.key} came again, and its answer does not say so`
  }
}

/** What was asked once is there once, what was refused is not there. */
export function* markViolations({ asks, answers, lost, byText }: World): Generator<string> {
  const answerOf = new Map(answers.map(answer => [answer.id, answer]))
  const marks = groupBy(
    [...asks.values()].filter(({ mark, type }) => mark !== undefined && type !== undefined),
    ({ mark }) => mark!
  )
  for (const [mark, all] of marks) {
    const reqids = byText.get(mark) ?? []
    const { client, type } = all[0]!
    if (reqids.length > 1) {
      yield `asked once, there ${reqids.length} times: ${type} ${mark} of ${client} is ${reqids.join(', ')}`
    }
    for (const { id } of all) {
      const answer = answerOf.get(id)
      if (answer && isAccepted(answer) && !reqids.includes(answer.request!.reqid)) {
        yield `${type} ${mark} of ${client} was answered as ${answer.request!.reqid}, which is another`
      }
    }
    const isRefused = ({ id }: Ask) => !lost.has(id) && (answerOf.get(id)?.status ?? 0) >= 400
    if (reqids.length > 0 && all.every(isRefused)) {
      yield `${type} ${mark} was refused to ${client}, and is there all the same: ${reqids.join(', ')}`
    }
  }
}
