import { EventEmitter } from 'node:events'
import t from 'tap'
import { Subscriber, type SubscriberOptions } from '../../../src/zeek/websocket/subscriber.js'
import { FormatError } from '../../../src/zeek/websocket/value.js'
import { requestFrame } from '../../support/zeek-websocket.js'

/** What a subscriber sees of a socket. What is sent is on its way until the test says that it is there. */
class FakeSocket extends EventEmitter {
  readyState = 1
  bufferedAmount = 0
  sent: any[] = []
  closed: [number, string] | undefined
  isTerminated = false
  #arrived: (() => void)[] = []

  send(text: string, onSent?: () => void): void {
    this.sent.push(JSON.parse(text))
    this.bufferedAmount += text.length
    if (onSent) this.#arrived.push(onSent)
  }

  arrive(): void {
    this.bufferedAmount = 0
    for (const arrived of this.#arrived.splice(0)) arrived()
  }

  close(code: number, reason: string): void {
    this.closed = [code, reason]
    this.readyState = 2
  }

  terminate(): void {
    this.isTerminated = true
  }
  says(...texts: (string | Buffer)[]): void {
    for (const text of texts) this.emit('message', Buffer.from(text))
  }
}

function make(options: Partial<SubscriberOptions> = {}) {
  const socket = new FakeSocket()
  const reasons: string[] = []
  const events: [string, string][] = []
  const subscriber = new Subscriber(socket as any, { cork: () => {}, uncork: () => {} } as any, {
    id: 'me',
    owner: undefined,
    version: '1',
    unansweredMax: 10,
    backlogMax: 10_000,
    handshakeMs: 600_000,
    idleMs: 0,
    pingMs: 600_000,
    onCutOff: reason => reasons.push(reason),
    ...options,
    onEvent: (topic, event, from) => {
      events.push([topic, event.name])
      return options.onEvent?.(topic, event, from)
    }
  })
  return { socket, reasons, events, subscriber }
}

const error = (context: string) => ({ type: 'error', code: 'deserialization_failed', context })
const ack = { type: 'ack', endpoint: 'me', version: '1' }
const valid = requestFrame('x', 'r', [], 'a/b')

await t.test(
  'the first message that is an array of strings subscribes; those before are told what is wrong',
  async t => {
    const { socket, subscriber } = make()
    socket.says(
      '',
      'null',
      '"a"',
      '["a",1]',
      '[["a"]]',
      '[null]',
      Buffer.from([0x5b, 0xff, 0x5d]),
      valid,
      JSON.stringify(Array(101).fill('a'))
    )
    const notArray = error('subscriptions not an array')
    const notString = error('individual subscription not a string')
    t.same(socket.sent, [
      notArray,
      notArray,
      notArray,
      notString,
      notString,
      notString,
      notArray,
      notArray,
      error('more than 100 subscriptions')
    ])
    t.notOk(subscriber.isSubscribedTo('a'))
    socket.says(JSON.stringify(Array(100).fill('a')))
    t.same(socket.sent.at(-1), ack)
    t.ok(subscriber.isSubscribedTo('ab'))
  }
)

await t.test('a second array is no subscription, but no event', async t => {
  const { socket, subscriber } = make()
  socket.says('["a"]', '["b"]')
  t.same(socket.sent, [ack, error('failed to decode JSON object')])
  t.notOk(subscriber.isSubscribedTo('b'))
})

await t.test('a subscription is to what begins with it', async t => {
  const { socket, subscriber } = make()
  t.notOk(subscriber.isSubscribedTo(''))
  socket.says('["a/b","c"]')
  t.same(
    ['a/b', 'a/bc', 'a/b/c', 'c', 'a/', 'xa/b', 'C', ''].filter(topic => subscriber.isSubscribedTo(topic)),
    ['a/b', 'a/bc', 'a/b/c', 'c']
  )
})

await t.test('an event without a topic is told so, before it is looked at', async t => {
  const { socket, events } = make()
  socket.says(
    '["a"]',
    valid.replace('"topic":"a/b",', ''),
    valid.replace('"a/b"', '""'),
    valid.replace('"a/b"', '5'),
    valid
  )
  t.same(socket.sent.slice(1), [
    error('no topic in top-level JSON object'),
    error('no topic in top-level JSON object'),
    error('failed to decode JSON object')
  ])
  t.same(events, [['a/b', 'Management::Controller::API::x_request']])
})

await t.test('an event that cannot be understood is told so, and counts as answered', async t => {
  const { socket, reasons } = make({
    unansweredMax: 1,
    onEvent: () => {
      throw new FormatError('x', 'is none')
    }
  })
  socket.says('["a"]')
  socket.arrive()
  for (let n = 0; n < 5; n++) {
    socket.says(valid)
    t.same(socket.sent.at(-1), error('failed to create Zeek event'))
    socket.arrive()
  }
  t.same(reasons, [])
})

await t.test('an answer counts once it has gone out, an event once it is served', async t => {
  let serve = () => {}
  const { socket, reasons } = make({
    unansweredMax: 2,
    onEvent: () =>
      new Promise(resolve => {
        serve = resolve
      })
  })
  socket.says('["a"]', valid)
  socket.arrive()
  socket.says('junk')
  serve()
  await new Promise(resolve => setImmediate(resolve))
  socket.says('junk')
  t.same(reasons, [])
  socket.says('junk')
  t.same(reasons, ['more than 2 messages wait for their answer'])
  t.same(socket.closed, [1008, reasons[0]])
  t.equal(socket.sent.length, 3)
})

await t.test('an event that is served at once is no flood, however often it comes', async t => {
  const { socket, reasons, events } = make({ unansweredMax: 1 })
  socket.says('["a"]')
  socket.arrive()
  for (let n = 0; n < 100; n++) socket.says(valid)
  t.equal(events.length, 100)
  t.same(reasons, [])
})

await t.test('who does not read is cut off, once, with the number of bytes, and hears no more', async t => {
  const { socket, reasons, subscriber } = make({ backlogMax: 50 })
  for (let n = 0; n < 6; n++) subscriber.send(JSON.stringify('x'.repeat(23)))
  t.same(reasons.length, 1)
  t.match(reasons[0], /^it does not read: \d+ bytes are waiting$/)
  const sent = socket.sent.length
  // One message beyond the limit, at the most.
  t.ok(sent <= 3, `${sent}`)
  subscriber.send('2')
  socket.says('["a"]')
  socket.emit('error', new Error('write EPIPE'))
  t.same([reasons.length, socket.sent.length], [1, sent])
  t.notOk(subscriber.isSubscribedTo('a'))
})

await t.test('who reads may be sent any number of bytes', async t => {
  const { socket, reasons, subscriber } = make({ backlogMax: 50 })
  for (let n = 0; n < 10; n++) {
    subscriber.send(JSON.stringify('x'.repeat(48)))
    socket.arrive()
  }
  t.same(reasons, [])
})

await t.test('a reason always fits into a close frame', async t => {
  const { socket, subscriber } = make({ unansweredMax: Number.MAX_SAFE_INTEGER, backlogMax: 1 })
  socket.bufferedAmount = Number.MAX_SAFE_INTEGER - 1e6
  for (let n = 0; n < 2; n++) subscriber.send('1')
  t.ok(Buffer.byteLength(socket.closed![1]) <= 123)
})

await t.test('a socket that fails is told of, and nothing of it is served', async t => {
  const { socket, reasons, events } = make()
  socket.says('["a"]')
  socket.emit('error', new RangeError('Max payload size exceeded'))
  socket.says(valid)
  t.same([reasons, events], [['Max payload size exceeded'], []])
})
