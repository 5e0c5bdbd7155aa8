import t from 'tap'
import { Allowance } from '../src/allowance.js'

await t.test('a key takes a burst at once, and then as much as time gives it', t => {
  let now = 0
  const allowance = new Allowance({ perSecond: 2, burst: 3, now: () => now })
  const taken = (key: string) => Array.from({ length: 5 }, () => allowance.take(key)).filter(Boolean).length
  t.equal(taken('a'), 3)
  t.equal(taken('b'), 3, 'another key has its own')
  now = 499
  t.equal(taken('a'), 0)
  now = 500
  t.equal(taken('a'), 1)
  now = 1500
  t.equal(taken('a'), 2)
  now = 60_000
  t.equal(taken('a'), 3, 'no more than a burst is saved')
  now = 0
  t.equal(taken('a'), 0, 'a clock that goes back gives nothing')
  t.end()
})
