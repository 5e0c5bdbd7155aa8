import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { parseStat, readStat, readStatSync } from '../src/proc.js'

const stat = (comm: string, state = 'S') =>
  `1382 (${comm}) ${state} 7 1382 1382 0 -1 4194560 100 0 0 0 1234 766 0 0 20 0 3 0 8600 1000000 66560 18446744073709551615\n`

await t.test('what the kernel tells of a process', async t => {
  t.same(parseStat(stat('zeek')), {
    comm: 'zeek',
    ended: false,
    parent: 7,
    userTicks: 1234,
    systemTicks: 766,
    threads: 3,
    startTicks: 8600
  })
})

await t.test('a name can hold anything', async t => {
  const whole = parseStat(stat('zeek'))
  for (const comm of ['', 'two words', '(sd-pam)', 'a) Z 1 (b', ') R 1 1', 'a\n) b', '1 (c)']) {
    t.same(parseStat(stat(comm)), { ...whole, comm }, JSON.stringify(comm))
  }
})

await t.test('one that has ended is told from others', async t => {
  t.same(
    ['R', 'S', 'D', 'T', 't', 'I', 'Z', 'X'].filter(state => parseStat(stat('zeek', state))?.ended),
    ['Z', 'X']
  )
})

await t.test('half a line is none', async t => {
  for (const text of ['', '\n', 'x', '1382 (zeek', '1382 (zeek) ', stat('zeek').slice(0, 60), stat('zeek').slice(5)]) {
    t.equal(parseStat(text), undefined, JSON.stringify(text))
  }
})

await t.test('a process that runs, and one that is gone', async t => {
  const child = spawn('sleep', ['600'])
  const running = await readStat(child.pid!)
  t.match(running, { parent: process.pid, ended: false, threads: 1 })
  t.equal(readStatSync(child.pid!)?.startTicks, running!.startTicks)
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.equal(await readStat(child.pid!), undefined)
  t.equal(readStatSync(child.pid!), undefined)
  t.equal(readStatSync(NaN), undefined)
})
