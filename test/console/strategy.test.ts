import t from 'tap'
import { noStepFields, stepArguments, type StepFields } from '../../console/model/strategy.js'

const args = (fields: Partial<StepFields>) => stepArguments({ ...noStepFields, ...fields })

await t.test('what is not chosen, not filled in or not shown is not sent', async t => {
  const numbers = { max_parallel: '3', canary: ' ', max_drop_percent: '0', max_parallel_per_instance: '' }
  const choices = { autoRevert: false, autoPromote: true, skipFailed: true }
  t.same(args({}), {})
  t.same(args({ numbers, ...choices }), {}, 'the setting of the controller says how it goes')
  t.same(args({ strategy: 'at_once', numbers, ...choices }), { strategy: 'at_once' })
  t.same(args({ strategy: 'by_role', numbers }), { strategy: 'by_role', max_drop_percent: 0 })
  t.same(args({ strategy: 'rolling', numbers, ...choices }), {
    strategy: 'rolling',
    max_parallel: 3,
    max_drop_percent: 0,
    auto_revert: false,
    auto_promote: true,
    on_check_failure: 'skip'
  })
})

await t.test('memory is written in MiB, and what is no whole number is for the controller to refuse', async t => {
  t.same(args({ strategy: 'rolling', numbers: { max_memory_bytes: '512', max_parallel: '1.5', canary: '-1' } }), {
    strategy: 'rolling',
    max_memory_bytes: 536_870_912,
    max_parallel: 1.5,
    canary: -1
  })
})
