import fc from 'fast-check'
import t from 'tap'
import { Series, type Step } from '../../src/protocol/series.js'
import { nasty } from '../support/nasty.js'
import { runs } from '../support/runs.js'

const stepsTo = (texts: readonly string[]): Step[] => {
  const series = new Series()
  return texts.map(text => series.stepTo(text))
}
const textsAfter = (steps: readonly Step[]): string[] => {
  const series = new Series()
  return steps.map(step => series.take(step))
}

/** Texts with many numbers, of which each resembles the others. */
const alike = fc
  .array(fc.constantFrom('0', '00', '1', '9', '10', '099', 'f', '-', '.', ':', 'worker', '9'.repeat(17)), {
    maxLength: 6
  })
  .map(parts => parts.join(''))

await t.test('the steps to texts lead to these texts', t => {
  fc.assert(
    fc.property(fc.array(fc.oneof(alike, alike, alike, fc.ipV4(), fc.ipV6(), nasty), { maxLength: 20 }), texts => {
      t.strictSame(textsAfter(JSON.parse(JSON.stringify(stepsTo(texts)))), texts)
    }),
    { numRuns: runs(300) }
  )
  t.end()
})

await t.test('of what counts on, a step has what is added to each number', t => {
  for (const [before, after, step] of [
    ['sensor-9-worker-1', 'sensor-9-worker-1', []],
    ['sensor-9-worker-12', 'sensor-10-worker-1', [1, -11]],
    ['sensor-099-worker-01', 'sensor-100-worker-01', [1, 0]],
    ['10.0.0.255', '10.0.1.0', [0, 0, 1, -255]],
    ['fd00::a:ff', 'fd00::b:0', [0, 1, -255]],
    ['2200', '2201', [1]]
  ] as const) {
    t.strictSame(stepsTo([before, after]), [before, step], `${before}, ${after}`)
  }
  t.end()
})

await t.test('a number has its zeros back after it has grown out of them', t => {
  const texts = ['worker-09', 'worker-10', 'worker-01', 'worker-100', 'worker-02']
  t.strictSame(stepsTo(texts), ['worker-09', [1], [-9], [99], [-98]])
  t.end()
})

await t.test('what is otherwise is told as it is', t => {
  for (const [before, after] of [
    ['manager', 'worker-1'],
    ['worker-1', 'worker-01'],
    ['worker-01', 'worker-1'],
    ['worker-1', 'worker-1-2'],
    ['10.0.0.1', 'fe80::1'],
    ['2200', '']
  ] as const) {
    t.strictSame(stepsTo([before, after]), [before, after], `${before}, ${after}`)
  }
  t.end()
})

await t.test('steps that nobody makes lead to texts that grow no further', t => {
  const steps = fc.array(
    fc.oneof(
      fc.string({ maxLength: 64 }),
      fc.ipV6(),
      fc.array(fc.oneof(fc.integer(), fc.maxSafeInteger()), { maxLength: 40 })
    ),
    { maxLength: 50 }
  )
  fc.assert(
    fc.property(steps, given => textsAfter(given).every(text => text.length <= 24 * 64)),
    { numRuns: runs(300) }
  )
  t.end()
})
