import t from 'tap'
import { afterExit } from '../../src/supervisor/restart.js'

const policy = { initialMs: 100, maxMs: 1000, resetMs: 5000, maxFailures: 4 }

await t.test('what follows an exit', async t => {
  const cases: [failures: number, ranMs: number, expected: { failures: number; delayMs: number | undefined }][] = [
    [0, 0, { failures: 1, delayMs: 100 }],
    [1, 0, { failures: 2, delayMs: 200 }],
    [2, 4999, { failures: 3, delayMs: 400 }],
    [3, 0, { failures: 4, delayMs: undefined }],
    [9, 0, { failures: 10, delayMs: undefined }],
    [3, 5000, { failures: 1, delayMs: 100 }],
    [9, 1e9, { failures: 1, delayMs: 100 }]
  ]
  for (const [failures, ranMs, expected] of cases) {
    t.same(afterExit(policy, failures, ranMs), expected, `after ${failures} and ${ranMs} ms`)
  }
})

await t.test('without a maximum it is never given up, and the delay stays at its most', async t => {
  t.same(afterExit({ ...policy, maxFailures: 0 }, 5000, 0), { failures: 5001, delayMs: 1000 })
})

await t.test('with a maximum of one the first exit is the last', async t => {
  t.equal(afterExit({ ...policy, maxFailures: 1 }, 0, 0).delayMs, undefined)
  t.equal(afterExit({ ...policy, maxFailures: 1 }, 0, 1e9).delayMs, undefined)
})
