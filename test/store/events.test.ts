import { DatabaseSync } from '@photostructure/sqlite'
import t from 'tap'
import { EventLog } from '../../src/store/events.js'
import { everything, openLog, openStore } from './open.js'

await t.test('events are numbered from 1 and read in order, from any place', async t => {
  const { log, append } = await openLog(t)
  t.same([log.head, log.earliest], [0, 1])
  for (const message of ['a', 'b', 'c', 'd']) await append(message, { time: 77 })
  t.same([log.head, log.earliest], [4, 1])
  t.same(
    log.after(1, 2).map(({ seq, body, time, type }) => ({ seq, body, time, type })),
    [
      { seq: 2, body: '{"type":"notify_error","message":"b"}', time: 77, type: 'notify_error' },
      { seq: 3, body: '{"type":"notify_error","message":"c"}', time: 77, type: 'notify_error' }
    ]
  )
  t.same(log.after(4, 10), [])
})

await t.test('what is committed but not announced is not read yet', async t => {
  const { store, log } = await openLog(t)
  const event = await store.write('written', () => log.append({ type: 'notify_error', message: 'a' }, 0, 1))
  t.same([log.head, log.after(0, 10)], [0, []])
  log.advance(event)
  t.same([log.head, log.after(0, 10).length], [1, 1])
})

await t.test('an event that is undone gives its number to the next, and there is no gap', async t => {
  const { store, log, append, messages } = await openLog(t)
  await append('a')
  await t.rejects(
    store.write('written', () => {
      log.append({ type: 'notify_error', message: 'b' }, 0, 1)
      throw new Error('no')
    })
  )
  const { seq } = await append('c')
  t.equal(seq, 2)
  t.same(messages(), ['a', 'c'])
})

await t.test('the events of one request are read by its id', async t => {
  const { log, append } = await openLog(t)
  for (const reqid of ['x', 'y', 'x', 'y', 'x']) await append('m', { more: { reqid } })
  t.same(
    log.ofRequest('x', 0, 10).map(({ seq }) => seq),
    [1, 3, 5]
  )
  t.same(
    log.ofRequest('x', 1, 1).map(({ seq }) => seq),
    [3]
  )
  t.same(log.ofRequest('z', 0, 10), [])
  t.equal(log.lastOf('y')?.seq, 4)
  t.equal(log.lastOf('z'), undefined)
})

await t.test('a log that is opened again has its events, numbers and epoch', async t => {
  const first = await openLog(t)
  await first.append('a')
  await first.append('b')
  await first.log.close()
  first.close()
  const second = await openLog(t, first.directory)
  t.equal(second.log.epoch, first.log.epoch)
  t.same([second.log.head, second.messages()], [2, ['a', 'b']])
  t.equal((await second.append('c')).seq, 3)
})

await t.test('the epoch survives a killed process', async t => {
  const first = await openLog(t)
  await first.append('a')
  first.close()
  t.equal((await openLog(t, first.directory)).log.epoch, first.log.epoch)
})

await t.test('after a crash of the machine the epoch is another, and stays so', async t => {
  const first = await openLog(t)
  await first.append('a')
  first.close()
  const db = new DatabaseSync(first.path)
  db.exec("UPDATE local SET value = 'an earlier boot' WHERE name = 'boot'")
  db.close()
  const second = await openLog(t, first.directory)
  t.not(second.log.epoch, first.log.epoch)
  t.same(second.messages(), ['a'])
  second.close()
  t.equal((await openLog(t, first.directory)).log.epoch, second.log.epoch)
})

await t.test('after a clean end the machine may boot without a new epoch', async t => {
  const first = await openLog(t)
  await first.log.close()
  const { store } = first
  t.equal(store.get("SELECT value FROM local WHERE name = 'boot'"), undefined)
  t.equal(new EventLog(store).epoch, first.log.epoch)
})

