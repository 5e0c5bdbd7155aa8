import t from 'tap'
import { simulate } from './simulation.js'

await t.test('no promise is broken while replicas crash, are cut off and come back', async t => {
  for (let seed = 1; seed <= 12; seed++) {
    const { acknowledged, terms } = await simulate(seed)
    t.ok(acknowledged > 10, `schedule ${seed}: ${acknowledged} writes are acknowledged`)
    t.ok(terms > 0, `schedule ${seed}: ${terms} terms`)
  }
})

await t.test('a schedule follows from its seed', async t => {
  t.same(await simulate(3, 20), await simulate(3, 20))
})
