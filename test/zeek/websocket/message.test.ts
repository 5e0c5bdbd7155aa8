import assert from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import {
  decodeData,
  decodeServerMessage,
  decodeSubscriptions,
  encodeAck,
  encodeError,
  encodeEvent,
  eventOf,
  messagesPath
} from '../../../src/zeek/websocket/message.js'
import { count, none, string, vector } from '../../../src/zeek/websocket/value.js'
import { altered, anyText, anyValue, nodesOf, refusal, refusedAt } from '../../support/arbitraries.js'
import { clientConversations, dataMessages, exchanges, nodeConversations } from '../../support/recordings.js'
import { runs } from '../../support/runs.js'

const frames = nodeConversations.flatMap(({ frames }) => frames)
const wholeAnswers = exchanges.flatMap(({ answers }) => answers).filter(answer => answer.endsWith('}'))
const event = (data: unknown, topic: unknown = 't') =>
  JSON.stringify({ type: 'data-message', topic, '@data-type': 'vector', data })

/** Reads a message in every way that there is. */
const decoders: Record<string, (text: string) => unknown> = {
  data: text => eventOf(decodeData(text).data),
  subscriptions: decodeSubscriptions,
  server: text => {
    const message = decodeServerMessage(text)
    if (message.type === 'data') eventOf(message.message.data)
  }
}

await t.test('everything that Zeek nodes were recorded to say is understood', async t => {
  const said = frames
    .filter(({ from }) => from === 'node')
    .map(({ frame }) => decodeServerMessage(JSON.stringify(frame)))
  t.ok(said.length > 10)
  t.ok(said.some(({ type }) => type === 'ack'))
  const events = said.flatMap(message => (message.type === 'data' ? [eventOf(message.message.data)] : []))
  const response = events.find(({ name }) => name === 'Probe::id_response')
  t.same(
    response?.args,
    vector([string('q1'), string('manager'), { '@data-type': 'boolean', data: true }, string('"manager"')])
  )
})

await t.test('our events are written as they were recorded', async t => {
  const { frame } = frames.find(({ from, frame }) => from === 'client' && frame.type === 'data-message')!
  t.same(
    JSON.parse(
      encodeEvent('probe/node/manager', {
        name: 'Probe::id_request',
        args: vector([string('q1'), string('Cluster::node')])
      })
    ),
    frame
  )
})

await t.test('an event is read as it was written, with metadata or not', async t => {
  const event = { name: 'A::b', args: vector([string('ä"\n'), count(5), vector([string('x')])]) }
  const text = encodeEvent('t', event)
  t.equal(decodeData(text).topic, 't')
  t.same(eventOf(decodeData(text).data), event)
  const message = JSON.parse(text)
  message.data[2].data.push(vector([]))
  t.same(eventOf(decodeData(JSON.stringify(message)).data), event)
})

await t.test('an error is read with its text', async t => {
  t.same(decodeServerMessage('{"type":"error","code":"deserialization_failed","context":"what"}'), {
    type: 'error',
    context: 'what'
  })
})

await t.test('everything else throws a FormatError', async t => {
  const texts = [
    '',
    '{',
    'null',
    '5',
    '[]',
    '{}',
    '{"type":"constructor"}',
    '{"type":"data-message"}',
    '{"type":["ack"]}',
    event(null),
    event([]),
    event([1, 2, 3]),
    event([0, 0, vector([])]),
    event([count(0), count(0)]),
    event([count(0), count(0), vector([])]),
    event([count(0), count(0), vector([count(1), vector([])])]),
    event([count(0), count(0), vector([string('x'), string('y')])]),
    event([count(0), count(0), vector([string('x')])]),
    event([count(0), count(0), string('x')]),
    event([count(0), count(0), { '@data-type': 'vector', data: null }])
  ]
  for (const text of texts) {
    for (const decoder of ['data', 'server']) {
      t.ok(
        refusal(() => decoders[decoder]!(text)),
        `${decoder}: ${text}`
      )
    }
  }
})

