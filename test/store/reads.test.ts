import t, { type Test } from 'tap'
import type { RequestType } from '../../schemas/api.js'
import { EventLog } from '../../src/store/events.js'
import type { Read } from '../../src/store/reads.js'
import { RequestTable } from '../../src/store/requests.js'
import { everything, openLog, statementsOf } from './open.js'

const readOf = (reqid: string, more: Partial<Read> = {}): Read => ({
  reqid,
  type: 'get_nodes',
  state: 'succeeded',
  success: true,
  arguments: {},
  results: [{ reqid, success: true, data: { nodes: [] } }],
  warnings: [],
  created_at: '2026-01-01T00:00:00.000Z',
  finished_at: '2026-01-01T00:00:00.001Z',
  expires_at: '2026-01-01T00:00:20.000Z',
  ...more
})

const headOf = ({ seq, type, reqid }: { seq: number; type: string; reqid: string | null }) => ({ seq, type, reqid })

/** A log, and a way to write reads together. */
async function open(t: Test, directory?: string) {
  const opened = await openLog(t, directory)
  const { store, log } = opened
  const table = new RequestTable(store)
  const read = async (reads: readonly (Read | string)[], time = 1000) => {
    const all = reads.map(one => (typeof one === 'string' ? readOf(one) : one))
    const { events, places } = await store.write('written', () =>
      log.appendReads({ reads: all, lines: all.map(one => JSON.stringify(one)) }, time)
    )
    log.advance(...events)
    return places
  }
  const told = (events = log.after(0, 1e6)) => events.map(({ seq, type, reqid }) => `${seq} ${type} ${reqid}`)
  return { ...opened, table, read, told }
}

await t.test('reads have two events each, numbered among all others', async t => {
  const { read, append, told, log } = await open(t)
  t.same(await read(['a']), [0])
  await append('one')
  t.same(await read(['c', 'b']), [3, 5])
  await append('two')
  t.same(told(), [
    '1 get_nodes_request a',
    '2 get_nodes_response a',
    '3 notify_error null',
    '4 get_nodes_request c',
    '5 get_nodes_response c',
    '6 get_nodes_request b',
    '7 get_nodes_response b',
    '8 notify_error null'
  ])
  const [first, second] = log.after(3, 2).map(({ body }) => JSON.parse(body))
  t.same(first, { type: 'get_nodes_request', reqid: 'c', arguments: {}, expires_at: '2026-01-01T00:00:20.000Z' })
  const { results } = readOf('c')
  t.same(second, { type: 'get_nodes_response', reqid: 'c', state: 'succeeded', success: true, results, warnings: [] })
  t.match(log.after(3, 1), [{ seq: 4, time: 1000, instance: null, node: null, transient: 1 }])
})

await t.test('whatever part of the log is read, it is the same log', async t => {
  const { read, append, log, store } = await open(t)
  for (let n = 0; n < 30; n++) {
    if (n % 3 === 0) await append(`${n}`, { more: { reqid: `other-${n}` } })
    else await read(Array.from({ length: (n % 5) + 1 }, (_, i) => `${String(n).padStart(2, '0')}-${i}`))
  }
  const all = log.after(0, 1e6).map(event => ({ ...headOf(event), body: event.body }))
  t.same(
    all.map(({ seq }) => seq),
    Array.from({ length: log.head }, (_, n) => n + 1)
  )
  for (let seq = 0; seq <= log.head; seq += 3) {
    for (const limit of [1, 2, 7, 1000]) {
      t.same(log.after(seq, limit).map(headOf), all.slice(seq, seq + limit).map(headOf), `${limit} after ${seq}`)
      t.same(
        log.headsBefore(seq + 1, limit).map(headOf),
        all.slice(0, seq).reverse().slice(0, limit).map(headOf),
        `${limit} before ${seq + 1}`
      )
    }
  }
  for (const { seq, body } of all) t.equal(log.get(seq)?.body, body, `event ${seq}`)
  t.equal(log.get(log.head + 1), undefined)
  for (const reqid of new Set(all.map(event => event.reqid!))) {
    const own = all.filter(event => event.reqid === reqid)
    t.same(log.ofRequest(reqid, 0, 10).map(headOf), own.map(headOf), reqid)
    t.same(log.ofRequest(reqid, own[0]!.seq, 10).map(headOf), own.slice(1).map(headOf))
    t.same(log.headsBefore(1e9, 10, reqid).map(headOf), own.map(headOf).reverse())
    t.equal(log.lastOf(reqid)?.seq, own.at(-1)!.seq)
  }
  // Another process sees what this one has written.
  const other = new EventLog(store)
  t.same([other.head, other.kept], [log.head, log.kept])
})

await t.test(
  'what is committed but not announced is not read yet, and what another process has written is',
  async t => {
    const { store, log, told } = await open(t)
    const { events } = await store.write('written', () =>
      log.appendReads({ reads: [readOf('a')], lines: [JSON.stringify(readOf('a'))] }, 1)
    )
    t.same(
      [log.head, told(), log.ofRequest('a', 0, 9), log.lastOf('a'), log.headsBefore(9, 9, 'a')],
      [0, [], [], undefined, []]
    )
    t.same(told(log.unseen()), ['1 get_nodes_request a', '2 get_nodes_response a'])
    log.advance(...events)
    t.same([log.head, log.unseen()], [2, []])
  }
)

