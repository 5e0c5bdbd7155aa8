import t from 'tap'
import {
  archiveText,
  bitRate,
  byTraffic,
  losesPackets,
  majorityOf,
  odditiesOf,
  toneOfLoad,
  toneOfUse,
  usedPercent,
  versionsOf,
  withAnswer,
  type Host,
  type HostStats,
  type InstanceStats
} from '../../console/model/hosts.js'

await t.test('says who has another version than most', async t => {
  const { usual, others } = majorityOf(
    new Map([
      ['a', '9.0.0'],
      ['b', '9.0.1'],
      ['c', '9.0.0'],
      ['d', undefined]
    ])
  )
  t.equal(usual, '9.0.0')
  t.same([...others], ['b'])
  t.same(majorityOf(new Map()), { usual: undefined, others: new Set() })
  t.equal(majorityOf(new Map(Object.entries({ a: '2', b: '1' }))).usual, '1', 'always the same of equals')
})

await t.test('judges what is used', async t => {
  t.equal(usedPercent(200, 50), 75)
  t.equal(usedPercent(0, 0), 0)
  t.equal(usedPercent(10, 20), 0)
  t.same([50, 90, 96].map(toneOfUse), ['good', 'doubt', 'bad'])
  t.same([toneOfLoad(3, 2), toneOfLoad(3.1, 2), toneOfLoad(1, 0)], ['good', 'doubt', 'good'])
})

await t.test('shows interfaces that see the most first, and whether they lose something', async t => {
  const one = (name: string, packets?: number, dropped?: number) => ({
    name,
    up: true,
    packets_received: 1,
    bytes_received: 1,
    errors: 0,
    dropped: 9,
    ...(packets === undefined ? {} : { packets_per_second: packets }),
    ...(dropped === undefined ? {} : { dropped_per_second: dropped })
  })
  t.same(
    byTraffic([one('lo'), one('eth1', 5), one('eth0', 7), one('br0')]).map(({ name }) => name),
    ['eth0', 'eth1', 'br0', 'lo']
  )
  t.equal(losesPackets(one('lo', 1)), false)
  t.equal(losesPackets(one('lo', 1, 0.5)), true)
})

const stats: InstanceStats = {
  time: '2026-11-22T14:48:56Z',
  version: '0.1.0',
  zeek_version: '9.0.0',
  cpus: 2,
  load: [0.5, 0.4, 0.3],
  memory_bytes: 100,
  memory_available_bytes: 50,
  swap_bytes: 0,
  swap_free_bytes: 0,
  file_systems: [{ path: '/var', holds: ['state'], size_bytes: 2048, free_bytes: 1024 }],
  interfaces: [],
  foreign: []
}
const host = (name: string, more: Partial<InstanceStats> = {}, told: Partial<HostStats> = {}): Host => ({
  name,
  instance: { name, connected: true, configured: true },
  nodes: [],
  told: { stats: { ...stats, ...more }, at: 1, error: undefined, ...told }
})

await t.test('says what is odd about a host, the worst first', async t => {
  const hosts = [
    host('a'),
    host('b'),
    host('c', {
      zeek_version: '8.0.4',
      load: [9, 1, 1],
      file_systems: [{ path: '/logs', holds: ['logs'], size_bytes: 2048, free_bytes: 10 }],
      archive: {
        queue: '/q',
        directory: '/d',
        files: 1,
        bytes: 1,
        archived: 0,
        deleted: 0,
        failures: 2,
        error: 'exited with code 1\u202e'
      },
      foreign: [{ pid: 1, command: 'zeek' }]
    }),
    host('d', {}, { error: 'request timed out' }),
    { ...host('e'), instance: undefined, told: undefined }
  ]
  const versions = versionsOf(hosts)
  const odd = (index: number) => odditiesOf(hosts[index]!, versions).map(({ tone, text }) => `${tone}: ${text}`)
  t.same(odd(0), [])
  t.same(odd(2), [
    'bad: /logs: 99.5% used, 10 B free',
    'bad: archiving fails: exited with code 1\\u202e',
    'doubt: load 9 on 2 processors',
    'doubt: 1 Zeek not started by the agent',
    'doubt: Zeek 8.0.4, most have 9.0.0'
  ])
  t.same(odd(3), ['bad: request timed out'])
  t.same(odd(4), ['bad: not connected'])
})

await t.test('keeps what was told by who does not answer', async t => {
  const results = [{ reqid: 'r', success: true, instance: 'a', data: { instance_stats: stats } }]
  const first = withAnswer(new Map(), results, 5)
  const second = withAnswer(first, [{ reqid: 's', success: false, instance: 'a', error: 'request timed out' }], 9)
  t.same(second.get('a'), { stats, at: 5, error: 'request timed out' })
  t.same(withAnswer(second, results, 12).get('a'), { stats, at: 12, error: undefined })
  t.same(withAnswer(first, [{ reqid: 's', success: false, error: 'no instances connected' }], 9), first)
})

await t.test('tells of the archive and of rates in words', async t => {
  const archive = { queue: '', directory: '', archived: 0, deleted: 0, failures: 0 }
  t.equal(archiveText({ ...archive, files: 0, bytes: 0 }), 'no log waits')
  t.equal(archiveText({ ...archive, files: 2, bytes: 2048, oldest: 90 }), '2 logs (2.0 KiB) wait, the oldest for 1 min')
  t.equal(bitRate(48_800_000), '390.4 Mbit/s')
  t.equal(bitRate(0), '0 bit/s')
})