await t.test('a refusal names the place', async t => {
  const good = [count(1), count(1), vector([string('x'), vector([])])]
  const places: [string, string][] = [
    ['{', 'message'],
    ['{"type":"nope"}', 'message'],
    ['[]', 'message'],
    [event(good, 5), 'topic'],
    [event(good, null), 'topic'],
    [event(null), 'data'],
    [
      event([count(1), count(1), { '@data-type': 'vector', data: [string('x'), vector([none, count(-1)])] }]),
      'data[2][1][1]'
    ],
    [event([count(1), { '@data-type': 'count' }, vector([])]), 'data[1]'],
    [event([]), 'data'],
    [event([count(1), count(1), vector([string('x'), string('y')])]), 'data'],
    [JSON.stringify({ type: 'data-message', topic: 't', ...string('x') }), 'data']
  ]
  for (const [text, place] of places) {
    t.equal(
      refusedAt(() => decoders.data!(text)),
      place,
      text
    )
  }
})

await t.test('every message of Zeek is written as Zeek wrote it, to the letter', async t => {
  const said = [...clientConversations, ...nodeConversations]
    .flatMap(({ frames }) => frames)
    .filter(({ from, frame }) => from !== 'client' && frame.type === 'data-message')
  t.ok(said.length > 20)
  for (const { frame } of said) {
    const text = JSON.stringify(frame)
    const { topic, data } = decodeData(text)
    t.equal(encodeEvent(topic, eventOf(data)), text)
  }
})

await t.test('every message of zeek-client is understood, whatever the order of its members', async t => {
  const asked = clientConversations
    .flatMap(({ frames }) => frames)
    .filter(({ from, frame }) => from === 'client' && frame.type === 'data-message')
  t.equal(asked.length, clientConversations.length)
  for (const { frame } of asked) {
    const { topic, data } = decodeData(JSON.stringify(frame))
    t.strictSame(JSON.parse(encodeEvent(topic, eventOf(data))), frame)
    t.strictSame(decodeData(JSON.stringify(Object.fromEntries(Object.entries(frame).reverse()))), { topic, data })
  }
})

await t.test("topics are read as zeek-client sends them, and refused in Zeek's words", async t => {
  for (const { frames } of [...clientConversations, ...nodeConversations]) {
    t.strictSame(decodeSubscriptions(JSON.stringify(frames[0]!.frame)), frames[0]!.frame)
  }
  t.strictSame(decodeSubscriptions('[]'), [])
  t.strictSame(decodeSubscriptions(' [ "" , "ä" ] '), ['', 'ä'])
  for (const text of ['', 'hello', '{"a":1}', 'null', '"t"', '5', '{"length":1,"0":"t"}', '[']) {
    t.equal(refusal(() => decodeSubscriptions(text))?.message, 'subscriptions not an array', text)
  }
  for (const text of ['[1,2]', '["t",null]', '[["t"]]', '[{}]']) {
    t.equal(refusal(() => decodeSubscriptions(text))?.message, 'individual subscription not a string', text)
  }
})

await t.test('what Zeek could not decode, we cannot, and the other way round', async t => {
  for (const {
    name,
    sent: [first, ...messages],
    answers
  } of exchanges) {
    if (first === undefined) continue
    const answer = JSON.parse(answers[0]!)
    // What the client is called is no matter of its messages.
    if (answer.code !== 'invalid_application_name') {
      t.equal(refusal(() => decodeSubscriptions(first))?.message, answer.context, name)
    }
    for (const [index, message] of messages.entries()) {
      t.equal(
        refusal(() => decodeData(message)) !== undefined,
        answers[index + 1]?.includes('failed to decode JSON object') === true,
        name
      )
    }
  }
})

await t.test('every answer of Zeek is understood, and ours are written like them', async t => {
  for (const answer of wholeAnswers) {
    const json = JSON.parse(answer)
    const decoded = decodeServerMessage(answer)
    if (json.type === 'ack') {
      t.strictSame(decoded, { type: 'ack' })
      t.equal(encodeAck(json.endpoint, json.version), answer)
    } else if (json.type === 'error') {
      t.strictSame(decoded, { type: 'error', context: json.context })
      t.equal(encodeError(json.code, json.context), answer)
    } else {
      t.strictSame(decoded, { type: 'data', message: decodeData(answer) })
    }
  }
  t.ok(
    wholeAnswers.some(answer => answer.endsWith(`Invalid URI - use ${messagesPath}"}`)),
    "our path is Zeek's"
  )
})

