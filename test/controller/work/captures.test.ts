import fc from 'fast-check'
import t from 'tap'
import type { Replay } from '../../../schemas/captures.js'
import { compareReplays, lossesOf, remarksOf } from '../../../src/controller/work/captures.js'

const file = 'checks/http.pcap'
const replay = (logs: Record<string, number>, more: Partial<Replay> = {}): Replay => ({
  logs: Object.entries(logs).map(([log, lines]) => ({ log, lines })),
  findings: [],
  seconds: 1,
  memory_bytes: 100_000_000,
  ...more
})
const messages = (findings: readonly { message: string }[]) => findings.map(({ message }) => message)

await t.test('without what was before, only what is expected is compared', async t => {
  const result = compareReplays({ file, expected: { conn: 6, http: 5, dns: 0 } }, replay({ conn: 7, http: 4, ssl: 1 }))
  t.same(result.logs, [
    { log: 'conn', now: 7, expected: 6, lost: false },
    { log: 'dns', now: 0, expected: 0, lost: false },
    { log: 'http', now: 4, expected: 5, lost: true },
    { log: 'ssl', now: 1, lost: false }
  ])
  t.same(lossesOf(result), [`${file}: http.log has 4 lines, 5 expected`])
  t.same(messages(remarksOf(result)), [`${file}: conn.log has 7 lines, 6 expected`])
})

await t.test('fewer lines than before are lost, unless others are expected, or the log is of Zeek itself', async t => {
  const before = replay({ conn: 6, http: 5, files: 5, loaded_scripts: 400, weird: 1 })
  const now = replay({ conn: 6, files: 1, loaded_scripts: 380, weird: 2, dns: 3 })
  const result = compareReplays({ file, expected: { files: 1 } }, now, before)
  t.same(lossesOf(result), [`${file}: http.log has no line, 5 before`])
  t.match(result.logs, [
    { log: 'conn', before: 6, now: 6, lost: false },
    { log: 'dns', before: 0, now: 3, lost: false },
    { log: 'files', before: 5, now: 1, expected: 1, lost: false },
    { log: 'http', before: 5, now: 0, lost: true },
    { log: 'loaded_scripts', before: 400, now: 380, lost: false },
    { log: 'weird', before: 1, now: 2, lost: false }
  ])
  t.same(remarksOf(result), [])
})

await t.test(
  'a reading that fails is a loss, whatever it has written; one before that failed is not compared, which is told',
  async t => {
    const error = 'zeek was killed by SIGSEGV'
    const crashed = compareReplays({ file, expected: { conn: 6 } }, replay({ conn: 1 }, { error }), replay({ conn: 6 }))
    t.same(lossesOf(crashed), [`${file}: ${error}`])
    const fault = { level: 'error' as const, message: 'bad' }
    const refused = compareReplays({ file }, replay({}, { error: 'zeek exited with code 1: bad', findings: [fault] }))
    t.same([lossesOf(refused), remarksOf(refused)], [[`${file}: zeek exited with code 1: bad`], []])
    const repaired = compareReplays({ file }, replay({ conn: 1 }), replay({ conn: 6 }, { error, seconds: 0.1 }))
    t.same(
      [lossesOf(repaired), messages(remarksOf(repaired))],
      [[], [`${file}: not compared with what is deployed: ${error}`]]
    )
    t.notOk('seconds_before' in repaired)
  }
)

await t.test('what Zeek reports is told once it is new, as are time and memory that have grown by much', async t => {
  const old = { level: 'warning' as const, message: 'deprecated' }
  const found = { level: 'error' as const, message: 'no such index', file: 'local.zeek', line: 6 }
  const before = replay({}, { findings: [old] })
  const now = replay({}, { findings: [old, found], seconds: 3.5, memory_bytes: 200_000_000 })
  const result = compareReplays({ file }, now, before)
  t.same(result.findings, [found])
  t.same(remarksOf(result), [
    { ...found, level: 'warning', message: `${file}: no such index` },
    { level: 'warning', message: `${file}: it takes 3.5 s, 1.0 before` },
    { level: 'warning', message: `${file}: it needs 191 MiB of memory, 95 before` }
  ])
  t.same(remarksOf(compareReplays({ file }, replay({}, { seconds: 2.5, memory_bytes: 150_000_000 }), before)), [])
})

await t.test('nothing is lost exactly when no log has fewer lines than it should', async t => {
  const logs = fc.dictionary(fc.constantFrom('conn', 'http', 'dns', 'stats', '__proto__'), fc.nat(3))
  fc.assert(
    fc.property(logs, logs, logs, (expected, now, before) => {
      const result = compareReplays({ file, expected }, replay(now), replay(before))
      const of = (counts: Record<string, number>, log: string) => (Object.hasOwn(counts, log) ? counts[log]! : 0)
      const should = (log: string) => {
        if (Object.hasOwn(expected, log)) return of(expected, log)
        return log === 'stats' ? 0 : of(before, log)
      }
      const names = ['conn', 'http', 'dns', 'stats', '__proto__']
      t.equal(lossesOf(result).length, names.filter(log => of(now, log) < should(log)).length)
      t.same(lossesOf(compareReplays({ file }, replay(now), replay(now))), [])
    })
  )
})
