import fc from 'fast-check'
import t from 'tap'
import { overlap, Tails } from '../../src/cli/logs.js'
import { runs } from '../support/runs.js'

await t.test('lines that are told again are those that were told last', async t => {
  t.equal(overlap([], ['a', 'b']), 0, 'nothing was told')
  t.equal(overlap(['a', 'b'], ['a', 'b', 'c']), 2)
  t.equal(overlap(['a', 'b'], ['x', 'a', 'b', 'c']), 3, 'and what lies before them')
  t.equal(overlap(['x', 'a', 'b'], ['b', 'c']), 1, 'as far as they are told again')
  t.equal(overlap(['a', 'b'], ['c', 'd']), 0, 'others were written meanwhile')
  t.equal(overlap(['a', 'b'], []), 0)
})

await t.test('a first time has nothing to repeat, nor has an output that is new', async t => {
  const tails = new Tails()
  tails.beginAnew()
  t.same(tails.freshOf('worker-1 stdout', ['a', 'b']), ['a', 'b'])
  t.same(tails.freshOf('worker-1 stdout', ['a', 'b']), ['a', 'b'], 'what goes on may say the same again')
  tails.beginAnew()
  t.same(tails.freshOf('worker-1 stderr', ['a', 'b']), ['a', 'b'])
  t.same(tails.freshOf('worker-1 stdout', ['b', 'c']), ['c'])
  t.same(tails.freshOf('worker-1 stdout', ['b', 'c']), ['b', 'c'])
})

await t.test('over any number of beginnings, each line is told once, in order', async t => {
  // Lines that differ: what cannot be told apart is guessed.
  const story = fc.array(
    fc.record({
      written: fc.nat(30),
      // Lines that are asked for again; at least one that was told, or as many as were written meanwhile and one.
      again: fc.nat(200),
      parts: fc.integer({ min: 1, max: 40 }),
      meanwhile: fc.nat(30)
    }),
    { minLength: 1, maxLength: 8 }
  )
  fc.assert(
    fc.property(story, fc.nat(50), (sessions, before) => {
      const log = Array.from({ length: before }, (_, n) => `line ${n}`)
      const write = (count: number) => {
        for (let n = 0; n < count; n++) log.push(`line ${log.length}`)
      }
      const tails = new Tails()
      const told: string[] = []
      let skipped: number | undefined
      let followed = log.length
      for (const { written, again, parts, meanwhile } of sessions) {
        write(meanwhile)
        const missed = log.length - followed
        const start = skipped === undefined ? log.slice(-20) : log.slice(-Math.max(again, missed + 1))
        skipped ??= log.length - start.length
        tails.beginAnew()
        if (start.length > 0) told.push(...tails.freshOf('a', start))
        const from = log.length
        write(written)
        for (let at = from; at < log.length; at += parts) told.push(...tails.freshOf('a', log.slice(at, at + parts)))
        followed = log.length
      }
      return told.join() === log.slice(skipped).join()
    }),
    { numRuns: runs(100) }
  )
})