await t.test('a message without a topic has an empty one', async t => {
  t.equal(decodeData('{"type":"data-message","@data-type":"none","data":{}}').topic, '')
  t.equal(decodeData('{"type":"data-message","topic":"","@data-type":"none","data":{}}').topic, '')
})

await t.test('any event comes back from its message', async t => {
  fc.assert(
    fc.property(anyText, anyText, fc.array(anyValue, { maxLength: 3 }), (topic, name, values) => {
      const args = vector(values)
      const text = encodeEvent(topic, { name, args })
      const message = decodeData(text)
      assert.deepStrictEqual([message.topic, eventOf(message.data)], [topic, { name, args }])
      assert.deepStrictEqual(decodeServerMessage(text), { type: 'data', message })
      // No text of ours can leave its message, or its line.
      assert.doesNotMatch(text, /[\n\r]/)
    }),
    { numRuns: runs(300) }
  )
  t.pass('300 events did')
})

await t.test('any text is a message or is refused', async t => {
  const tried = { understood: 0, refused: 0 }
  const read = (text: string) => {
    for (const decoder of Object.values(decoders)) tried[refusal(() => decoder(text)) ? 'refused' : 'understood']++
  }
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"',
    ',',
    ':',
    '\\',
    '\\u',
    '-',
    '1e999',
    'null',
    '"type"',
    '"data-message"',
    '"ack"',
    '"@data-type"',
    '"vector"',
    '"data"',
    '"topic"',
    '\0',
    '\ud800',
    '\ufeff'
  )
  fc.assert(
    fc.property(
      fc.oneof(
        anyText,
        fc.array(piece).map(pieces => pieces.join('')),
        fc.json()
      ),
      read
    ),
    { numRuns: runs(500) }
  )
  // Recorded messages, with characters that are gone, doubled, or others.
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(3), fc.oneof(piece, anyText)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(fc.constantFrom(...dataMessages, ...wholeAnswers), damage, (text, changes) => {
      read(
        changes.reduce(
          (damaged, [at, length, piece]) =>
            damaged.slice(0, at % damaged.length) + piece + damaged.slice((at % damaged.length) + length),
          text
        )
      )
    }),
    { numRuns: runs(500) }
  )
  // The same with whole nodes.
  fc.assert(
    fc.property(
      fc.constantFrom(...dataMessages),
      fc.nat(),
      fc.oneof(fc.constant(undefined), fc.jsonValue()),
      (text, at, replacement) => {
        const json = JSON.parse(text)
        const changed = altered(json, at % nodesOf(json), replacement)
        if (changed !== undefined) read(JSON.stringify(changed))
      }
    ),
    { numRuns: runs(500) }
  )
  t.ok(tried.refused > 2000 && tried.understood > 20, JSON.stringify(tried))
})

await t.test('brackets without end are refused by every reader', async t => {
  for (const text of [
    '['.repeat(100_000),
    '['.repeat(100_000) + ']'.repeat(100_000),
    '{"a":'.repeat(100_000),
    '{"data":'.repeat(100_000) + '1' + '}'.repeat(100_000),
    event([0]).replace('0', '{"@data-type":"vector","data":['.repeat(100_000) + ']}'.repeat(100_000))
  ]) {
    for (const [name, decoder] of Object.entries(decoders)) {
      t.ok(
        refusal(() => decoder(text)),
        `${name}: ${text.slice(0, 70)}`
      )
    }
  }
})

await t.test('numbers of 64 bits are refused, not rounded', async t => {
  for (const number of ['9007199254740993', '18446744073709551615']) {
    t.equal(
      refusedAt(() => decodeData(event([0]).replace('[0]', `[{"@data-type":"count","data":${number}}]`))),
      'data[0]'
    )
  }
})
