import t from 'tap'
import type { Outcome } from '../../schemas/types.js'
import { openRequests } from '../support/requests.js'
import { until } from '../support/until.js'

const options = { timeoutMs: 20_000 }
const answer = (error?: string) => ({
  now: () => ({ results: [{ success: error === undefined, error }] as Outcome[] })
})

/** Requests, and how many rows hold those that were answered at once. */
async function open(...args: Parameters<typeof openRequests>) {
  const opened = await openRequests(...args)
  const rows = () => Number(opened.store.get('SELECT count(*) AS count FROM reads')!.count)
  return { ...opened, rows }
}

await t.test('reads of one turn are written together, each with its two events, in their order', async t => {
  const { requests, rows, log, eventsOf } = await open(t)
  const started = await Promise.all(
    ['one', 'two', 'three'].map(error => requests.start('get_instances', {}, options, answer(error)))
  )
  t.equal(rows(), 1)
  const reqids = started.map(({ request }) => request.reqid)
  t.same(
    log.after(0, 100).map(({ type, reqid }) => `${type} ${reqid}`),
    reqids.flatMap(reqid => [`get_instances_request ${reqid}`, `get_instances_response ${reqid}`])
  )
  for (const [n, { request, replayed }] of started.entries()) {
    t.match(
      { replayed, request },
      { replayed: false, request: { state: 'pending', event_cursor: `${log.epoch}.${2 * n}` } }
    )
    t.equal(eventsOf(request.reqid).length, 2)
  }
  t.same(
    requests.list({ limit: 10 }).requests.map(({ reqid }) => reqid),
    reqids.toReversed()
  )
  t.equal(requests.pending, 0)
})

await t.test('who is answered before may be written down later, with others; however many, each is', async t => {
  const { requests, rows, log } = await open(t)
  const answered: string[] = []
  const starting = Array.from({ length: 300 }, (_, n) =>
    requests.start('get_instances', {}, { ...options, onAnswer: () => answered.push(`${n}`) }, answer())
  )
  t.equal(answered.length, 300)
  t.same([log.head, rows()], [0, 0])
  const started = await Promise.all(starting)
  t.ok(rows() > 1 && rows() < 10, `in ${rows()} rows`)
  const responses = log.after(0, 1e6).filter(({ type }) => type === 'get_instances_response')
  t.same(
    responses.map(({ reqid }) => reqid),
    started.map(({ request }) => request.reqid)
  )
})

await t.test('a row does not grow without end', async t => {
  const { requests, rows } = await open(t)
  await Promise.all(
    Array.from({ length: 4 }, () => requests.start('get_instances', {}, options, answer('x'.repeat(300_000))))
  )
  t.equal(rows(), 4)
})

await t.test('what changes something, needs more than a look, or has a key, is written down by itself', async t => {
  const { requests, rows } = await open(t)
  await requests.start('stage_configuration', {}, options, answer('no'))
  await requests.start('get_configuration', {}, options, answer('no'))
  await requests.start('get_instances', {}, { ...options, idempotency: { key: 'k', fingerprint: 'f' } }, answer())
  t.equal(rows(), 0)
  t.equal(requests.list({ limit: 10 }).requests.length, 3)
})

await t.test('reads that cannot be written are refused; those after them are written', async t => {
  const { requests, store, rows } = await open(t)
  store.get('PRAGMA query_only = ON')
  const refused = [1, 2].map(() => requests.start('get_instances', {}, options, answer()))
  for (const one of refused) await t.rejects(one, { code: 'unavailable' })
  await t.rejects(requests.start('get_instances', {}, options, answer()), { code: 'unavailable' })
  store.get('PRAGMA query_only = OFF')
  await until(() => store.failure === undefined, 'it works again')
  await requests.start('get_instances', {}, options, answer())
  t.same([rows(), requests.pending, requests.list({ limit: 10 }).requests.length], [1, 0, 1])
})

await t.test('nobody is answered before it is written down while the store fails', async t => {
  const { requests, store } = await open(t)
  store.get('PRAGMA query_only = ON')
  await t.rejects(requests.start('restart', {}, options, answer()))
  t.ok(store.failure)
  const onAnswer = () => t.fail('it was answered')
  await t.rejects(requests.start('get_instances', {}, { ...options, onAnswer }, answer()), { code: 'unavailable' })
  store.get('PRAGMA query_only = OFF')
})

await t.test('one read too many is refused', async t => {
  const { requests, rows } = await open(t, { pendingMax: 1 })
  const both = await Promise.allSettled([1, 2].map(() => requests.start('get_instances', {}, options, answer())))
  t.match(both, [{ status: 'fulfilled' }, { status: 'rejected', reason: { code: 'unavailable' } }])
  t.same([rows(), requests.refused], [1, 1])
})
