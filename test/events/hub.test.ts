import fc from 'fast-check'
import t, { type Test } from 'tap'
import { AppError } from '../../src/errors.js'
import { Filter } from '../../src/events/filter.js'
import { contentOf, type Sink } from '../../src/events/sink.js'
import type { LoggedEvent } from '../../schemas/events.js'
import { ndjson } from '../../src/events/frame.js'
import { Hub, type EventSource, type HubOptions, type Start } from '../../src/events/hub.js'
import { until } from '../support/until.js'

/** A log in memory. */
function makeLog() {
  const events: LoggedEvent[] = []
  const source: EventSource & { dropped: number } = {
    epoch: 'e1',
    get head() {
      return events.at(-1)?.seq ?? 0
    },
    get earliest() {
      return events[source.dropped]?.seq ?? source.head + 1
    },
    after: (seq: number, limit: number) =>
      events
        .slice(source.dropped)
        .filter(event => event.seq > seq)
        .slice(0, limit),
    ofRequest: (reqid: string, seq: number, limit: number) =>
      source
        .after(seq, 1e9)
        .filter(event => event.reqid === reqid)
        .slice(0, limit),
    dropped: 0
  }
  const append = (more: Partial<LoggedEvent> = {}) => {
    const event = {
      seq: events.length + 1,
      time: 0,
      type: 'a',
      reqid: null,
      instance: null,
      node: null,
      body: '{"type":"a"}',
      ...more
    }
    events.push(event)
    return event
  }
  return { source, append }
}

/** A sink that takes what it is told to take. */
function makeSink(hasRoom = () => true) {
  const listeners: Record<string, (() => void)[]> = { drain: [], close: [] }
  const state = { lines: [] as any[], chunks: 0, ended: false, destroyed: false, refused: 0 }
  const sink: Sink = {
    write: chunk => {
      state.chunks++
      for (const line of String(contentOf(chunk)).split('\n').filter(Boolean)) state.lines.push(JSON.parse(line))
      return hasRoom()
    },
    end: () => {
      state.ended = true
    },
    destroy: () => {
      state.destroyed = true
    },
    on: (event, listener) => listeners[event]!.push(listener)
  }
  const emit = (event: 'drain' | 'close') => listeners[event]!.forEach(listener => listener())
  const seqs = () => state.lines.filter(({ type }) => type === 'a').map(({ cursor }) => Number(cursor.split('.')[1]))
  const types = () => state.lines.map(({ type }) => type)
  return { sink, state, emit, seqs, types }
}

function open(t: Test, options: Partial<HubOptions> = {}) {
  const { source, append } = makeLog()
  const hub = new Hub(source, { heartbeatMs: 1e6, stallMs: 1e6, ...options })
  t.teardown(() => hub.close())
  const say = (count = 1, more = {}) => hub.announce(Array.from({ length: count }, () => append(more)))
  const follow = (
    to: Sink,
    start: Partial<Start> = {},
    more: { filter?: Filter; isLast?: (event: LoggedEvent) => boolean } = {}
  ) => {
    hub.follow(to, {
      start: { seq: 0, resumed: false, ...start },
      filter: new Filter({}),
      format: ndjson,
      opening: [],
      ...more
    })
  }
  return { source, append, hub, say, follow }
}

const turns = async (count = 20) => {
  for (let n = 0; n < count; n++) await new Promise(resolve => setImmediate(resolve))
}
const upTo = (count: number, from = 1) => Array.from({ length: count - from + 1 }, (_, n) => n + from)

await t.test('a stream begins with hello, then what was, then what comes', async t => {
  const { say, follow } = open(t)
  say(3)
  const { sink, state, seqs } = makeSink()
  follow(sink, { seq: 1, resumed: true })
  t.same(state.lines[0], { type: 'hello', cursor: 'e1.1', earliest: 'e1.1', heartbeat_seconds: 1000, resumed: true })
  say(2)
  await turns()
  t.same(seqs(), [2, 3, 4, 5])
})

await t.test('a stream starts where its cursor says, or is reset and says why', async t => {
  const { source, say, hub } = open(t)
  t.same(hub.startAt('earliest'), { seq: 0, resumed: false })
  t.same(hub.startAt('latest'), { seq: 0, resumed: false })
  say(10)
  source.dropped = 4
  const cases: [string, Start][] = [
    ['latest', { seq: 10, resumed: false }],
    ['earliest', { seq: 4, resumed: false }],
    ['e1.10', { seq: 10, resumed: true }],
    ['e1.7', { seq: 7, resumed: true }],
    ['e1.4', { seq: 4, resumed: true }],
    ['e1.3', { seq: 10, resumed: false, reset: 'expired' }],
    ['e1.0', { seq: 10, resumed: false, reset: 'expired' }],
    ['e1.11', { seq: 10, resumed: false, reset: 'future' }],
    ['e2.7', { seq: 10, resumed: false, reset: 'epoch' }],
    ['', { seq: 10, resumed: false, reset: 'unknown' }],
    ['7', { seq: 10, resumed: false, reset: 'unknown' }]
  ]
  for (const [cursor, expected] of cases) t.same(hub.startAt(cursor), expected, cursor)
  source.dropped = 10
  t.same(hub.startAt('e1.10'), { seq: 10, resumed: true }, 'an empty log can be gone on from')
  t.same(hub.startAt('e1.9').reset, 'expired')
})

