import fc from 'fast-check'
import t from 'tap'
import { clusterRoles } from '../../../schemas/types.js'
import { stepsOf } from '../../../src/controller/rollout/steps.js'

const worker = (name: string, instance = 'a') => ({ name, instance, role: 'WORKER' as const })
const namesOf = (steps: { name: string }[][]) => steps.map(step => step.map(({ name }) => name))
const workers = [worker('w1', 'a'), worker('w2', 'b'), worker('w3', 'a'), worker('w4', 'b'), worker('w5', 'a')]

await t.test('roles come in the order in which they start', async t => {
  const nodes = [worker('w'), { name: 'p', instance: 'a', role: 'PROXY' as const }]
  const more = [
    { name: 'm', instance: 'b', role: 'MANAGER' as const },
    { name: 'l', instance: 'a', role: 'LOGGER' as const }
  ]
  t.strictSame(namesOf(stepsOf([...nodes, ...more], { most: all => all })), [['m'], ['l'], ['p'], ['w']])
  t.strictSame(stepsOf([], { most: all => all }), [])
})

await t.test('few at a time, few on one instance', async t => {
  t.strictSame(namesOf(stepsOf(workers, { most: () => 2 })), [['w1', 'w2'], ['w3', 'w4'], ['w5']])
  t.strictSame(namesOf(stepsOf(workers, { most: () => 3, perInstance: 1 })), [['w1', 'w2'], ['w3', 'w4'], ['w5']])
  t.strictSame(namesOf(stepsOf(workers, { most: () => 3, perInstance: 2 })), [
    ['w1', 'w2', 'w3'],
    ['w4', 'w5']
  ])
  t.strictSame(
    namesOf(stepsOf(workers, { most: () => 0 })),
    [['w1'], ['w2'], ['w3'], ['w4'], ['w5']],
    'a share of few is at least one'
  )
})

await t.test('a canary comes first and alone, of workers only', async t => {
  const nodes = [...workers, { name: 'm', instance: 'a', role: 'MANAGER' as const }]
  t.strictSame(namesOf(stepsOf(nodes, { most: () => 2, canary: 1 })), [['m'], ['w1'], ['w2', 'w3'], ['w4', 'w5']])
  t.strictSame(namesOf(stepsOf(nodes, { most: all => all, canary: 9 })), [['m'], ['w1', 'w2', 'w3', 'w4', 'w5']])
  t.strictSame(namesOf(stepsOf(nodes.slice(-1), { most: all => all, canary: 1 })), [['m']])
})

await t.test('a part of the workers counts those of the canary, too', async t => {
  const asked: number[] = []
  stepsOf(workers, { most: of => asked.push(of), canary: 2 })
  t.strictSame(asked.at(-1), workers.length)
})

await t.test('each node is in one step, and no step is more than is allowed', async t => {
  const anyNode = fc.record({
    role: fc.constantFrom(...clusterRoles),
    instance: fc.constantFrom('a', 'b', 'c')
  })
  const few = fc.integer({ min: 1, max: 4 })
  fc.assert(
    fc.property(fc.array(anyNode), few, few, fc.nat(3), (nodes, most, perInstance, canary) => {
      const steps = stepsOf(nodes, { most: () => most, perInstance, canary })
      const all = steps.flat()
      t.equal(all.length, nodes.length)
      t.strictSame(new Set(all), new Set(nodes))
      const first = steps.find(([node]) => node!.role === 'WORKER')
      for (const step of steps) {
        t.ok(step.length > 0)
        t.equal(new Set(step.map(({ role }) => role)).size, 1)
        if (canary > 0 && step === first) continue
        t.ok(step.length <= most)
        for (const place of ['a', 'b', 'c']) {
          t.ok(step.filter(({ instance }) => instance === place).length <= perInstance)
        }
      }
      const order = steps.map(([node]) => clusterRoles.indexOf(node!.role))
      t.strictSame(
        order,
        [...order].sort((a, b) => a - b)
      )
    })
  )
})
