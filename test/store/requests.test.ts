import t, { type Test } from 'tap'
import { RequestTable, type NewRequest, type RequestEnd } from '../../src/store/requests.js'
import { openStore } from './open.js'

function open(t: Test) {
  const { store } = openStore(t)
  const table = new RequestTable(store)
  let inserted = 0
  const insert = (reqid: string, more: Partial<NewRequest> = {}, end?: RequestEnd) =>
    store.write('written', () => {
      table.insert(
        {
          reqid,
          type: 'restart',
          arguments: { nodes: ['a'] },
          created: 1000,
          expires: 2000,
          event_seq: 2 * inserted++,
          transient: false,
          ...more
        },
        end
      )
    })
  const finish = (reqid: string, now = 1500) =>
    store.write('written', () =>
      table.finish(reqid, { state: 'succeeded', results: [], warnings: ['careful'], finished: now })
    )
  const reqids = (filter = {}) => table.list({ limit: 100, ...filter }).map(({ reqid }) => reqid)
  return { store, table, insert, finish, reqids }
}

await t.test('a request is kept as it was given, and then with its end and its results in order', async t => {
  const { store, table, insert } = open(t)
  await insert('x')
  t.same(table.get('x'), {
    reqid: 'x',
    type: 'restart',
    state: 'pending',
    arguments: { nodes: ['a'] },
    results: [],
    warnings: [],
    created_at: '1970-01-01T00:00:01.000Z',
    expires_at: '1970-01-01T00:00:02.000Z',
    event_seq: 0
  })
  t.ok(table.isPending('x'))
  const results = ['a', 'b', 'c'].map(node => ({ reqid: 'x', success: true, node }))
  await store.write('written', () => {
    table.addResults('x', results.slice(0, 1))
    table.addResults('x', results.slice(1))
  })
  const last = { reqid: 'x', success: false, error: 'late' }
  await store.write('written', () =>
    table.finish('x', { state: 'partial', results: [last], warnings: ['careful'], finished: 1500 })
  )
  t.match(table.get('x'), {
    state: 'partial',
    results: [...results, last],
    warnings: ['careful'],
    finished_at: '1970-01-01T00:00:01.500Z'
  })
  t.notOk(table.isPending('x'))
})

await t.test('a request that ends as it starts is kept as one that ended later', async t => {
  const { store, table, insert, reqids } = open(t)
  const end = {
    state: 'succeeded' as const,
    results: [{ reqid: 'x', success: true }],
    warnings: ['odd'],
    finished: 1000
  }
  await insert('x', {}, end)
  await insert('y')
  await store.write('written', () => table.finish('y', end))
  const { event_seq: _x, reqid: _xid, ...x } = table.get('x')!
  const { event_seq: _y, reqid: _yid, ...y } = table.get('y')!
  t.same(x, y)
  t.match(x, { state: 'succeeded', results: end.results, warnings: ['odd'] })
  t.same(reqids({ state: 'pending' }), [])
})

await t.test('the first end stands', async t => {
  const { store, table, insert, finish } = open(t)
  await insert('x')
  await finish('x', 1500)
  await store.write('written', () =>
    table.finish('x', { state: 'failed', results: [{ reqid: 'x', success: false }], warnings: [], finished: 9000 })
  )
  t.match(table.get('x'), { state: 'succeeded', results: [], finished_at: '1970-01-01T00:00:01.500Z' })
})

await t.test('what is not there is not there', async t => {
  const { store, table, finish } = open(t)
  t.equal(table.get('x'), undefined)
  t.notOk(table.isPending('x'))
  t.equal(table.byIdempotencyKey('x'), undefined)
  await finish('x')
  await store.write('written', () => table.addResults('x', [{ reqid: 'x', success: true }]))
  t.same(table.list({ limit: 10 }), [])
})

await t.test('the list is newest first, by type and state, and in pages', async t => {
  const { table, insert, finish, reqids } = open(t)
  for (const reqid of ['a', 'b', 'c', 'd']) await insert(reqid, { type: reqid < 'c' ? 'deploy' : 'restart' })
  await finish('a')
  await finish('d')
  t.same(reqids(), ['d', 'c', 'b', 'a'])
  t.same(reqids({ type: 'deploy' }), ['b', 'a'])
  t.same(reqids({ state: 'pending' }), ['c', 'b'])
  t.same(reqids({ type: 'restart', state: 'succeeded' }), ['d'])
  t.same(reqids({ type: 'nothing' }), [])
  const page = table.list({ limit: 3 })
  t.same(
    page.map(({ reqid }) => reqid),
    ['d', 'c', 'b']
  )
  t.same(reqids({ before: page.at(-1)!.event_seq, limit: 3 }), ['a'])
  t.same(reqids({ before: page.at(-1)!.event_seq, type: 'restart' }), [])
  t.same(reqids({ before: 0 }), [])
})