await t.test('a reset comes after hello and before the opening, and the stream is live', async t => {
  const { hub, say } = open(t)
  say(3)
  const { sink, state, types, seqs } = makeSink()
  hub.follow(sink, {
    start: hub.startAt('e0.1'),
    filter: new Filter({}),
    format: ndjson,
    opening: [{ type: 'snapshot-end', cursor: 'e1.3' }]
  })
  say()
  await turns()
  t.same(types(), ['hello', 'reset', 'snapshot-end', 'a'])
  t.same(state.lines[1], { type: 'reset', reason: 'epoch', earliest: 'e1.1', latest: 'e1.3' })
  t.same(seqs(), [4])
})

await t.test('a long replay while the log grows has no gap and nothing twice', async t => {
  const { append, say, follow } = open(t)
  for (let n = 0; n < 3000; n++) append()
  const { sink, seqs } = makeSink()
  follow(sink)
  for (let n = 0; n < 100; n++) {
    say(7)
    await turns(1)
  }
  await turns()
  t.same(seqs(), upTo(3700))
})

await t.test('followers whose sinks are full, drain, and close at random each get all in order', async t => {
  const act = fc.constantFrom('say', 'say', 'many', 'follow', 'turn', 'drain', 'fill', 'close')
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 60 }), fc.infiniteStream(fc.boolean()), async (acts, coin) => {
      const { append, say, follow, source, hub } = open(t)
      for (let n = 0; n < 300; n++) append()
      const followers: { start: number; closed: boolean; full: boolean; sink: ReturnType<typeof makeSink> }[] = []
      const random = () => coin.next().value as boolean
      for (const next of acts) {
        const one = followers[followers.length % 3]
        if (next === 'say') say()
        else if (next === 'many') say(300)
        else if (next === 'turn') await turns(1)
        else if (next === 'follow') {
          const follower: (typeof followers)[number] = {
            start: random() ? source.head : 0,
            closed: false,
            full: false,
            sink: makeSink((): boolean => !(follower.full = random()))
          }
          followers.push(follower)
          follow(follower.sink.sink, { seq: follower.start })
        } else if (one && next === 'drain') {
          one.full = false
          one.sink.emit('drain')
        } else if (one && next === 'close') {
          one.closed = true
          one.sink.emit('close')
        }
      }
      for (
        let n = 0;
        n < 400 && followers.some(follower => !follower.closed && follower.sink.seqs().at(-1) !== source.head);
        n++
      ) {
        for (const follower of followers) {
          if (follower.full && !follower.closed) {
            follower.full = false
            follower.sink.emit('drain')
          }
        }
        await turns(2)
        if (followers.every(follower => follower.start === source.head)) break
      }
      for (const { start, closed, sink } of followers) {
        const expected = upTo(source.head, start + 1)
        t.strictSame(sink.seqs(), closed ? expected.slice(0, sink.seqs().length) : expected)
      }
      t.equal(hub.size, followers.filter(({ closed }) => !closed).length)
    }),
    { numRuns: 40 }
  )
})

await t.test('a filtered stream gets what fits, from the log and live', async t => {
  const { append, say, follow } = open(t)
  for (let n = 0; n < 2000; n++) append({ reqid: n % 100 === 0 ? 'x' : null })
  const { sink, seqs } = makeSink()
  follow(sink, {}, { filter: new Filter({ reqid: 'x' }) })
  await turns()
  say(5)
  say(1, { reqid: 'x' })
  say(5)
  await turns()
  t.same(seqs(), [...Array.from({ length: 20 }, (_, n) => n * 100 + 1), 2006])
})

await t.test('a full sink is given nothing, however much comes, and goes on when it drains', async t => {
  const { say, follow } = open(t)
  let room = false
  const { sink, state, emit, seqs } = makeSink(() => room)
  follow(sink)
  for (let n = 0; n < 50; n++) {
    say(100)
    await turns(1)
  }
  t.equal(state.chunks, 1, 'the hello was the last that it had room for')
  room = true
  emit('drain')
  await turns(50)
  t.same(seqs(), upTo(5000))
})

