import { readFileSync } from 'node:fs'
import t from 'tap'
import { count, decodeMessage, encodeEvent, string, vector } from '../../src/zeek/message.js'

interface Frame { from: 'client' | 'node', frame: any }
const conversations: { name: string, frames: Frame[] }[] = readFileSync(new URL('../fixtures/zeek/nodes.jsonl', import.meta.url), 'utf8').trim().split('\n').map(line => JSON.parse(line))
const frames = conversations.flatMap(({ frames }) => frames)

await t.test('everything that Zeek nodes were recorded to say is understood', async t => {
  const said = frames.filter(({ from }) => from === 'node').map(({ frame }) => decodeMessage(JSON.stringify(frame)))
  t.ok(said.length > 10)
  t.ok(said.some(({ type }) => type === 'ack'))
  const responses = said.flatMap(message => message.type === 'event' && message.event.name === 'Probe::id_response' ? [message.event.args] : [])
  t.same(responses[0], ['q1', 'manager', true, '"manager"'])
})

await t.test('our events are written as they were recorded', async t => {
  const { frame } = frames.find(({ from, frame }) => from === 'client' && frame.type === 'data-message')!
  t.same(JSON.parse(encodeEvent('probe/node/manager', 'Probe::id_request', [string('q1'), string('Cluster::node')])), frame)
})

await t.test('an event is read as it was written, with metadata or not', async t => {
  const text = encodeEvent('t', 'A::b', [string('ä"\n'), count(5), vector([string('x')])])
  t.same(decodeMessage(text), { type: 'event', event: { name: 'A::b', args: ['ä"\n', 5, [{ '@data-type': 'string', data: 'x' }]] } })
  const message = JSON.parse(text)
  message.data[2].data.push(vector([]))
  t.same(decodeMessage(JSON.stringify(message)), decodeMessage(text))
})

await t.test('an error is read with its text', async t => {
  t.same(decodeMessage('{"type":"error","code":"deserialization_failed","context":"what"}'), { type: 'error', context: 'what' })
})

await t.test('everything else throws a TypeError or SyntaxError', async t => {
  const event = (data: unknown) => JSON.stringify({ type: 'data-message', topic: 't', '@data-type': 'vector', data })
  const texts = ['', '{', 'null', '5', '[]', '{}', '{"type":"constructor"}', '{"type":"data-message"}', event(null), event([]), event([1, 2, 3]), event([0, 0, vector([])]), event([0, 0, vector([count(1), vector([])])]), event([0, 0, vector([string('x'), string('y')])]), event([0, 0, { '@data-type': 'vector', data: null }])]
  for (const text of texts) {
    try {
      decodeMessage(text)
      t.fail(`${text} was understood`)
    } catch (error) {
      t.ok(error instanceof TypeError || error instanceof SyntaxError, text)
    }
  }
})
