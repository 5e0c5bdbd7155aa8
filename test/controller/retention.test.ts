import t, { type Test } from 'tap'
import { EventJournal } from '../../src/requests/journal.js'
import { Filter } from '../../src/events/filter.js'
import { ndjson } from '../../src/events/frame.js'
import { Hub } from '../../src/events/hub.js'
import { contentOf } from '../../src/events/sink.js'
import { EventLog, type Retention } from '../../src/store/events.js'
import { until } from '../support/until.js'
import { everything, openStore } from '../store/open.js'

/** Pruned in steps of no more than this. */
const step = 500
const total = 3000

/** A log with many events, the first 2,900 of long ago, and those who follow it. */
async function start(t: Test, { transient = false } = {}) {
  const { store } = openStore(t)
  const [log, audit] = [new EventLog(store), new EventLog(store, 'audit')]
  const [hub, auditHub] = [log, audit].map(one => new Hub(one, { heartbeatMs: 1e6, stallMs: 1e6 })) as [Hub, Hub]
  t.teardown(() => {
    for (const one of [hub, auditHub]) one.close()
  })
  await log.open()
  let now = 0
  const journal = new EventJournal(store, { log, hub }, { log: audit, hub: auditHub }, () => now)
  const say = (count: number, transient = false) =>
    journal.write('written', transient, append => {
      for (let n = 0; n < count; n++) append({ type: 'notify_error', message: 'x'.repeat(100) })
    })
  await say(total - 100, transient)
  now = 1000
  await say(100, transient)
  return { log, hub, say }
}

/** One who reads from the beginning, a batch, and then not until it is let. */
function follow(hub: Hub) {
  const lines: any[] = []
  let drain = () => {}
  let left = 2
  hub.follow(
    {
      write: chunk => {
        for (const line of String(contentOf(chunk)).split('\n').filter(Boolean)) lines.push(JSON.parse(line))
        return --left !== 0
      },
      end: () => {},
      destroy: () => {},
      on: (event, listener) => {
        if (event === 'drain') drain = listener
      }
    },
    { start: hub.startAt('earliest'), filter: new Filter({}), format: ndjson, opening: [] }
  )
  return { lines, readOn: () => drain() }
}

const seqOf = ({ cursor }: { cursor: string }) => Number(cursor.split('.')[1])

/** Prunes until there is no more to drop, while more is written. */
async function prune(
  t: Test,
  { log, say }: Awaited<ReturnType<typeof start>>,
  retention: Partial<Retention>
): Promise<void> {
  for (let more = true; more;) {
    const before = log.kept.count
    more = await log.prune({ ...everything, ...retention }, 1000)
    t.ok(before - log.kept.count <= step, 'a small step')
    const { head } = log
    await say(1)
    t.equal(log.head, head + 1, 'others write between')
  }
}

const bytes = Buffer.byteLength(JSON.stringify({ type: 'notify_error', message: 'x'.repeat(100) }))

for (const [name, retention] of Object.entries({
  count: { maxCount: 100 },
  age: { maxAgeMs: 500 },
  bytes: { maxBytes: 100 * bytes }
})) {
  await t.test(
    `what is kept is bounded by ${name}: it goes in small steps while others write, and an open stream is told of the gap`,
    async t => {
      const controller = await start(t)
      const { log, hub, say } = controller
      const { lines, readOn } = follow(hub)
      await prune(t, controller, retention)
      while (await log.prune({ ...everything, ...retention }, 1000));
      t.ok(log.kept.count >= 99 && log.kept.count <= 110, String(log.kept.count))
      t.equal(log.kept.bytes, log.kept.count * bytes)
      t.equal(log.earliest, log.head - log.kept.count + 1, 'the newest are kept')
      readOn()
      await until(() => lines.at(-1).type === 'reset', 'it is told of the gap')
      await say(1)
      await until(() => lines.at(-1).type !== 'reset', 'it goes on with what is new')
      const resets = lines.filter(({ type }) => type === 'reset')
      t.match(resets, [{ reason: 'expired', latest: hub.cursorOf(log.head - 1) }])
      t.equal(resets.length, 1)
      const told = lines.filter(({ type }) => type === 'notify_error').map(seqOf)
      const gaps = told.filter((seq, index) => seq !== (told[index - 1] ?? 0) + 1)
      t.same(gaps, [log.head], 'what was not told is before the newest, and that is said')
    }
  )
}

await t.test('what only reads is bounded by a count of its own, and pushes nothing else out', async t => {
  const controller = await start(t, { transient: true })
  const { log, say } = controller
  await say(50)
  const events = () => log.after(0, 1e6)
  const kept = () => events().filter(({ transient }) => !transient).length
  const before = kept()
  await prune(t, controller, { ofKind: { 1: { maxCount: 100, maxBytes: 1e12 } } })
  t.equal(events().length - kept(), 100)
  t.ok(kept() > before)
})

await t.test('long answers to reads go before anything else is too much', async t => {
  const { log, say } = await start(t, { transient: true })
  await say(50)
  const others = () => log.after(0, 1e6).filter(({ transient }) => !transient).length
  const bytesOfReads = () =>
    log
      .after(0, 1e6)
      .filter(({ transient }) => transient)
      .reduce((sum, { body }) => sum + body.length, 0)
  const before = { others: others(), reads: bytesOfReads() }
  while (
    await log.prune({ ...everything, ofKind: { 1: { maxCount: 1e9, maxBytes: 10_000 } }, maxBytes: before.reads }, 1000)
  );
  t.equal(others(), before.others)
  t.ok(bytesOfReads() <= 10_000 && bytesOfReads() > 9_000, `${bytesOfReads()} of ${before.reads} bytes`)
  t.equal(log.earliestTransient, log.after(0, 1e6).find(({ transient }) => transient)?.seq)
})