await t.test('followers that stand at the same place share what is encoded', async t => {
  const { say, follow } = open(t)
  const chunks: unknown[] = []
  for (let n = 0; n < 3; n++) {
    const { sink } = makeSink()
    follow(sink)
    sink.write = chunk => chunks.push(chunk) > 0
  }
  say(2)
  await turns()
  t.equal(chunks.length, 3)
  t.equal(new Set(chunks).size, 1)
})

await t.test(
  'followers that come to the same place at different times share what was made, wherever they began',
  async t => {
    const { append, source, follow } = open(t)
    for (let n = 0; n < 2000; n++) append()
    const reads: number[] = []
    const { after } = source
    source.after = (seq, limit) => {
      reads.push(seq)
      return after(seq, limit)
    }
    const late = makeSink(() => false)
    follow(late.sink, { seq: 100 })
    const early = makeSink()
    follow(early.sink, { seq: 0 })
    await until(() => early.seqs().length === 2000, 'the first has all')
    const made = reads.length
    late.sink.write = chunk => {
      late.state.lines.push(
        ...String(contentOf(chunk))
          .split('\n')
          .filter(Boolean)
          .map(line => JSON.parse(line))
      )
      return true
    }
    late.emit('drain')
    await until(() => late.seqs().length === 1900, 'the second has all')
    t.same(late.seqs(), early.seqs().slice(100))
    t.same(
      reads.slice(made).filter(seq => seq > 256 && seq < 1744),
      [],
      'nothing is read again between the place where it began and the head'
    )
  }
)

await t.test('however many replay the log, others get their turn after some milliseconds', async t => {
  const { append, follow } = open(t)
  for (let n = 0; n < 1024; n++) append()
  let turn = 0
  let running = true
  const count = () => {
    turn++
    if (running) setImmediate(count)
  }
  setImmediate(count)
  const turns: number[] = []
  const followers = Array.from({ length: 10 }, () => makeSink())
  for (const { sink } of followers) {
    follow({
      ...sink,
      write: chunk => {
        if (turn > 0) turns.push(turn)
        // Each takes more than a share of a turn.
        for (const end = performance.now() + 3; performance.now() < end;);
        return sink.write(chunk)
      }
    })
  }
  await until(() => followers.every(({ seqs }) => seqs().length === 1024), 'all have read all of it')
  running = false
  t.equal(turns.length, 30)
  t.equal(new Set(turns).size, turns.length, 'one in each turn')
})

await t.test(
  'more followers than are served in one turn get all in order, also what comes between, and share it',
  async t => {
    const { hub, say, follow } = open(t)
    const followers = Array.from({ length: 600 }, () => ({ ...makeSink(), chunks: [] as Buffer[] }))
    for (const { sink, chunks } of followers) {
      follow(sink)
      const { write } = sink
      sink.write = chunk => {
        chunks.push(chunk)
        return write(chunk)
      }
    }
    say()
    await turns(2)
    t.same([followers[0]!.chunks.length, followers[599]!.chunks.length], [1, 0], 'some were served, not all')
    say(2)
    await turns()
    for (const { seqs } of followers) t.strictSame(seqs(), [1, 2, 3])
    t.ok(new Set(followers.flatMap(({ chunks }) => chunks)).size <= 4)
    t.equal(hub.delivered, 1800)
  }
)

await t.test('a batch is bounded in bytes, except for a longer event', async t => {
  const { say, follow } = open(t)
  const text = (length: number) => ({ body: JSON.stringify({ type: 'a', text: 'x'.repeat(length) }) })
  say(10, text(20_000))
  say(2, text(100_000))
  const { sink, state, seqs } = makeSink()
  let longest = 0
  const { write } = sink
  sink.write = chunk => {
    longest = Math.max(longest, chunk.length)
    return write(chunk)
  }
  follow(sink)
  await turns()
  t.same(seqs(), upTo(12))
  t.ok(longest < 101_000, `${longest}`)
  t.equal(state.chunks, 1 + 4 + 2)
})

await t.test('the hub tells how many have no room, and what was sent', async t => {
  const { hub, say, follow } = open(t)
  const [full, free] = [makeSink(() => false), makeSink()]
  follow(full.sink)
  follow(free.sink)
  say(3)
  await turns()
  t.same([hub.blocked, hub.delivered], [1, 3])
  const before = hub.bytes
  full.emit('drain')
  await turns()
  t.same([hub.blocked, hub.delivered], [1, 6])
  t.ok(hub.bytes > before)
})

