import assert from 'node:assert/strict'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import fc from 'fast-check'
import t from 'tap'
import type { LoggedEvent } from '../../schemas/events.js'
import { ndjson, sse } from '../../src/events/frame.js'
import type { ControlEvent } from '../../schemas/events.js'
import { runs } from '../support/runs.js'

/** Any text, with what frames are made of in it. */
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.constantFrom(
        '\r',
        '\n',
        '\r\n',
        '\n\n',
        '\u2028',
        '\u2029',
        '\u0000',
        '\u0085',
        '\ufeff',
        '\ud800',
        '"',
        '\\',
        'id: ',
        'data: ',
        'event: ',
        'retry: 1',
        ': ',
        '"}',
        '😀'
      )
    )
    .map(parts => parts.join(''))
)
const event = fc.record({
  message: text,
  instance: text,
  node: text,
  data: fc.dictionary(
    text.filter(key => key !== '__proto__'),
    fc.jsonValue()
  )
})

const logged = (fields: object, seq: number): LoggedEvent => ({
  seq,
  time: 0,
  type: 'notify_error',
  reqid: null,
  instance: null,
  node: null,
  body: JSON.stringify({ type: 'notify_error', ...fields })
})
const placed = (fields: object, seq: number) =>
  JSON.parse(JSON.stringify({ type: 'notify_error', ...fields, cursor: `e1.${seq}`, time: '1970-01-01T00:00:00.000Z' }))

function parse(stream: string): EventSourceMessage[] {
  const messages: EventSourceMessage[] = []
  const parser = createParser({
    onEvent: message => messages.push(message),
    onError: error => {
      throw error
    }
  })
  // In small pieces, as a network has them.
  for (let at = 0; at < stream.length; at += 7) parser.feed(stream.slice(at, at + 7))
  return messages
}

await t.test('events come out of a stream of Server-Sent Events as they went in, whatever is in them', async t => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 5 }), events => {
      const messages = parse(events.map((fields, n) => sse.event(logged(fields, n + 1), `e1.${n + 1}`)).join(''))
      assert.deepStrictEqual(
        messages.map(({ id, event, data }) => ({ id, event, data: JSON.parse(data) })),
        events.map((fields, n) => ({ id: `e1.${n + 1}`, event: undefined, data: placed(fields, n + 1) }))
      )
    }),
    { numRuns: runs(200) }
  )
  t.pass('they did')
})

await t.test('events come out of lines of JSON as they went in, whatever is in them', async t => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 5 }), events => {
      const lines = events
        .map((fields, n) => ndjson.event(logged(fields, n + 1), `e1.${n + 1}`))
        .join('')
        .split('\n')
      assert.equal(lines.pop(), '')
      assert.deepStrictEqual(
        lines.map(line => JSON.parse(line)),
        events.map((fields, n) => placed(fields, n + 1))
      )
    }),
    { numRuns: runs(200) }
  )
  t.pass('they did')
})

await t.test('a control event has its type as its name, and only a heartbeat an id', async t => {
  const controls: ControlEvent[] = [
    { type: 'hello', cursor: 'e.1', earliest: 'e.1', heartbeat_seconds: 15, resumed: false },
    { type: 'heartbeat', cursor: 'e.2', time: '1970-01-01T00:00:00.000Z' },
    { type: 'reset', reason: 'epoch', earliest: 'e.1', latest: 'e.2' },
    { type: 'goodbye', reason: 'shutdown', reconnect: true }
  ]
  const messages = parse(controls.map(control => sse.control(control)).join(''))
  t.same(
    messages.map(({ event, id, data }) => [event, id, JSON.parse(data)]),
    controls.map(control => [control.type, control.type === 'heartbeat' ? 'e.2' : undefined, control])
  )
  t.same(
    controls
      .map(control => ndjson.control(control))
      .join('')
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line)),
    controls
  )
})
