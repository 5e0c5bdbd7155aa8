import t from 'tap'
import type { NodeStats } from '../../../schemas/operations.js'
import { loadOf } from '../../../src/controller/elastic/load.js'

const stats = (node: string, uptime: number, more: Partial<NodeStats> = {}): NodeStats => ({
  node,
  time: '2026-11-22T14:48:56.123Z',
  pid: 7,
  uptime,
  cpu_seconds: uptime / 2,
  memory_bytes: 1,
  packets_received: uptime * 90,
  packets_dropped: uptime * 10,
  ...more
})
const sample = (...all: NodeStats[]) => new Map(all.map(one => [one.node, one]))
const before = sample(stats('a', 100), stats('b', 200))

await t.test('rates are those between the samples, of all workers together', async t => {
  const now = sample(stats('a', 110), stats('b', 210, { cpu_seconds: 101, packets_dropped: 2000 }))
  t.strictSame(loadOf(['a', 'b'], [before, now], 10), {
    workers: 2,
    seconds: 10,
    cpuPercent: 30,
    traffic: { packets: 190, droppedPercent: (100 * 100) / 1900 }
  })
  t.match(loadOf(['a'], [before, now], 10), { workers: 1, cpuPercent: 50, traffic: { droppedPercent: 10 } })
})

await t.test('without packets nothing was dropped; who does not tell of them does not say so', async t => {
  const silent = { packets_received: 0, packets_dropped: 0 }
  const idle = [sample(stats('a', 1, silent)), sample(stats('a', 11, silent))] as const
  t.match(loadOf(['a'], [...idle], 10), { traffic: { packets: 0, droppedPercent: 0 } })
  const { packets_dropped: _dropped, ...untold } = stats('b', 210)
  t.match(loadOf(['a', 'b'], [before, sample(stats('a', 110), untold)], 10), { traffic: undefined, workers: 2 })
})

await t.test('nothing is known where one was not there for all of the time', async t => {
  const at = (...now: NodeStats[]) => loadOf(['a', 'b'], [before, sample(...now)], 10)
  t.ok(at(stats('a', 110), stats('b', 210)))
  t.notOk(at(stats('a', 110)), 'it is not told of')
  t.notOk(at(stats('a', 110), stats('b', 210, { pid: 8 })), 'it is another process')
  t.notOk(at(stats('a', 110), stats('b', 5)), 'it is another process of that id')
  t.notOk(at(stats('a', 104), stats('b', 210)), 'the time is too short')
  t.notOk(at(stats('a', 130), stats('b', 230)), 'the sample before is too old')
  t.notOk(loadOf([], [before, before], 10), 'none runs')
})
