import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { InstanceStats } from '../../../schemas/operations.js'
import { checker } from '../../../schemas/validator.js'
import {
  fileSystems,
  foreignProcesses,
  parseMemory,
  readInstance,
  readInterfaces,
  withRates
} from '../../../src/agent/stats/instance-stats.js'
import { invalid } from '../../../src/errors.js'
import { directoryOf } from '../../support/directory.js'
import { until } from '../../support/until.js'

const never = new AbortController().signal

await t.test('an instance is sampled, and the sample fits its schema', async t => {
  const directory = directoryOf(t)
  const stats = await readInstance({
    zeekVersion: '9.0.0',
    places: [{ path: directory, holds: 'state' }],
    own: [],
    signal: never
  })
  checker(InstanceStats, invalid)(stats, 'stats')
  t.match(stats, {
    zeek_version: '9.0.0',
    load: [Number, Number, Number],
    file_systems: [{ path: directory, holds: ['state'] }]
  })
  t.ok(stats.cpus > 0 && stats.memory_available_bytes > 0 && stats.memory_bytes <= totalmem() + 1024)
  const lo = stats.interfaces.find(({ name }) => name === 'lo')
  t.ok(lo && lo.interval! > 0 && lo.packets_per_second! >= 0)
})

await t.test('memory is told in bytes', async t => {
  t.same(
    parseMemory(
      'MemTotal:       65849609 kB\nMemFree: 1 kB\nMemAvailable:   40039062 kB\nSwapTotal: 2 kB\nSwapFree: 1 kB\n'
    ),
    { memory_bytes: 67_429_999_616, memory_available_bytes: 40_999_999_488, swap_bytes: 2048, swap_free_bytes: 1024 }
  )
  t.same(parseMemory(''), { memory_bytes: 0, memory_available_bytes: 0, swap_bytes: 0, swap_free_bytes: 0 })
})

await t.test('directories of one file system are told together, and what is not there not at all', async t => {
  const directory = directoryOf(t)
  mkdirSync(join(directory, 'spool'))
  const systems = await fileSystems([
    { path: directory, holds: 'state' },
    { path: join(directory, 'spool'), holds: 'spool' },
    { path: directory, holds: 'state' },
    { path: join(directory, 'ghost'), holds: 'logs' },
    { path: '/proc', holds: 'logs' }
  ])
  t.same(
    systems.map(({ path, holds }) => [path, holds]),
    [
      [directory, ['state', 'spool']],
      ['/proc', ['logs']]
    ]
  )
  t.ok(systems[0]!.size_bytes > systems[0]!.free_bytes && systems[0]!.free_bytes > 0)
})

await t.test('interfaces are read as the kernel shows them', async t => {
  const root = directoryOf(t)
  const make = (name: string, flags: string, counts: Record<string, string>) => {
    mkdirSync(join(root, name, 'statistics'), { recursive: true })
    writeFileSync(join(root, name, 'flags'), flags)
    for (const [what, text] of Object.entries(counts)) writeFileSync(join(root, name, 'statistics', `rx_${what}`), text)
  }
  make('eth1', '0x1002\n', { packets: '0\n', bytes: '0\n', errors: '0\n', dropped: '0\n' })
  make('eth0', '0x1103\n', { packets: '51000000\n', bytes: '40800000000\n', errors: '3\n', dropped: '2\n' })
  make('broken', '0x1003\n', { packets: 'many\n', bytes: '0\n', errors: '0\n', dropped: '0\n' })
  make('half', '0x1003\n', { packets: '1\n' })
  writeFileSync(join(root, 'bonding_masters'), 'bond0\n')
  t.same(await readInterfaces(root), [
    { name: 'eth0', up: true, packets_received: 51_000_000, bytes_received: 40_800_000_000, errors: 3, dropped: 2 },
    { name: 'eth1', up: false, packets_received: 0, bytes_received: 0, errors: 0, dropped: 0 }
  ])
  t.same(await readInterfaces(join(root, 'ghost')), [])
})

await t.test('an interface has rates, also when its counters begin again', async t => {
  const before = { name: 'eth0', up: true, packets_received: 1000, bytes_received: 64_000, errors: 7, dropped: 0 }
  t.match(withRates(before, { ...before, packets_received: 1200, bytes_received: 76_800, errors: 4 }, 2), {
    interval: 2,
    packets_per_second: 100,
    bytes_per_second: 6400,
    errors_per_second: 2,
    dropped_per_second: 0
  })
  t.same(withRates(undefined, before, 2), before, 'it was not there before')
})

await t.test('a Zeek process that is not ours is told of, without what may be secret', async t => {
  const zeek = join(directoryOf(t), 'zeek')
  // A shell that waits for its input, under Zeek's name: its parent is this process.
  copyFileSync('/bin/sh', zeek)
  const child = spawn(zeek, [
    '-c',
    'read x',
    'local',
    'Log::x=1',
    `API_KEY=hunter2\n${'x'.repeat(5000)}`,
    'y'.repeat(5000)
  ])
  t.teardown(() => {
    child.kill('SIGKILL')
  })
  await once(child, 'spawn')
  const found = async (own: number[]) => (await foreignProcesses(own)).find(({ pid }) => pid === child.pid)
  const foreign = await until(() => found([]), 'it is told of')
  t.ok(foreign.command.startsWith(`${zeek} -c read x local Log::x=1 API_KEY=******** yyy`))
  t.ok(foreign.command.length <= 1025)
  t.equal(await found([child.pid!]), undefined, 'one of ours is not foreign')
  t.equal(await found([process.pid]), undefined, 'nor is what descends from one of ours')
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.equal(await found([]), undefined)
})
