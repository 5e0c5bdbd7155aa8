import fc from 'fast-check'
import t from 'tap'
import { elasticDefaults, type ElasticGroup } from '../../schemas/groups.js'
import { faultsOf, limitsOf, mixedGroups, sparesOf } from '../../src/groups/elastic.js'

const names = (count: number) => Array.from({ length: count }, (_, n) => `w-${n + 1}`)
const group = (max: number, min: number, nodes = names(max)): ElasticGroup => ({
  name: 'w',
  instance: 'a',
  workers: limitsOf({ min, max }),
  nodes
})

await t.test('what a group does not say has its default', async t =>
  t.strictSame(limitsOf({ min: 1, max: 2, window_seconds: 5 }), {
    ...elasticDefaults,
    min: 1,
    max: 2,
    window_seconds: 5
  })
)

await t.test('what cannot be is said by its name', async t => {
  t.same(faultsOf('w', { min: 3, max: 3 }), [])
  t.same(faultsOf('w', 'auto'), [])
  t.same(faultsOf('w', { min: 3, max: 2 }), ["group 'w': workers.min is 3, which is more than workers.max, 2"])
  t.same(faultsOf('w', { min: 1, max: 2, min_cpu_percent: 80 }), [
    "group 'w': workers.min_cpu_percent is 80, which is not less than workers.max_cpu_percent, 80"
  ])
})

await t.test('of a new group the first workers run, and the others are spares', async t =>
  t.same(sparesOf([group(4, 2)], { isThere: () => false, isStopped: () => false, isSpare: () => false }), [
    'w-3',
    'w-4'
  ])
)

await t.test('what runs goes on, what was stopped stays so, and as many run as must', async t => {
  const five = names(5)
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.subarray(five),
      fc.subarray(five),
      fc.subarray(five),
      (min, there, stopped, idle) => {
        const [isThere, isStopped] = [there, stopped].map(some => (node: string) => some.includes(node)) as [any, any]
        const isSpare = (node: string) => idle.includes(node) && isThere(node) && !isStopped(node)
        const spares = sparesOf([group(5, min)], { isThere, isStopped, isSpare })
        for (const node of spares) {
          t.notOk(isStopped(node), `${node} is an operator's`)
          t.ok(!isThere(node) || isSpare(node), `${node} was running`)
        }
        const running = five.filter(node => !isStopped(node) && !spares.includes(node)).length
        t.ok(running >= Math.min(min, 5 - stopped.length))
        const needed = five.filter(node => isThere(node) && !isStopped(node) && !isSpare(node)).length
        if (spares.length > 0) t.equal(running, Math.max(min, needed), 'no more are started than must run')
      }
    )
  )
})

await t.test('a mixture has each worker in the group of its side, once, in order', async t => {
  const [before, after] = [group(10, 1), group(12, 3)]
  const mixed = (changed: readonly string[], held: readonly string[]) =>
    mixedGroups([before], [after], {
      isChanged: node => changed.includes(node),
      isHeld: node => held.includes(node)
    })
  t.strictSame(mixed([], names(10)), [before])
  t.strictSame(mixed(names(12), []), [after])
  t.strictSame(mixed(['w-11', 'w-2'], names(10).slice(2)), [
    { ...after, nodes: ['w-2', ...names(10).slice(2), 'w-11'] }
  ])
  t.strictSame(mixed([], []), [])
  t.strictSame(mixedGroups(undefined, [after], { isChanged: () => true, isHeld: () => true }), [after])
})
