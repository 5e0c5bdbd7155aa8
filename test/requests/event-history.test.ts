import t, { type Test } from 'tap'
import type { Hub } from '../../src/events/hub.js'
import { EventHistory, type EventPageOptions } from '../../src/requests/event-history.js'
import { everything, openLog } from '../store/open.js'

const most = { lookedThrough: 10, bytes: 1000 }

async function open(t: Test) {
  const opened = await openLog(t)
  const { log, append } = opened
  const cursorOf = (seq: number) => `${log.epoch}.${seq}`
  const history = new EventHistory({ log, hub: { cursorOf } as Hub })
  const fill = async (count: number, more: (n: number) => object = () => ({})) => {
    for (let n = 1; n <= count; n++) await append(`m${n}`, { time: n, more: more(n) })
  }
  const page = (options: Partial<EventPageOptions> = {}) => {
    const { events, next } = history.page({ limit: 100, ...options }, most)
    return {
      messages: events.map((event: any) => event.message),
      next: next === undefined ? undefined : history.placeOf(next)
    }
  }
  /** Every page from the newest on. */
  const pages = (options: Partial<EventPageOptions>) => {
    const all = [page(options)]
    for (let last = all[0]!; last.next !== undefined; all.push(last)) last = page({ ...options, before: last.next })
    return all
  }
  return { ...opened, history, cursorOf, fill, page, pages }
}

await t.test('events come newest first, with cursor and time, in pages', async t => {
  const { history, cursorOf, fill, pages } = await open(t)
  await fill(5)
  const { events, next, event_cursor: cursor } = history.page({ limit: 2 }, most)
  t.same(events, [
    { type: 'notify_error', message: 'm5', cursor: cursorOf(5), time: '1970-01-01T00:00:00.005Z' },
    { type: 'notify_error', message: 'm4', cursor: cursorOf(4), time: '1970-01-01T00:00:00.004Z' }
  ])
  t.same([next, cursor], [cursorOf(4), cursorOf(5)])
  t.same(pages({ limit: 2 }), [
    { messages: ['m5', 'm4'], next: 4 },
    { messages: ['m3', 'm2'], next: 2 },
    { messages: ['m1'], next: undefined }
  ])
  t.same(pages({ limit: 5 }), [{ messages: ['m5', 'm4', 'm3', 'm2', 'm1'], next: undefined }], 'no empty page follows')
})

await t.test('a log without events, and a place before all that is kept, have an empty page', async t => {
  const { log, fill, page } = await open(t)
  t.same(page(), { messages: [], next: undefined })
  await fill(5)
  await log.prune({ ...everything, maxCount: 2 }, 0)
  t.same(page(), { messages: ['m5', 'm4'], next: undefined })
  t.same(page({ before: 3 }), { messages: [], next: undefined })
  t.same(page({ before: 99 }), { messages: ['m5', 'm4'], next: undefined })
})

await t.test('a page looks through so many events at most, whether they fit or not', async t => {
  const { fill, pages } = await open(t)
  await fill(25, n => ({ node: n === 3 || n === 14 ? 'rare' : 'other' }))
  t.same(pages({ node: 'rare' }), [
    { messages: [], next: 16 },
    { messages: ['m14'], next: 6 },
    { messages: ['m3'], next: undefined }
  ])
  t.same(pages({ node: 'nobody' }).length, 3)
})

await t.test('a page has so many bytes at most, unless its first event is larger', async t => {
  const { fill, pages } = await open(t)
  await fill(4, n => ({ filler: 'ü'.repeat(n === 2 ? 2000 : 200) }))
  t.same(pages({}), [
    { messages: ['m4', 'm3'], next: 3 },
    { messages: ['m2'], next: 2 },
    { messages: ['m1'], next: undefined }
  ])
  t.same(pages({ reqid: 'x' }), [{ messages: [], next: undefined }])
})

await t.test('those of one request are found however far back, and filtered like all', async t => {
  const { fill, pages, page } = await open(t)
  await fill(40, n => ({ reqid: n <= 3 ? 'old' : 'new', instance: n === 2 ? 'a' : 'b' }))
  t.same(pages({ reqid: 'old' }), [{ messages: ['m3', 'm2', 'm1'], next: undefined }], 'by their index')
  t.same(page({ reqid: 'old', limit: 1 }), { messages: ['m3'], next: 3 })
  t.same(page({ reqid: 'old', instance: 'a' }), { messages: ['m2'], next: undefined })
  t.same(page({ reqid: 'old', instance: 'a', types: ['notify_log'] }), { messages: [], next: undefined })
})

await t.test('what is committed but not announced is not in it', async t => {
  const { store, log, fill, page } = await open(t)
  await fill(1)
  await store.write('written', () => log.append({ type: 'notify_error', message: 'm2' }, 0, 2))
  t.same(page(), { messages: ['m1'], next: undefined })
})

await t.test('more events than are read at a time are looked through without a gap', async t => {
  const { store, log, history } = await open(t)
  await store.write('written', () => {
    for (let n = 1; n <= 1600; n++) log.append({ type: 'notify_error', message: `m${n}` }, 0, n)
  })
  log.advance(...log.unseen())
  const { events, next } = history.page({ limit: 1000, types: ['notify_error'] }, { lookedThrough: 5000, bytes: 1e9 })
  t.same(
    events.map((event: any) => event.message),
    Array.from({ length: 1000 }, (_, n) => `m${1600 - n}`)
  )
  t.equal(history.placeOf(next!), 601)
})