await t.test('the oldest beyond the count are dropped, and no number is given twice', async t => {
  const { log, append, messages, directory, close } = await openLog(t)
  for (let n = 1; n <= 10; n++) await append(`${n}`)
  t.notOk(await log.prune({ ...everything, maxCount: 3 }, 1000))
  t.same(messages(), ['8', '9', '10'])
  t.equal(log.earliest, 8)
  await log.prune({ ...everything, maxCount: 0 }, 1000)
  t.same([log.head, log.earliest, messages()], [10, 11, []])
  close()
  const again = await openLog(t, directory)
  t.same([again.log.head, again.log.earliest], [10, 11])
  t.equal((await again.append('next')).seq, 11)
})

await t.test('what is older than the age is dropped, and not what is exactly that old', async t => {
  const { log, append, messages } = await openLog(t)
  for (const time of [100, 200, 300]) await append(`at ${time}`, { time })
  await log.prune({ ...everything, maxAgeMs: 50 }, 250)
  t.same(messages(), ['at 200', 'at 300'])
})

await t.test('events of requests that only read go first, and by their own count', async t => {
  const { log, append, messages } = await openLog(t)
  for (let n = 1; n <= 4; n++) {
    await append(`kept ${n}`)
    await append(`read ${n}`, { transient: true })
  }
  await log.prune({ ...everything, ofKind: { 1: { maxCount: 1, maxBytes: 1e12 } } }, 1000)
  t.same(messages(), ['kept 1', 'kept 2', 'kept 3', 'kept 4', 'read 4'])
})

await t.test('the oldest beyond the bytes are dropped', async t => {
  const { log, append, messages } = await openLog(t)
  for (let n = 0; n < 100; n++) await append(String(n).padStart(963, '0'))
  await log.prune({ ...everything, maxBytes: 50_000 }, 1000)
  const left = messages()
  t.equal(left.length, 50)
  t.equal(Number(left[0]), 50)
})

await t.test('pruning goes in steps and says whether there is more, also after the log is opened again', async t => {
  const first = await openLog(t)
  await first.store.write('written', () => {
    for (let n = 0; n < 1200; n++) first.log.append({ type: 'notify_error', message: 'm' }, 0, 1)
  })
  first.close()
  const { log } = await openLog(t, first.directory)
  t.equal(log.head, 1200)
  const steps = []
  do steps.push(log.earliest)
  while (await log.prune({ ...everything, maxCount: 10 }, 1000))
  t.same(steps, [1, 501, 1001])
  t.equal(log.earliest, 1191)
})

await t.test('an event log on a database without events begins at 1', async t => {
  const { store } = openStore(t)
  const log = new EventLog(store)
  t.same([log.head, log.earliest, log.after(0, 1)], [0, 1, []])
})

await t.test('each kind that has a quota keeps its newest, and pushes out no other', async t => {
  const { log, store } = await openLog(t)
  for (let n = 0; n < 60; n++) {
    const event = { type: 'notify_error', message: `${n}` } as const
    log.advance(await store.write('written', () => log.append(event, n % 3, 1000)))
  }
  const ofKind = { 1: { maxCount: 5, maxBytes: 1e12 }, 2: { maxCount: 1e9, maxBytes: 3 * 40 } }
  while (await log.prune({ ...everything, ofKind }, 1000));
  for (let round = 0; round < 5; round++) await log.prune({ ...everything, ofKind }, 1000)
  const kept = (kind: number) => log.after(0, 100).filter(({ transient }) => transient === kind)
  t.equal(kept(0).length, 20)
  t.same(
    kept(1).map(({ seq }) => seq),
    [47, 50, 53, 56, 59]
  )
  t.ok(kept(2).length > 0 && kept(2).reduce((sum, { body }) => sum + body.length, 0) <= 3 * 40)
  t.equal(kept(2).at(-1)?.seq, 60)
  t.equal(log.kept.count, log.after(0, 100).length)
})
