import t from 'tap'
import type { NodeStats } from '../../../schemas/operations.js'
import type { Outcome } from '../../../schemas/types.js'
import { pointsOf, StatsHistory, withReading } from '../../../src/agent/stats/history.js'
import type { Reading } from '../../../src/agent/stats/rates.js'

/** What was read of a node that takes half a processor and receives ten packets a second. */
const reading = (seconds: number, more: Partial<NodeStats> = {}, process = 'p'): Reading => ({
  process,
  at: seconds * 1000,
  stats: {
    node: 'w',
    time: new Date(seconds * 1000).toISOString(),
    pid: 1,
    uptime: seconds,
    cpu_seconds: seconds / 2,
    memory_bytes: 1000,
    packets_received: seconds * 10,
    packets_dropped: 0,
    ...more
  }
})
const every = (interval: number, count: number) => Array.from({ length: count }, (_, n) => reading(n * interval))
const collect = (readings: readonly Reading[]) => readings.reduce<readonly Reading[]>(withReading, [])
const seconds = (readings: readonly Reading[]) => readings.map(({ at }) => at / 1000)
const timesOf = (points: readonly { time: string }[]) => points.map(({ time }) => Date.parse(time) / 1000)

await t.test('one reading of each 20 s is kept, however often there is one', async t => {
  t.same(seconds(collect(every(10, 7))), [0, 20, 40, 60])
  t.same(seconds(collect(every(0.1, 601))), [0, 20, 40, 60])
  t.same(seconds(collect(every(60, 3))), [0, 60, 120])
  t.same(seconds(collect(every(15, 7))), [0, 30, 45, 60, 90])
})

for (const interval of [0.5, 7, 10, 20, 33, 600]) {
  await t.test(`of an hour there are at most 180 points, sampled every ${interval} s`, async t => {
    const readings = collect(every(interval, Math.ceil(10_000 / interval)))
    const now = readings.at(-1)!.at
    const points = pointsOf(readings, 180, now)
    t.ok(points.length <= 180 && points.length >= Math.min(110, 3600 / interval), `${points.length}`)
    t.ok(
      timesOf(points).every((time, index, all) => time > now / 1000 - 3600 && time > (all[index - 1] ?? 0)),
      'oldest first'
    )
    t.equal(timesOf(points).at(-1), now / 1000)
    for (const point of points) t.match(point, { cpu_percent: 50, packets_per_second: 10, dropped_percent: 0 })
    t.ok(readings.length <= 181)
  })
}

await t.test('rates are since the point before, and the first of all has none', async t => {
  const readings = collect([
    reading(0),
    reading(10, { packets_received: 5000 }),
    reading(20, { packets_received: 9000, packets_dropped: 1000, packet_lag: 0.00123456, cpu_seconds: 1.23456 })
  ])
  t.same(pointsOf(readings, 180, 20_000), [
    { time: '1970-01-01T00:00:00.000Z', memory_bytes: 1000 },
    {
      time: '1970-01-01T00:00:20.000Z',
      cpu_percent: 6.2,
      memory_bytes: 1000,
      packets_per_second: 450,
      dropped_percent: 10,
      packet_lag: 0.001
    }
  ])
})

await t.test('what was not read is left out', async t => {
  const bare = (seconds: number) => {
    const { packets_received: _received, packets_dropped: _dropped, ...stats } = reading(seconds).stats
    return { ...reading(seconds), stats }
  }
  t.same(pointsOf(collect([bare(0), bare(20)]), 180, 20_000)[1], {
    time: '1970-01-01T00:00:20.000Z',
    cpu_percent: 50,
    memory_bytes: 1000
  })
})

await t.test('a process that was started anew has the rates since its start', async t => {
  const readings = collect([
    reading(0),
    reading(1000, { uptime: 5, cpu_seconds: 1, packets_received: 100, packets_dropped: 0 }, 'q')
  ])
  t.match(pointsOf(readings, 180, 1_000_000)[1], { cpu_percent: 20, packets_per_second: 20 })
})

await t.test(
  'fewer points are so far apart that they are of the whole hour, and miss nothing between them',
  async t => {
    const readings = collect(every(20, 200).map(one => (one.at === 3_000_000 ? { ...one } : one)))
    const now = readings.at(-1)!.at
    for (const [most, step] of [
      [180, 20],
      [179, 40],
      [90, 40],
      [7, 520],
      [1, 3600]
    ] as const) {
      const points = pointsOf(readings, most, now)
      t.ok(points.length <= most, `${points.length} of ${most}`)
      const times = timesOf(points)
      t.equal(times.at(-1), now / 1000)
      t.same(
        times.slice(1).map((time, index) => time - times[index]!),
        times.slice(1).map(() => step)
      )
      for (const point of points) t.match(point, { packets_per_second: 10 })
    }
    const burst = collect([
      reading(0),
      reading(20, { packets_received: 7000 }),
      reading(40, { packets_received: 7000 })
    ])
    t.equal(pointsOf(burst, 1, 40_000)[0]?.packets_per_second, 0, 'of the reading before')
    t.equal(pointsOf(burst, 2, 40_000)[1]?.packets_per_second, 175, 'of the point before')
    t.same(pointsOf(readings, 0, now), [])
    t.equal(pointsOf(readings, 100_000, now).length, 180)
    t.same(pointsOf([], 180, now), [])
  }
)

await t.test('what is older than an hour is not told', async t => {
  const readings = collect(every(20, 10))
  t.equal(pointsOf(readings, 180, 3_600_000 + 100_000).length, 4)
  t.same(pointsOf(readings, 180, 4_000_000), [])
})

await t.test('outcomes have it, failures too; nodes that are deployed away are forgotten', async t => {
  const history = new StatsHistory()
  const samples = (...names: string[]) =>
    new Map(names.map(name => [name, { reading: { ...reading(20) }, stats: reading(20).stats }]))
  const outcomes: Outcome[] = [
    { success: true, node: 'a', data: { stats: reading(20).stats } },
    { success: false, node: 'b', error: 'cluster node b not in running state' },
    { success: true, node: 'new', data: { stats: reading(20).stats } },
    { success: false, node: 'nobody', error: 'unknown cluster node' }
  ]
  const [point] = pointsOf([reading(20)], 180, 20_000)
  history.note(samples('a', 'b'), ['a', 'b'])
  t.same(history.addTo(outcomes, 180, 21_000), [
    { ...outcomes[0], data: { stats: reading(20).stats, history: [point] } },
    { ...outcomes[1], data: { history: [point] } },
    { ...outcomes[2], data: { stats: reading(20).stats, history: [] } },
    outcomes[3]
  ])
  history.note(new Map(), ['a', 'b'])
  t.same(history.addTo(outcomes, 180, 21_000)[1]?.data, { history: [point] }, 'one that does not run is remembered')
  history.note(samples('a'), ['a'])
  t.same(history.addTo(outcomes, 180, 21_000)[1], outcomes[1])
})
