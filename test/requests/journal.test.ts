import t, { type Test } from 'tap'
import { EventJournal } from '../../src/requests/journal.js'
import { Hub } from '../../src/events/hub.js'
import { EventLog } from '../../src/store/events.js'
import { Store } from '../../src/store/store.js'
import { until } from '../support/until.js'
import { openLog } from '../store/open.js'

const error = (message: string) => ({ type: 'notify_error', message }) as const

async function openJournal(t: Test) {
  const opened = await openLog(t)
  const hub = new Hub(opened.log, { heartbeatMs: 1e6, stallMs: 1e6 })
  t.teardown(() => hub.close())
  const clock = { now: 1000 }
  const audit = new EventLog(opened.store, 'audit')
  const auditHub = new Hub(audit, { heartbeatMs: 1e6, stallMs: 1e6 })
  t.teardown(() => auditHub.close())
  const journal = new EventJournal(
    opened.store,
    { log: opened.log, hub },
    { log: audit, hub: auditHub },
    () => clock.now
  )
  const note = (message: string) => journal.note(error(message))
  /** Makes the store fail. Returns what ends that. */
  const fail = async () => {
    opened.store.get('PRAGMA query_only = ON')
    await t.rejects(
      journal.write('written', false, append => append({ type: 'notify_error', message: 'refused' })),
      { code: 'unavailable' }
    )
    return async () => {
      opened.store.get('PRAGMA query_only = OFF')
      await until(() => opened.store.failure === undefined, 'the store works again')
    }
  }
  return { ...opened, audit, auditHub, clock, journal, note, fail }
}

await t.test('what happens while the store fails is told afterwards, with the time at which it happened', async t => {
  const { log, clock, note, fail } = await openJournal(t)
  const mend = await fail()
  const notes = Promise.all([note('a'), note('b')])
  clock.now = 9000
  t.equal(log.head, 0)
  await mend()
  await notes
  t.match(log.after(0, 10), [
    { seq: 1, time: 1000, body: /"a"/ },
    { seq: 2, time: 1000, body: /"b"/ }
  ])
})

await t.test('what happens in one moment is one write, in its place among others', async t => {
  const { store, journal, note, messages } = await openJournal(t)
  const before = store.queued
  const writes = [
    note('a'),
    note('b'),
    journal.write('written', false, append => append(error('c'))),
    note('d'),
    note('e')
  ]
  t.equal(store.queued - before, 3)
  await Promise.all(writes)
  // In the same moment still, for this clock.
  await note('f')
  t.same(messages(), ['a', 'b', 'c', 'd', 'e', 'f'])
})

await t.test('when too much happens while the store fails, what is lost is counted and told', async t => {
  const { log, note, fail, messages } = await openJournal(t)
  const mend = await fail()
  const notes = Promise.all(Array.from({ length: 10_005 }, (_, n) => note(String(n))))
  await mend()
  await notes
  t.equal(log.head, 10_001)
  t.same(messages().slice(-2), ['9999', '5 notifications were lost while the store could not be written'])
  await note('after')
  t.equal(messages().at(-1), 'after')
})

await t.test('what is appended as an event never comes into the audit log, whatever it calls itself', async t => {
  const { journal, log, audit } = await openJournal(t)
  const forged = { type: 'audit', action: 'deploy', outcome: 'accepted', name: 'admin' } as const
  // @ts-expect-error An audit entry is no event.
  await journal.write('written', false, append => append(forged))
  // @ts-expect-error Nor is it a notification.
  await journal.note(forged)
  t.same(
    log.after(0, 10).map(({ type }) => type),
    ['audit', 'audit']
  )
  t.same([audit.head, audit.unseen()], [0, []])
})

await t.test('each log takes only what it holds', async t => {
  const { log, audit } = await openJournal(t)
  const entry = { type: 'audit', action: 'deploy', outcome: 'accepted' } as const
  // These need only compile, or rather not.
  t.type(() => {
    // @ts-expect-error
    log.append(entry, 0, 1)
    // @ts-expect-error
    audit.append({ type: 'notify_error', message: 'x' }, 0, 1)
  }, 'function')
})

await t.test('what another process has written into the audit log is told in its place, and nothing twice', async t => {
  const { journal, auditHub, path } = await openJournal(t)
  const told: number[] = []
  auditHub.announce = events => {
    told.push(...events.map(({ seq }) => seq))
  }
  const event = { type: 'audit', action: 'restart', outcome: 'accepted', name: 'a' } as const
  const write = () => journal.write('written', false, (_append, record) => record(event, 0))
  await write()
  const other = new Store(path)
  t.teardown(() => other.close())
  await other.write('written', () => new EventLog(other, 'audit').append(event, 0, 1))
  await Promise.all([write(), write()])
  journal.catchUp()
  t.same(told, [1, 2, 3, 4])
})