await t.test('a read that is undone gives its numbers to the next', async t => {
  const { store, log, read, append } = await open(t)
  await append('one')
  await t.rejects(
    store.write('written', () => {
      log.appendReads({ reads: [readOf('a')], lines: [JSON.stringify(readOf('a'))] }, 1)
      throw new Error('no')
    })
  )
  t.same(await read(['b']), [1])
  t.equal((await append('two')).seq, 4)
})

await t.test('after a start, numbers go on, and the log is the same', async t => {
  const first = await open(t)
  await first.read(['a', 'b'])
  const { epoch } = first.log
  first.close()
  const second = await open(t, first.directory)
  t.same([second.log.epoch, second.log.head, second.log.kept], [epoch, 4, first.log.kept])
  t.same(await second.read(['c']), [4])
})

await t.test('reads are requests of the history, among the others, by type and state, and in pages', async t => {
  const { store, log, table, read } = await open(t)
  const change = (reqid: string) =>
    store.write('written', () => {
      const event = log.append({ type: 'restart_request', reqid, arguments: {}, expires_at: '' }, 0, 1)
      const row = { reqid, type: 'restart', arguments: {}, created: 1, expires: 2, event_seq: event.seq - 1 } as const
      table.insert({ ...row, transient: false })
      return event
    })
  const failed = { state: 'failed', success: false } as const
  await read(['a1', readOf('a2', { type: 'get_instances' }), readOf('a3', failed)])
  log.advance(await change('b'))
  await read(['c1', 'c2'])
  await read([readOf('d', failed)])
  log.advance(await change('e'))
  const reqids = (filter: { type?: RequestType; state?: string; limit?: number; before?: number } = {}) =>
    table.list({ limit: 100, ...filter }).map(({ reqid }) => reqid)
  const all = ['e', 'd', 'c2', 'c1', 'b', 'a3', 'a2', 'a1']
  t.same(reqids(), all)
  t.same(reqids({ type: 'get_instances' }), ['a2'])
  t.same(reqids({ type: 'restart' }), ['e', 'b'])
  t.same(reqids({ state: 'failed' }), ['d', 'a3'])
  t.same(reqids({ state: 'pending' }), ['e', 'b'])
  t.same(reqids({ state: 'failed', type: 'get_instances' }), [])
  for (const limit of [1, 2, 3, 5]) {
    const paged: string[] = []
    let before: number | undefined
    for (let page = table.list({ limit }); page.length > 0; page = table.list({ limit, before })) {
      t.ok(page.length <= limit)
      paged.push(...page.map(({ reqid }) => reqid))
      before = page.at(-1)!.event_seq
    }
    t.same(paged, all, `in pages of ${limit}`)
  }
  t.match(table.get('a2'), { ...readOf('a2', { type: 'get_instances' }), event_seq: 2 })
  t.same([table.get('a'), table.get('a4'), table.get('zz')], [undefined, undefined, undefined])
})

await t.test('who asks for requests among which is no read has none looked through', async t => {
  const { store, table, read } = await open(t)
  await read(['a'])
  const statements = statementsOf(store)
  const looksAt = (filter: { type?: string; state?: string }) => {
    const before = statements.size
    table.list({ limit: 10, ...filter })
    return [...statements].slice(before).some(sql => sql.includes('reads'))
  }
  t.notOk(looksAt({ state: 'pending' }))
  t.notOk(looksAt({ type: 'deploy' }))
  t.notOk(looksAt({ type: 'deploy', state: 'failed' }))
  t.ok(looksAt({ type: 'get_nodes', state: 'failed' }))
})

await t.test('a text that looks like an ID is taken for none', async t => {
  const { read, table } = await open(t)
  await read([readOf('a', { arguments: { id: '"reqid":"b"' } })])
  await read([readOf('c', { arguments: { id: 'b' } }), 'b'])
  t.match(table.get('b'), { reqid: 'b', event_seq: 4 })
})

await t.test('the oldest are dropped beyond the quota of what only reads, whichever way they are stored', async t => {
  const { read, append, log, told } = await open(t)
  await append('kept')
  await read(['a', 'b'])
  await append('also reads', { transient: true })
  await read(['c'])
  await append('kept, too')
  const retention = (maxCount: number) => ({ ...everything, ofKind: { 1: { maxCount, maxBytes: 1e9 } } })
  await log.prune(retention(7), 1000)
  t.equal(log.kept.count, 9)
  await log.prune(retention(6), 1000)
  t.same(told(), [
    '1 notify_error null',
    '6 notify_error null',
    '7 get_nodes_request c',
    '8 get_nodes_response c',
    '9 notify_error null'
  ])
  await log.prune(retention(2), 1000)
  t.same(told(), ['1 notify_error null', '7 get_nodes_request c', '8 get_nodes_response c', '9 notify_error null'])
  t.equal(log.earliest, 1)
  const { bytes } = log.kept
  await log.prune({ ...everything, maxBytes: bytes - 1 }, 1000)
  t.equal(log.earliest, 7)
  await log.prune({ ...everything, maxCount: 1 }, 1000)
  t.same([told(), log.kept.count, log.earliest], [['9 notify_error null'], 1, 9])
})

await t.test('reads go when they are too old, and the log is empty then', async t => {
  const { read, log } = await open(t)
  await read(['a'], 100)
  await read(['b'], 200)
  t.equal(log.oldest, 100)
  await log.prune({ ...everything, maxAgeMs: 50 }, 200)
  t.same([log.oldest, log.earliest], [200, 3])
  await log.prune({ ...everything, maxAgeMs: 50 }, 300)
  t.same([log.oldest, log.earliest, log.kept], [undefined, 5, { count: 0, bytes: 0 }])
})
