import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { parseProcess, readProcess } from '../../../src/agent/stats/proc.js'
import { until } from '../../support/until.js'

const stat = (state: string, comm = 'zeek') =>
  `1382 (${comm}) ${state} 1 1382 1382 0 -1 4194560 100 0 0 0 1234 766 0 0 20 0 7 0 8600 1000000 66560 18446744073709551615`
const status = 'Name:\tzeek\nVmPeak:\t  999 kB\nVmRSS:\t  266240 kB\nThreads:\t7\n'

await t.test('what the kernel tells of a process', async t => {
  t.same(parseProcess(stat('S'), status), { startTicks: 8600, cpuSeconds: 20, memoryBytes: 272_629_760, threads: 7 })
  t.same(parseProcess(stat('R', 'a) Z 1 (b'), status)?.cpuSeconds, 20, 'its name can hold anything')
})

await t.test('a zombie is no process, nor is half a file', async t => {
  for (const [a, b] of [
    [stat('Z'), status],
    [stat('X'), status],
    [stat('S').slice(0, 60), status],
    ['', ''],
    [stat('S'), 'Name:\tzeek\n']
  ]) {
    t.equal(parseProcess(a!, b!), undefined)
  }
})

await t.test('a process that runs, and works', async t => {
  const before = process.cpuUsage()
  const own = await readProcess(process.pid)
  t.ok(Math.abs(own!.uptime - process.uptime()) < 30)
  t.ok(own!.memoryBytes > 10_000_000 && own!.memoryBytes < 10_000_000_000)
  t.ok(own!.threads > 1)
  t.ok(Math.abs(own!.cpuSeconds - (before.user + before.system) / 1e6) < 2)
  await until(async () => (await readProcess(process.pid))!.cpuSeconds > own!.cpuSeconds, 'it has used more')
})

await t.test('a process that has ended', async t => {
  const child = spawn('sleep', ['600'])
  t.ok(await readProcess(child.pid!))
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.equal(await readProcess(child.pid!), undefined)
})
