import fc from 'fast-check'
import t from 'tap'
import { follow, verdictOf, type FanOut } from '../../../src/agent/stats/fan-out.js'

/** A number between 0 and 1, the same for the same seed: a test of chance must not be left to it. */
function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** The number of heads of so many coins, as the normal distribution has it. */
const heads = (coins: number, next: () => number) =>
  Math.round(coins / 2 + (Math.sqrt(coins) / 2) * Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()))

interface Watching {
  known: FanOut | undefined
  counts: number[]
}

/**
 * Samples workers every ten seconds: `grow` is what each has counted in between. What the samples prove is told of
 * each.
 */
function watch(
  workers: number,
  samples: number,
  grow: (sample: number) => readonly number[],
  { seconds = 10, process = (_worker: number, _sample: number): string => 'p' } = {}
) {
  const state: Watching = { known: undefined, counts: Array.from({ length: workers }, () => 0) }
  return Array.from({ length: samples }, (_, sample) => {
    const grown = grow(sample)
    state.counts = state.counts.map((count, worker) => count + grown[worker]!)
    state.known = follow(
      state.known,
      sample * seconds * 1000,
      state.counts.map((packets, worker) => ({ node: `w${worker}`, process: process(worker, sample), packets }))
    )
    return verdictOf(state.known)
  })
}

await t.test('workers that count the same are told once eight blocks of samples in a row say so', async t => {
  const verdicts = watch(2, 9, sample => [10_000 + sample, 10_000 + sample])
  t.same(verdicts.slice(0, 8), Array.from({ length: 8 }))
  t.same(verdicts[8], { nodes: ['w0', 'w1'], duplicated: true })
  const next = random(1)
  const late = watch(3, 60, () => Array.from({ length: 3 }, () => 10_000 + Math.round(next() * 4)))
  t.ok(
    late.slice(8).some(verdict => verdict?.duplicated),
    'read at not quite the same time'
  )
})

await t.test(
  'at any rate a few milliseconds between two readings do not hide that the counts are the same',
  async t => {
    for (const rate of [100, 1000, 20_000, 100_000]) {
      const [next, late] = [random(rate), [0, 0]]
      const verdicts = watch(2, 400, () =>
        late.map((before, worker) => {
          // Each worker has counted up to three milliseconds longer than the sample says.
          const now = (late[worker] = Math.round(rate * 0.003 * next()))
          return rate * 10 + now - before
        })
      )
      t.ok(
        verdicts.some(verdict => verdict?.duplicated),
        `${rate} packets a second`
      )
    }
  }
)

await t.test('packets that are spread well are not told, however many they are', async t => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 100, max: 2_000_000 }), (seed, rate) => {
      const next = random(seed)
      return watch(2, 300, () => {
        const first = heads(rate * 20, next)
        return [first, rate * 20 - first]
      }).every(verdict => !verdict?.duplicated)
    }),
    { numRuns: 100 }
  )
})

await t.test('the same for the packets of connections, and for eight workers', async t => {
  const next = random(7)
  const verdicts = watch(8, 3000, () => Array.from({ length: 8 }, () => 10 * heads(20_000, next)))
  t.notOk(verdicts.some(verdict => verdict?.duplicated))
  t.ok(verdicts.at(-1)!.heaviest!.times < 1.1)
})

await t.test('workers that count little or nothing prove nothing', async t => {
  t.same(watch(2, 100, () => [0, 0]).filter(Boolean), [])
  t.same(watch(3, 50, () => [1, 1, 1]).filter(Boolean), [])
  t.equal(
    watch(2, 100, () => [100, 100]).findIndex(verdict => verdict?.duplicated),
    80,
    'a thousand make a block'
  )
})

await t.test('what was proven stays when a sample comes late, and goes when the counts part', async t => {
  const parted = (difference: number) =>
    watch(2, 20, sample => (sample < 10 ? [10_000, 10_000] : [10_000, 10_000 + difference]))
  t.ok(parted(80).at(-1)!.duplicated)
  t.notOk(parted(300)[10]!.duplicated)
  t.notOk(
    watch(2, 20, sample => [10_000, sample % 8 === 7 ? 10_080 : 10_000]).some(verdict => verdict?.duplicated),
    'but it is not proven so'
  )
})

await t.test('another process, another worker and a counter that has begun again begin anew', async t => {
  const verdicts = watch(2, 20, () => [10_000, 10_000], {
    process: (worker, sample) => (worker === 1 && sample >= 10 ? 'q' : 'p')
  })
  t.same(
    verdicts.map(verdict => verdict?.duplicated),
    [...Array.from({ length: 8 }), true, true, ...Array.from({ length: 8 }), true, true]
  )
  const known = follow(undefined, 0, [
    { node: 'a', process: 'p', packets: 5000 },
    { node: 'b', process: 'p', packets: 5000 }
  ])
  t.same(
    follow(known, 1, [
      { node: 'a', process: 'p', packets: 4000 },
      { node: 'b', process: 'p', packets: 6000 }
    ]).counts,
    [4000, 6000]
  )
  t.equal(follow(known, 1, [{ node: 'a', process: 'p', packets: 6000 }]).counts.length, 1)
  t.equal(
    follow(known, 1000, [
      { node: 'a', process: 'p', packets: 5010 },
      { node: 'b', process: 'p', packets: 5010 }
    ]),
    known,
    'the block goes on'
  )
})

await t.test(
  'a worker that counts many times the median is told with the least of eight blocks, of at least three workers',
  async t => {
    t.match(watch(3, 9, sample => [10_000, 10_000 * (7 + sample), 12_000]).at(-1), {
      duplicated: false,
      heaviest: { node: 'w1', times: 8 / 1.2 }
    })
    t.equal(
      watch(3, 20, sample => [10_000, 10_000, sample % 8 === 7 ? 10_000 : 70_000]).at(-1)!.heaviest!.times,
      1,
      'not always: a burst'
    )
    t.equal(watch(2, 9, () => [10_000, 100_000]).at(-1)!.heaviest, undefined)
    t.match(
      watch(4, 9, () => [0, 0, 0, 50_000]).at(-1),
      { heaviest: { node: 'w3', times: 50_000 } },
      'it gets all of them'
    )
  }
)