await t.test('each stream has its heartbeat in each period, once', async t => {
  const { follow } = open(t, { heartbeatMs: 320 })
  const sinks = Array.from({ length: 40 }, () => makeSink())
  for (const { sink } of sinks) follow(sink)
  const beats = () => sinks.map(({ types }) => types().filter(type => type === 'heartbeat').length)
  await until(() => Math.max(...beats()) === 3, 'one has three')
  t.ok(Math.min(...beats()) >= 2, `${beats()}`)
})

await t.test('a heartbeat has the cursor of what was delivered, and a follower behind gets none', async t => {
  const { append, say, follow } = open(t, { heartbeatMs: 5 })
  for (let n = 0; n < 2000; n++) append()
  let drained = false
  const { sink, state, emit } = makeSink(
    () => drained || !state.lines.some(({ type, cursor }) => type === 'a' && cursor === 'e1.2003')
  )
  follow(sink)
  await until(() => state.lines.some(({ type }) => type === 'heartbeat'), 'there is a heartbeat')
  say(3)
  await until(() => state.lines.at(-1).cursor === 'e1.2003', 'the last was written')
  const before = state.chunks
  say(10)
  await new Promise(resolve => setTimeout(resolve, 30))
  t.equal(state.chunks, before)
  drained = true
  emit('drain')
  await until(
    () => state.lines.at(-1).type === 'heartbeat' && state.lines.at(-1).cursor === 'e1.2013',
    'it beats again'
  )
  let delivered = 0
  for (const { type, cursor } of state.lines) {
    if (type === 'a') delivered = Number(cursor.split('.')[1])
    if (type === 'heartbeat') t.equal(cursor, `e1.${delivered}`)
  }
})

await t.test('a heartbeat of a filtered stream goes on with the log', async t => {
  const { say, follow } = open(t, { heartbeatMs: 5 })
  const { sink, state } = makeSink()
  follow(sink, {}, { filter: new Filter({ types: ['none'] }) })
  say(9)
  await until(() => state.lines.at(-1).cursor === 'e1.9', 'its cursor has moved')
  t.equal(state.lines.at(-1).type, 'heartbeat')
})

await t.test('a sink that takes nothing for too long is destroyed, others are not', async t => {
  const { hub, follow, say } = open(t, { stallMs: 20 })
  const [stalled, good] = [makeSink(() => false), makeSink()]
  follow(stalled.sink)
  follow(good.sink)
  await until(() => stalled.state.destroyed, 'it is cut off')
  t.same([hub.stalled, hub.size, stalled.state.ended], [1, 1, false])
  say()
  await turns()
  t.same([good.seqs(), good.state.destroyed], [[1], false])
  stalled.emit('drain')
  stalled.emit('close')
  t.equal(stalled.state.chunks, 1)
})

await t.test('a closing hub says goodbye once on each stream and ends it', async t => {
  const { hub, follow, say } = open(t)
  const sinks = [makeSink(), makeSink(() => false)]
  for (const { sink } of sinks) follow(sink)
  t.equal(hub.size, 2)
  say(3)
  hub.close()
  await turns()
  for (const { state } of sinks) {
    t.same(state.lines.at(-1), { type: 'goodbye', reason: 'shutdown', reconnect: true })
    t.ok(state.ended)
  }
  t.equal(hub.size, 0)
})

await t.test('a stream ends after its last event, replayed or live, and nothing follows', async t => {
  const { hub, follow, say } = open(t)
  const isLast = ({ seq }: LoggedEvent) => seq === 3
  const live = makeSink()
  follow(live.sink, {}, { isLast })
  say(5)
  await turns()
  const replayed = makeSink()
  follow(replayed.sink, {}, { isLast })
  for (const { types, seqs, state } of [live, replayed]) {
    t.same(seqs(), [1, 2, 3])
    t.same([types().at(-1), state.lines.at(-1).reconnect, state.ended], ['goodbye', false, true])
  }
  t.equal(hub.size, 0)
})

await t.test('an event that does not pass the filter does not end a stream', async t => {
  const { follow, say } = open(t)
  const { sink, state } = makeSink()
  follow(sink, {}, { isLast: () => true, filter: new Filter({ node: 'x' }) })
  say(3)
  await turns()
  t.notOk(state.ended)
})

await t.test('a stream whose log cannot be read ends without a goodbye, and the others go on', async t => {
  const { source, hub, follow, say } = open(t)
  say(2000)
  await turns()
  const [near, far] = [makeSink(), makeSink()]
  follow(near.sink, { seq: 2000 })
  source.after = () => {
    throw new AppError('unavailable', 'the disk is broken')
  }
  follow(far.sink, { seq: 0 })
  say(1)
  await turns()
  t.same([hub.size, far.state.destroyed, far.types()], [1, true, ['hello']])
  t.same(near.seqs(), [2001])
})
