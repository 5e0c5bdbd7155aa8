import t from 'tap'
import { Filter } from '../../src/events/filter.js'
import { contentOf, type Sink } from '../../src/events/sink.js'
import type { LoggedEvent } from '../../schemas/events.js'
import { ndjson } from '../../src/events/frame.js'
import { Hub } from '../../src/events/hub.js'

/** The lines of JSON that a chunk holds. */
const linesOf = (chunk: Parameters<Sink['write']>[0]): any[] =>
  String(contentOf(chunk))
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line))

await t.test('a follower whose next events were dropped meanwhile is told, never a silent gap', async t => {
  let events: LoggedEvent[] = Array.from({ length: 3000 }, (_, n) => ({
    seq: n + 1,
    time: 0,
    type: 'a',
    reqid: null,
    instance: null,
    node: null,
    body: '{"type":"a"}'
  }))
  const log = {
    epoch: 'e',
    head: 3000,
    get earliest() {
      return events[0]!.seq
    },
    after: (seq: number, limit: number) => events.filter(event => event.seq > seq).slice(0, limit),
    ofRequest: () => []
  }
  const hub = new Hub(log, { heartbeatMs: 1e6, stallMs: 1e6 })
  t.teardown(() => hub.close())
  const lines: any[] = []
  let drain = () => {}
  let room = true
  const sink: Sink = {
    write: chunk => {
      lines.push(...linesOf(chunk))
      return room
    },
    end: () => {},
    destroy: () => {},
    on: (event, listener) => {
      if (event === 'drain') drain = listener
    }
  }
  room = false
  hub.follow(sink, { start: { seq: 0, resumed: true }, filter: new Filter({}), format: ndjson, opening: [] })
  events = events.slice(1000)
  room = true
  drain()
  await new Promise(resolve => setTimeout(resolve, 30))
  const first = lines.find(({ type }) => type !== 'hello')
  t.not(first.cursor, 'e.1001', 'events 1 to 1000 are missing and nothing says so')
})

await t.test('the stream of a request whose first events were dropped has the others, and ends', async t => {
  // As GET /v1/requests/<reqid>/events follows it: from the place before its first event.
  const response: LoggedEvent = {
    seq: 90,
    time: 0,
    type: 'deploy_response',
    reqid: 'x',
    instance: null,
    node: null,
    body: '{"type":"deploy_response"}'
  }
  const log = {
    epoch: 'e',
    head: 100,
    earliest: 50,
    after: () => [],
    ofRequest: (_: string, seq: number) => [response].filter(event => event.seq > seq)
  }
  const hub = new Hub(log, { heartbeatMs: 1e6, stallMs: 1e6 })
  t.teardown(() => hub.close())
  const lines: any[] = []
  const sink: Sink = {
    write: chunk => {
      lines.push(...linesOf(chunk))
      return true
    },
    end: () => {},
    destroy: () => {},
    on: () => {}
  }
  hub.follow(sink, {
    start: { seq: 5, resumed: false },
    filter: new Filter({ reqid: 'x' }),
    format: ndjson,
    opening: [],
    isLast: ({ seq }) => seq === 90
  })
  await new Promise(resolve => setTimeout(resolve, 20))
  t.ok(lines.some(({ type }) => type === 'deploy_response'))
  t.equal(lines.at(-1).type, 'goodbye')
})