await t.test('a key is used once, and none any number of times', async t => {
  const { table, insert } = open(t)
  await insert('a', { idempotency: { key: 'k', fingerprint: 'f' } })
  await insert('b')
  await insert('c')
  t.same({ ...table.byIdempotencyKey('k') }, { reqid: 'a', fingerprint: 'f' })
  await t.rejects(insert('d', { idempotency: { key: 'k', fingerprint: 'g' } }))
  await t.rejects(insert('a'))
  t.equal(table.get('d'), undefined)
})

await t.test('the oldest finished ones go, what is pending stays, and results go along', async t => {
  const { store, table, insert, finish, reqids } = open(t)
  for (const reqid of ['a', 'b', 'c', 'd']) {
    await insert(reqid)
    await store.write('written', () => table.addResults(reqid, [{ reqid, success: true }]))
  }
  for (const reqid of ['a', 'c', 'd']) await finish(reqid)
  await store.write('written', () => table.prune({ maxCount: 1, maxTransientCount: 100, before: 0, beforeEvent: 0 }))
  t.same(reqids(), ['d', 'b'])
  t.equal(store.get('SELECT count(*) AS count FROM results')?.count, 2)
})

await t.test('requests that only read have a count of their own', async t => {
  const { store, table, insert, finish, reqids } = open(t)
  for (const reqid of ['r1', 'k1', 'r2', 'k2', 'r3', 'k3']) {
    await insert(reqid, { transient: reqid.startsWith('r') })
    await finish(reqid)
  }
  await store.write('written', () => table.prune({ maxCount: 2, maxTransientCount: 1, before: 0, beforeEvent: 0 }))
  t.same(reqids(), ['k3', 'r3', 'k2'])
  await store.write('written', () => table.prune({ maxCount: 100, maxTransientCount: 0, before: 0, beforeEvent: 0 }))
  t.same(reqids(), ['k3', 'k2'])
})

await t.test('what ended before a time goes, and not what ended then', async t => {
  const { store, table, insert, finish, reqids } = open(t)
  for (const [reqid, now] of [
    ['a', 100],
    ['b', 200],
    ['c', 300]
  ] as const) {
    await insert(reqid)
    await finish(reqid, now)
  }
  await insert('d', { created: 1 })
  await store.write('written', () =>
    table.prune({ maxCount: 100, maxTransientCount: 100, before: 200, beforeEvent: 0 })
  )
  t.same(reqids(), ['d', 'c', 'b'])
})

await t.test('however many there are too many of, they go in steps until there are none', async t => {
  const { store, table, reqids } = open(t)
  await store.write('written', () => {
    for (let n = 0; n < 1200; n++) {
      table.insert(
        {
          reqid: `r${n}`,
          type: 'get_nodes',
          arguments: {},
          created: 1,
          expires: 2,
          event_seq: 0,
          transient: n % 2 === 0
        },
        { state: 'succeeded', results: [], warnings: [], finished: n }
      )
    }
  })
  const prune = (maxCount: number, before: number) =>
    store.write('written', () => table.prune({ maxCount, maxTransientCount: 1, before, beforeEvent: 0 }))
  t.ok(await prune(2, 0), 'there are more')
  while (await prune(2, 0));
  t.same(reqids(), ['r1199', 'r1198', 'r1197'])
  t.notOk(await prune(2, 1199))
  t.same(reqids(), ['r1199'])
})

await t.test('a read goes with its events, and nothing else does', async t => {
  const { store, table, reqids } = open(t)
  const end = { state: 'succeeded' as const, results: [], warnings: [], finished: 5 }
  await store.write('written', () => {
    for (const [reqid, seq, transient] of [
      ['read-1', 0, true],
      ['change', 2, false],
      ['read-2', 4, true],
      ['read-3', 6, true]
    ] as const) {
      table.insert({ reqid, type: 'get_nodes', arguments: {}, created: 1, expires: 2, event_seq: seq, transient }, end)
    }
  })
  await store.write('written', () => table.prune({ maxCount: 100, maxTransientCount: 100, before: 0, beforeEvent: 5 }))
  t.same(reqids(), ['read-3', 'read-2', 'change'])
})
