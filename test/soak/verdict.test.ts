import t from 'tap'
import { fit, percentile } from './slope.js'
import { excess, leaks } from './verdict.js'

const minute = 60_000
/** Ten minutes that begin somewhere and grow, with a saw on top. */
const series = (perHour: number, saw = 0) =>
  Array.from({ length: 61 }, (_, n) => [1e12 + (n * minute) / 6, 50 + (perHour * n) / 360 + (n % 2) * saw] as const)
const life = {
  name: 'controller',
  rss: series(0),
  heap: series(0),
  code: series(60),
  before: { Timeout: 3 },
  after: { Timeout: 3 }
}

await t.test('the slope is that of the line that fits best', async t => {
  t.match(Math.round(fit(series(30)).perHour * 1e6) / 1e6, 30)
  t.match(Math.round(fit(series(30)).rise * 1e6) / 1e6, 5)
  t.ok(Math.abs(fit(series(30, 4)).perHour - 30) < 1)
  t.same(fit([]), { perHour: 0, rise: 0 })
})

await t.test('a percentile is one of the values', async t => {
  t.same(
    [0.5, 0.99, 1].map(share => percentile([4, 1, 3, 2], share)),
    [2, 4, 4]
  )
  t.equal(percentile([], 0.5), 0)
})

await t.test('what grows is told, and noise is not', async t => {
  t.same([...leaks(life)], [])
  t.same([...leaks({ ...life, heap: series(5), rss: series(40, 6) })], [])
  t.match([...leaks({ ...life, heap: series(30) })], [/^heap of controller grows by 30\.0 MB an hour/])
  t.match([...leaks({ ...life, rss: series(200) })], [/^rss of controller grows by 200\.0/])
  const dip = series(0).map(([at, value], n) => [at, n < 20 ? value - 30 : value] as const)
  t.same([...leaks({ ...life, rss: dip, heap: dip })], [], 'what was given back and is taken again')
  t.same([...leaks({ ...life, after: { Timeout: 5 } })], [])
  t.match(
    [...leaks({ ...life, after: { Timeout: 6, FSWatcher: 3 } })],
    [/^controller has 6 Timeout at rest, and had 3/, /^controller has 3 FSWatcher at rest, and had 0/]
  )
  t.same([...excess({ events: { count: 10, max: 10 }, audit: { count: 11, max: 10 } })], ['audit: 11, more than 10'])
})
