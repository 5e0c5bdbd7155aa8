import assert from 'node:assert'
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { retain, surplus, type ArchivedLog, type RetentionLimits } from '../../../src/agent/logs/retention.js'
import { directoryOf } from '../../support/directory.js'
import { runs } from '../../support/runs.js'

const anyLogs = fc
  .array(fc.record({ bytes: fc.nat(1000), closed: fc.nat(1000) }))
  .map(logs => logs.map((log, n): ArchivedLog => ({ path: `/${n}`, ...log })))
const anyLimits: fc.Arbitrary<RetentionLimits> = fc.record({
  maxAge: fc.nat(1000),
  maxBytes: fc.nat(5000),
  minFree: fc.nat(5000)
})
const sum = (logs: readonly ArchivedLog[]) => logs.reduce((bytes, log) => bytes + log.bytes, 0)

await t.test('what is deleted is the oldest, as much as the limits ask for, and no more', async t => {
  fc.assert(
    fc.property(anyLogs, anyLimits, fc.nat(5000), fc.nat(2000), (logs, limits, free, now) => {
      const deleted = surplus(logs, limits, free, now)
      const gone = deleted.map(({ log }) => log)
      const kept = logs.filter(log => !gone.includes(log))
      assert.equal(new Set(gone).size + kept.length, logs.length)
      for (const log of gone) {
        assert.ok(
          kept.every(({ closed }) => closed >= log.closed),
          'the oldest first'
        )
      }
      const isWithin = (left: readonly ArchivedLog[]) =>
        (limits.maxAge === 0 || left.every(({ closed }) => now - closed <= limits.maxAge)) &&
        (limits.maxBytes === 0 || sum(left) <= limits.maxBytes) &&
        free + sum(logs) - sum(left) >= limits.minFree
      assert.ok(isWithin(kept) || kept.length === 0)
      if (gone.length > 0) assert.ok(!isWithin([...kept, gone.at(-1)!]), 'the last one had to be')
    }),
    { numRuns: runs(500) }
  )
  t.pass('it is')
})

await t.test('why each is deleted is told', async t => {
  const logs = [1, 2, 3, 4].map(n => ({ path: `${n}`, bytes: 10, closed: n * 100 }))
  const reasons = (limits: Partial<RetentionLimits>, free = 0) =>
    surplus(logs, { maxAge: 0, maxBytes: 0, minFree: 0, ...limits }, free, 500).map(
      ({ log, reason }) => `${log.path} ${reason}`
    )
  t.same(reasons({}), [])
  t.same(reasons({ maxAge: 250 }), ['1 too old', '2 too old'])
  t.same(reasons({ maxAge: 350, maxBytes: 20 }), ['1 too old', '2 too many bytes'])
  t.same(reasons({ maxBytes: 35, minFree: 25 }, 5), ['1 too many bytes', '2 too little free'])
  t.same(reasons({ minFree: 1e9 }).length, 4)
})

const settings = { agent_archive_max_age: 0, agent_archive_max_bytes: 0, agent_archive_min_free: 0 }
const now = new Date(2026, 10, 22, 12).getTime()

function archive(t: Test, files: readonly string[]): string {
  const directory = directoryOf(t)
  for (const file of files) {
    mkdirSync(join(directory, file, '..'), { recursive: true })
    writeFileSync(join(directory, file), '0123456789')
  }
  return directory
}
const list = (directory: string) => readdirSync(directory, { recursive: true }).map(String).sort()

await t.test('old logs are deleted, and the directories of days that are empty then', async t => {
  const directory = archive(t, [
    '2026-11-20/conn.10:00:00-11:00:00.log.gz',
    '2026-11-20/dns.10:00:00-11:00:00-logger-1.log.gz',
    '2026-11-21/conn.10:00:00-11:00:00.log.gz',
    '2026-11-21/conn.13:00:00-14:00:00.log.gz'
  ])
  const { count, bytes, reasons, error } = await retain(directory, { ...settings, agent_archive_max_age: 86_400 }, now)
  t.same([count, bytes, [...reasons], error], [3, 30, [['too old', 3]], undefined])
  t.same(list(directory), ['2026-11-21', '2026-11-21/conn.13:00:00-14:00:00.log.gz'])
})

await t.test('whatever is not named as an archived log stays', async t => {
  const mine = [
    '2026-11-20/notes.txt',
    '2026-11-20/.tmp.conn.10:00:00-11:00:00.log.gz',
    'log-queue/conn__2020-11-22-14-48-56__2020-11-22-14-49-00__.log',
    'conn.10:00:00-11:00:00.log.gz',
    'other/conn.10:00:00-11:00:00.log.gz',
    '2020-11-21/deep/conn.10:00:00-11:00:00.log.gz'
  ]
  const directory = archive(t, mine)
  symlinkSync(join(directory, 'other'), join(directory, '2019-01-01'))
  symlinkSync('notes.txt', join(directory, '2026-11-20/link.10:00:00-11:00:00.log.gz'))
  mkdirSync(join(directory, '2026-11-20/dir.10:00:00-11:00:00.log.gz'))
  const before = list(directory)
  t.match(
    await retain(directory, { agent_archive_max_age: 1, agent_archive_max_bytes: 1, agent_archive_min_free: 99 }, now),
    { count: 0 }
  )
  t.same(list(directory), before)
})

await t.test('too many bytes, and too little free, delete the oldest', async t => {
  const logs = [
    '2026-11-20/conn.10:00:00-11:00:00.log.gz',
    '2026-11-21/conn.10:00:00-11:00:00.log.gz',
    '2026-11-21/conn.13:00:00-14:00:00.log.gz'
  ]
  const directory = archive(t, logs)
  t.match(await retain(directory, { ...settings, agent_archive_max_bytes: 20 }, now), { count: 1, bytes: 10 })
  t.same(list(directory), ['2026-11-21', ...logs.slice(1)])
})

await t.test('without limits, or without an archive, nothing is done', async t => {
  const directory = archive(t, ['2020-11-20/conn.10:00:00-11:00:00.log.gz'])
  t.match(await retain(directory, settings, now), { count: 0 })
  t.ok(existsSync(join(directory, '2020-11-20/conn.10:00:00-11:00:00.log.gz')))
  t.match(await retain(join(directory, 'none'), { ...settings, agent_archive_max_age: 1 }, now), { count: 0 })
})

await t.test('an archive that cannot be read is told', async t => {
  const directory = archive(t, ['file'])
  await t.rejects(retain(join(directory, 'file'), { ...settings, agent_archive_max_age: 1 }, now), /ENOTDIR/)
})
