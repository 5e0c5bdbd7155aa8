import { appendFileSync, mkdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { growthOf, readLogs, type LogGrowth } from '../../../src/agent/stats/log-growth.js'
import { directoryOf } from '../../support/directory.js'

/** Looks at a directory, at a second of a clock of the test's. */
function looker(directory: string) {
  let known: LogGrowth | undefined
  return async (second: number, { process = 'p', uptime = 1000 } = {}) => {
    const files = await readLogs(directory)
    known = growthOf(known, files, { at: second * 1000, now: Date.now(), process, uptime })
    return known && Math.round(second - known.at / 1000)
  }
}

/** Writes a log as if it was so many seconds ago. */
function write(path: string, secondsAgo = 0): void {
  appendFileSync(path, 'a line\n')
  const time = Date.now() / 1000 - secondsAgo
  utimesSync(path, time, time)
}

await t.test('a node that has never written a log has none that could stall', async t => {
  const directory = directoryOf(t)
  const idle = looker(directory)
  t.equal(await idle(10), undefined)
  for (const name of ['stdout', 'conn.log.bak', 'log', '.state']) writeFileSync(join(directory, name), '')
  t.equal(await idle(1000), undefined)
  t.equal(await looker(join(directory, 'nowhere'))(10), undefined)
})

await t.test('logs that do not grow are idle since they have last grown, and any of them counts', async t => {
  const directory = directoryOf(t)
  const idle = looker(directory)
  write(join(directory, 'conn.log'))
  write(join(directory, 'dns.log'))
  t.equal(await idle(1000), 0)
  t.equal(await idle(1700), 700)
  write(join(directory, 'dns.log'), 5)
  t.equal(await idle(1701), 0)
  t.equal(await idle(1710), 9)
  write(join(directory, 'http.log.gz'))
  t.equal(await idle(1720), 0)
})

await t.test(
  'at the first look the files say since when, but nobody has been idle for longer than it runs',
  async t => {
    const directory = directoryOf(t)
    write(join(directory, 'conn.log'), 300)
    write(join(directory, 'dns.log'), 400)
    t.equal(await looker(directory)(5000), 300)
    t.equal(await looker(directory)(5000, { uptime: 20 }), 20)
    write(join(directory, 'future.log'), -3600)
    t.equal(await looker(directory)(5000), 0, 'clocks are set')
  }
)

await t.test('a rotation is no growth, and no end of what was known', async t => {
  const directory = directoryOf(t)
  const idle = looker(directory)
  mkdirSync(join(directory, 'queue'))
  write(join(directory, 'conn.log'))
  write(join(directory, 'dns.log'))
  await idle(1000)
  renameSync(join(directory, 'conn.log'), join(directory, 'queue', 'conn.log'))
  t.equal(await idle(1100), 100)
  renameSync(join(directory, 'dns.log'), join(directory, 'queue', 'dns.log'))
  t.equal(await idle(1200), 200, 'none is left')
  t.equal(await idle(1300), 300)
  write(join(directory, 'conn.log'))
  t.equal(await idle(1310), 0)
})

await t.test('a clock that is set back does not make it seem that nothing is written', async t => {
  const directory = directoryOf(t)
  const idle = looker(directory)
  write(join(directory, 'conn.log'))
  await idle(1000)
  write(join(directory, 'conn.log'), 86_400)
  t.equal(await idle(1010), 0)
})

await t.test('another process begins with all of its time, also when it never writes', async t => {
  const directory = directoryOf(t)
  const idle = looker(directory)
  write(join(directory, 'conn.log'), 900)
  t.equal(await idle(1000), 900)
  t.equal(await idle(1010, { process: 'q', uptime: 4 }), 4)
  t.equal(await idle(1700, { process: 'q', uptime: 694 }), 694)
})
