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

await t.test('what was used beyond the allowance is a debt, which time pays off', t => {
  const clock = { now: 1_000_000 }
  const allowance = new Allowance({ perSecond: 10, burst: 20, now: () => clock.now })
  t.notOk(allowance.isUsedUp('a'))
  allowance.charge('a', 19.5)
  t.notOk(allowance.isUsedUp('a'), 'a little is left')
  allowance.charge('a', 30)
  t.ok(allowance.isUsedUp('a'))
  t.notOk(allowance.take('a'))
  t.notOk(allowance.isUsedUp('b'), 'another has its own')
  clock.now += 2_950
  t.ok(allowance.isUsedUp('a'), 'exactly nothing is left')
  clock.now += 1
  t.notOk(allowance.isUsedUp('a'))
  t.notOk(allowance.take('a'), 'not a whole one yet')
  clock.now += 100
  t.ok(allowance.take('a'))
  t.end()
})

await t.test('no debt is forgotten before it is paid, whoever comes meanwhile', t => {
  const clock = { now: 1_000_000 }
  const allowance = new Allowance({ perSecond: 10, burst: 20, now: () => clock.now })
  allowance.charge('debtor', 40)
  clock.now += 1_000
  for (let n = 0; n < 1_000; n++) allowance.take(`client ${n}`)
  t.ok(allowance.isUsedUp('debtor'))
  clock.now += 4_000
  for (let n = 0; n < 20; n++) t.ok(allowance.take('debtor'))
  t.notOk(allowance.take('debtor'), 'nor is there more than the burst')
  t.end()
})
