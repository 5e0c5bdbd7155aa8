import t from 'tap'
import { everything, openLog, statementsOf } from './open.js'

await t.test('pruning does not make a new statement each time', async t => {
  const { log, store, append } = await openLog(t)
  const statements = statementsOf(store)
  for (let now = 1000; now < 1010; now++) {
    for (let n = 0; n < 4; n++) await append('an event', { time: now })
    await log.prune({ ...everything, maxCount: 3, maxAgeMs: 0 }, now + 1)
    t.equal(log.kept.count, 0)
  }
  t.ok(statements.size > 2 && statements.size < 9, `${statements.size} statements are kept for 10 calls`)
})

await t.test('to find the oldest of a long log does not take its whole length', async t => {
  const { log, store, append } = await openLog(t)
  const statements = statementsOf(store)
  for (let n = 0; n < 4; n++) await append('an event', { transient: n % 2 === 0 })
  await log.prune({ maxCount: 2, maxBytes: 1, maxAgeMs: 0, ofKind: { 1: { maxCount: 1, maxBytes: 1 } } }, 1001)
  t.same([log.earliest, log.oldest, log.kept.count], [5, undefined, 0])
  t.ok(statements.size > 4)
  for (const sql of [...statements].filter(sql => /events|reads/.test(sql))) {
    const values = Array.from({ length: sql.split('?').length - 1 }, () => 1)
    const steps = store.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, ...values)
    const plan = steps.map(({ detail }) => detail)
    t.notOk(
      plan.some(step => step.includes('TEMP B-TREE')),
      `${sql}: ${plan.join(', ')}`
    )
  }
})

await t.test('events that are dropped for one reason do not count for the next', async t => {
  const { log, append, messages } = await openLog(t)
  for (let n = 1; n <= 60; n++) await append('kept')
  for (let n = 1; n <= 60; n++) await append('read', { transient: true })
  // 50 reads go; 70 are left, and that is not too many.
  await log.prune({ ...everything, maxCount: 80, ofKind: { 1: { maxCount: 10, maxBytes: 1e12 } } }, 1000)
  t.equal(messages().length, 70)
  t.equal(messages().filter(message => message === 'kept').length, 60)
})

await t.test('bytes are bytes', async t => {
  const { log, append, messages } = await openLog(t)
  for (let n = 0; n < 10; n++) await append('本'.repeat(1000))
  await log.prune({ ...everything, maxBytes: 15_000 }, 1000)
  t.ok(messages().length <= 5, `${messages().length} events of 3,000 bytes are left`)
})

await t.test('what was dropped no longer counts, whatever its characters', async t => {
  const { log, append, messages } = await openLog(t)
  for (let n = 0; n < 20; n++) {
    await append('😀'.repeat(1000))
    await log.prune({ ...everything, maxCount: 0 }, 1000)
  }
  await append('one')
  await log.prune({ ...everything, maxBytes: 10_000 }, 1000)
  t.same(messages(), ['one'])
})

await t.test('each stream asks where the log begins, which is looked up once, and not in an empty one', async t => {
  const { log, store, append } = await openLog(t)
  const statements = statementsOf(store)
  t.same([log.earliest, log.earliest], [1, 1])
  t.same([...statements], [])
  await append('an event')
  t.equal(log.earliest, 1)
  const queries = [...statements].filter(sql => sql.startsWith('SELECT'))
  t.equal(queries.length, 1)
  store.all = () => t.fail('it is looked up again') as never
  t.equal(log.earliest, 1)
})
