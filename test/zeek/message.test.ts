import { readFileSync } from 'node:fs'
import t from 'tap'
import { decodeData, decodeServerMessage, encodeEvent, eventOf } from '../../src/zeek/message.js'
import { count, FormatError, string, vector } from '../../src/zeek/value.js'

interface Frame { from: 'client' | 'node', frame: any }
const conversations: { name: string, frames: Frame[] }[] = readFileSync(new URL('../fixtures/zeek/nodes.jsonl', import.meta.url), 'utf8').trim().split('\n').map(line => JSON.parse(line))
const frames = conversations.flatMap(({ frames }) => frames)

await t.test('everything that Zeek nodes were recorded to say is understood', async t => {
  const said = frames.filter(({ from }) => from === 'node').map(({ frame }) => decodeServerMessage(JSON.stringify(frame)))
  t.ok(said.length > 10)
  t.ok(said.some(({ type }) => type === 'ack'))
  const events = said.flatMap(message => message.type === 'data' ? [eventOf(message.message.data)] : [])
  const response = events.find(({ name }) => name === 'Probe::id_response')
  t.same(response?.args, vector([string('q1'), string('manager'), { '@data-type': 'boolean', data: true }, string('"manager"')]))
})

await t.test('our events are written as they were recorded', async t => {
  const { frame } = frames.find(({ from, frame }) => from === 'client' && frame.type === 'data-message')!
  t.same(JSON.parse(encodeEvent('probe/node/manager', { name: 'Probe::id_request', args: vector([string('q1'), string('Cluster::node')]) })), frame)
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
  t.same(decodeServerMessage('{"type":"error","code":"deserialization_failed","context":"what"}'), { type: 'error', context: 'what' })
})

await t.test('everything else throws a FormatError', async t => {
  const event = (data: unknown) => JSON.stringify({ type: 'data-message', topic: 't', '@data-type': 'vector', data })
  const texts = ['', '{', 'null', '5', '[]', '{}', '{"type":"constructor"}', '{"type":"data-message"}', event(null), event([]), event([1, 2, 3]), event([0, 0, vector([])]), event([count(0), count(0)]), event([count(0), count(0), vector([])]), event([count(0), count(0), vector([count(1), vector([])])]), event([count(0), count(0), vector([string('x'), string('y')])]), event([count(0), count(0), { '@data-type': 'vector', data: null }])]
  for (const text of texts) {
    try {
      const message = decodeServerMessage(text)
      if (message.type === 'data') eventOf(message.message.data)
      t.fail(`${text} was understood`)
    } catch (error) {
      t.ok(error instanceof FormatError, text)
    }
  }
})
