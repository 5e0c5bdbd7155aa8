import fc from 'fast-check'
import t from 'tap'
import { planOf } from '../../../src/agent/nodes/plan.js'

await t.test('what is done to a node, and why', async t => {
  const plan = (desired: 'RUNNING' | 'STOPPED', state: string | undefined, reason?: string, force = false) =>
    planOf(
      new Map([['n', { desired, node: {} }]]),
      new Map(state === undefined ? [] : [['n', { state: state as 'RUNNING' }]]),
      new Map(reason === undefined ? [] : [['n', reason]]),
      { force }
    ).get('n')
  t.same(plan('RUNNING', undefined), { action: 'start' })
  t.same(plan('RUNNING', 'CRASHED'), { action: 'start' })
  t.same(plan('RUNNING', 'RUNNING'), { action: 'none' })
  t.same(plan('RUNNING', 'RUNNING', 'configuration changed'), { action: 'restart', reason: 'configuration changed' })
  t.same(plan('RUNNING', 'RUNNING', undefined, true), { action: 'restart', reason: 'forced' })
  t.same(plan('STOPPED', 'RUNNING', 'configuration changed'), { action: 'stop', reason: 'was stopped by an operator' })
  t.same(plan('STOPPED', 'FAILED'), { action: 'none' })
  t.same(plan('STOPPED', undefined), { action: 'none' })
})

await t.test('a spare that runs is stopped as one', async t => {
  const wanted = new Map([['n', { desired: 'STOPPED' as const, node: { spare: true } }]])
  t.same(planOf(wanted, new Map([['n', { state: 'RUNNING' as const }]]), new Map(), {}).get('n'), {
    action: 'stop',
    reason: 'is a spare'
  })
})

await t.test('a node that is held goes on, however it differs; one that does not run is started', async t => {
  const wanted = new Map([
    ['runs', { desired: 'RUNNING' as const, node: {} }],
    ['stopped', { desired: 'STOPPED' as const, node: {} }],
    ['gone', { desired: 'RUNNING' as const, node: {} }],
    ['other', { desired: 'RUNNING' as const, node: {} }]
  ])
  const units = new Map(['runs', 'stopped', 'other'].map(name => [name, { state: 'RUNNING' as const }]))
  const reasons = new Map([...wanted.keys()].map(name => [name, 'differs']))
  t.same(Object.fromEntries(planOf(wanted, units, reasons, { force: true, held: ['runs', 'stopped', 'gone'] })), {
    runs: { action: 'none' },
    stopped: { action: 'none' },
    gone: { action: 'start' },
    other: { action: 'restart', reason: 'differs' }
  })
})

await t.test('after what was planned is done, nothing is left to be done', async () => {
  const states = fc.constantFrom('RUNNING', 'STOPPED', 'CRASHED', 'FAILED', undefined)
  const node = fc.record({
    desired: fc.constantFrom('RUNNING' as const, 'STOPPED' as const),
    state: states,
    differs: fc.boolean()
  })
  fc.assert(
    fc.property(fc.dictionary(fc.string(), node), fc.boolean(), (nodes, force) => {
      const wanted = new Map(Object.entries(nodes).map(([name, one]) => [name, { ...one, node: {} }]))
      const units = new Map([...wanted].flatMap(([name, { state }]) => (state ? [[name, { state }]] : [])))
      const reasons = new Map([...wanted].flatMap(([name, { differs }]) => (differs ? [[name, 'differs']] : [])))
      const plan = planOf(wanted, units as never, reasons as never, { force })
      const then = new Map(
        [...plan].map(([name, { action }]) => {
          const isUp =
            action === 'start' || action === 'restart' || (action === 'none' && nodes[name]!.state === 'RUNNING')
          return [name, { state: isUp ? ('RUNNING' as const) : ('STOPPED' as const) }]
        })
      )
      return [...planOf(wanted, then, new Map(), {}).values()].every(({ action }) => action === 'none')
    })
  )
})
