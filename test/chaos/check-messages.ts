import type { Frame } from './lines.js'
import type { World } from './world.js'

/** Over a WebSocket there is no other answer to a request that is not accepted. */
const refusal = /^(the controller is stopping|there are too many pending requests|the store cannot be written)/

/**
 * What came over each WebSocket: a request at most once, then its response at most once, only of what is in the
 * history, and under the ID of a client to that client only.
 */
export function* messageViolations(world: World): Generator<string> {
  const told = new Map<string, Set<string>>()
  for (const line of world.lines) {
    if (line.kind !== 'frame') continue
    const place = `${line.client} ${line.reqid}`
    const names = told.get(place) ?? new Set()
    told.set(place, names)
    if (names.has(line.name)) yield `${line.client}: ${line.name} of ${line.reqid} came twice over one WebSocket`
    if (line.name.endsWith('_request') && names.size > 0) {
      yield `${line.client}: response before request of ${line.reqid} over a WebSocket`
    }
    names.add(line.name)
    yield* strangers(line, world)
  }
}

function* strangers({ client, name, reqid, texts = [] }: Frame, { requests, asks, byText }: World): Generator<string> {
  const ask = asks.get(reqid)
  if (ask && ask.client !== client) yield `${client} has heard ${name} of ${reqid}, as only ${ask.client} calls it`
  const type = name.replace(/_(request|response)$/, '')
  const stored = requests.get(ask ? (byText.get(ask.mark ?? '')?.[0] ?? '') : reqid)
  if (ask && ask.mark === undefined) return
  if (!stored) {
    if (!texts.some(text => refusal.test(text))) {
      yield `lost request: ${client} has heard ${name} of ${reqid}, and the history does not have it`
    }
  } else if (stored.type !== type) yield `${client} has heard ${name} of ${reqid}, which is a ${stored.type}`
  else if (name.endsWith('_response') && ['pending', 'expired'].includes(stored.state)) {
    yield `${client} has heard ${name} of ${reqid}, which is ${stored.state} in the history`
  }
}
