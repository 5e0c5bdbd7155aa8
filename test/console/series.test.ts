import t from 'tap'
import { joined, lonely, pointOf, seriesOf, summaryOf, ticksOf, topOf, type Point } from '../../console/model/series.js'

const now = Date.parse('2026-11-22T15:00:00Z')
const at = (secondsAgo: number, packets?: number): Point => ({
  time: new Date(now - secondsAgo * 1000).toISOString(),
  ...(packets === undefined ? {} : { packets_per_second: packets })
})

await t.test('joins the last hour with samples, no more often than agents take them', async t => {
  const points = joined([at(4000, 1), at(40, 2), at(20, 3)], [at(20, 4), at(30, 5), at(10, 6), at(9, 7)], now)
  t.same(points, [at(40, 2), at(30, 5), at(20, 3), at(10, 6)])
})

await t.test('makes a point of a sample', async t => {
  const sample = { node: 'w', time: at(0).time, pid: 1, uptime: 1, cpu_seconds: 1, memory_bytes: 5, packet_lag: 0 }
  t.same(pointOf(sample), { time: at(0).time, memory_bytes: 5, packet_lag: 0 })
})

await t.test('shows as a gap what is missing', async t => {
  const { times, values } = seriesOf([at(200, 1), at(180, 2), at(100, 3), at(90)], 'packets_per_second')
  t.same(values, [1, 2, null, 3, null])
  t.same(
    times.map(time => now / 1000 - time),
    [200, 180, 140, 100, 90]
  )
  t.same(lonely(values), [3])
  t.same(lonely([]), [])
})

await t.test('sums up', async t => {
  t.same(summaryOf([3, null, 1, 2, null]), { last: 2, least: 1, most: 3 })
  t.equal(summaryOf([null]), undefined)
})

await t.test('tells whole minutes at an axis', async t => {
  const ticks = ticksOf(now / 1000 - 3600, now / 1000, 6)
  t.equal(ticks.length, 7)
  t.ok(ticks.every(({ at }) => at % 600 === 0))
  t.match(ticks[0]!.text, /^\d\d:\d0$/)
  t.equal(ticksOf(now / 1000 - 3600, now / 1000, 3).length, 4)
})

await t.test('ends an axis at a round value', async t => {
  t.same(
    [0, 0.7, 1, 3, 61_000, 99, 1e9].map(value => topOf(value)),
    [1, 0.8, 1, 3, 80_000, 100, 1e9]
  )
  t.equal(topOf(260 * 1024 ** 2, 1024 ** 2), 300 * 1024 ** 2)
})
