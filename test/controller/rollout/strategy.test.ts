import t from 'tap'
import type { RequestArguments } from '../../../schemas/api.js'
import { rolloutArguments } from '../../../schemas/rollouts.js'
import type { AppError } from '../../../src/errors.js'
import { checkStrategy, paceOf, strategyOf } from '../../../src/controller/rollout/strategy.js'

/** A value for each argument that only means something in steps. */
const ofSteps: Omit<Required<Pick<RequestArguments, keyof typeof rolloutArguments>>, 'strategy'> = {
  instances: ['sensor-1'],
  labels: { site: 'north' },
  max_parallel: 2,
  max_parallel_percent: 50,
  max_parallel_per_instance: 1,
  min_healthy_seconds: 0,
  max_drop_percent: 0,
  max_lag_seconds: 0,
  max_memory_bytes: 1,
  max_errors: 0,
  auto_revert: false,
  canary: 1,
  canary_seconds: 1,
  auto_promote: false,
  on_check_failure: 'refuse'
}

const fieldsOf = (args: RequestArguments): string[] => {
  try {
    checkStrategy(args)
    return []
  } catch (error) {
    return (error as AppError).errors?.map(({ field }) => field) ?? []
  }
}

await t.test('what is said decides; else an argument of steps; else the setting', async t => {
  t.equal(strategyOf({}, 'by_role'), 'by_role')
  t.equal(strategyOf({}, 'at_once'), 'at_once')
  t.equal(strategyOf({ strategy: 'at_once' }, 'by_role'), 'at_once')
  t.equal(strategyOf({ strategy: 'by_role', max_drop_percent: 1 }, 'at_once'), 'by_role')
  t.strictSame(
    Object.keys(ofSteps).sort(),
    Object.keys(rolloutArguments)
      .filter(name => name !== 'strategy')
      .sort()
  )
  for (const [name, value] of Object.entries(ofSteps)) {
    const isScope = name === 'instances' || name === 'labels'
    t.equal(strategyOf({ [name]: value }, 'at_once'), isScope ? 'by_role' : 'rolling', name)
    t.equal(strategyOf({ [name]: value }, 'by_role'), isScope ? 'by_role' : 'rolling', name)
  }
  t.equal(strategyOf({ instances: [], labels: {} }, 'at_once'), 'at_once', 'empty ones say nothing')
})

await t.test('arguments that exclude each other are named', async t => {
  for (const [name, value] of Object.entries(ofSteps)) {
    t.strictSame(fieldsOf({ strategy: 'at_once', [name]: value }), [`body/${name}`], name)
  }
  t.strictSame(fieldsOf({ max_parallel: 1, max_parallel_percent: 1 }), ['body/max_parallel_percent'])
  t.strictSame(fieldsOf({ canary_seconds: 1, auto_promote: true }), ['body/canary_seconds', 'body/auto_promote'])
  t.strictSame(fieldsOf({ canary: 1, canary_seconds: 1, auto_promote: true }), [])
  t.strictSame(fieldsOf({}), [])
  t.strictSame(fieldsOf({ strategy: 'at_once', instances: [], labels: {} }), [])
})

await t.test('the pace', async t => {
  const most = (args: RequestArguments, of: number, strategy: 'rolling' | 'by_role' = 'rolling') =>
    paceOf(args, strategy).most(of)
  t.equal(most({}, 9), 1)
  t.equal(most({ max_parallel: 4 }, 9), 4)
  t.equal(most({ max_parallel_percent: 25 }, 9), 2)
  t.equal(most({ max_parallel_percent: 100 }, 9), 9)
  t.equal(most({ max_parallel: 4 }, 9, 'by_role'), 9, 'by role there is one step for each')
  t.match(paceOf({ canary: 2, max_parallel_per_instance: 3 }, 'rolling'), { canary: 2, perInstance: 3 })
  t.match(paceOf({ canary: 2 }, 'by_role'), { canary: 2 })
})
