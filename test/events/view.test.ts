import t from 'tap'
import type { LoggedEvent } from '../../schemas/events.js'
import { Filter, type Lens } from '../../src/events/filter.js'
import { ndjson } from '../../src/events/frame.js'
import { View } from '../../src/events/view.js'

const events: LoggedEvent[] = ['a', 'b', 'c'].map((instance, n) => ({
  seq: n + 1,
  time: 0,
  type: 'notify_change',
  reqid: null,
  instance,
  node: null,
  body: JSON.stringify({ instance })
}))

/** A view through a lens that lets some instances through, for two followers. */
function start(seen: Set<string>) {
  const state = { basis: {}, reads: 0 }
  const lens: Lens = {
    key: 'x',
    get basis() {
      return state.basis
    },
    see: event => (seen.has(event.instance!) ? { ...event, body: event.body.replace('}', ',"seen":1}') } : undefined)
  }
  const view = new View({
    filter: new Filter({}, lens),
    format: ndjson,
    read: seq => {
      state.reads++
      return { events: events.slice(seq, 2), upTo: 2, isHead: false, isGap: false }
    },
    cursorOf: seq => `e.${seq}`,
    onShared: () => {}
  })
  view.followers = 2
  return { view, state, texts: () => String(view.after(0).chunk ?? '').match(/"instance":"\w","seen":1/g) ?? [] }
}

await t.test('what is not seen is passed over, and counted as neither sent nor missing', async t => {
  const { view } = start(new Set(['b']))
  t.match(view.after(0), { upTo: 2, count: 1, isLast: false })
  t.match(start(new Set()).view.after(0), { upTo: 2, count: 0, chunk: undefined })
})

await t.test(
  'what is seen is encoded once for all who see the same, and anew when they see something else',
  async t => {
    const seen = new Set(['a'])
    const { view, state, texts } = start(seen)
    t.same([texts(), texts()], [['"instance":"a","seen":1'], ['"instance":"a","seen":1']])
    t.equal(state.reads, 1)
    seen.delete('a')
    seen.add('b')
    state.basis = {}
    t.same(texts(), ['"instance":"b","seen":1'], 'at once')
    t.equal(state.reads, 2)
    view.tidy()
    t.same(texts(), ['"instance":"b","seen":1'])
  }
)

await t.test('a stream ends with its last event, whether that is seen or not', async t => {
  const lens: Lens = { key: 'x', basis: 1, see: () => undefined }
  const view = new View({
    filter: new Filter({}, lens),
    format: ndjson,
    isLast: ({ instance }) => instance === 'b',
    read: () => ({ events, upTo: 3, isHead: true, isGap: false }),
    cursorOf: seq => `e.${seq}`,
    onShared: () => {}
  })
  t.match(view.after(0), { count: 0, isLast: true })
})
