import t from 'tap'
import { Direction } from '../../../src/controller/rollout/direction.js'
import { done, stopClock } from './clock.js'

const forever = new AbortController().signal

/** What has become of a promise. */
function fateOf<T>(promise: Promise<T>): { value?: T | 'pending' } {
  const fate: { value?: T | 'pending' } = { value: 'pending' }
  void promise.then(value => {
    fate.value = value
  })
  return fate
}

await t.test('it waits while it is paused', async t => {
  const direction = new Direction()
  const before = fateOf(direction.resumed(forever))
  await done()
  t.equal(before.value, undefined, 'it is not paused')
  direction.pause('ops')
  t.equal(direction.paused, 'ops')
  t.throws(() => direction.pause('eve'), { code: 'conflict', message: 'the rollout is paused already, by ops' })
  const waits = fateOf(direction.resumed(forever))
  await done()
  t.equal(waits.value, 'pending')
  direction.resume()
  await done()
  t.equal(waits.value, undefined)
  t.equal(direction.paused, undefined)
  t.throws(() => direction.resume(), { code: 'conflict', message: 'the rollout is not paused' })
})

await t.test('a pause ends with its time, and when it is to end', async t => {
  const direction = new Direction()
  direction.pause()
  const over = new AbortController()
  const first = fateOf(direction.resumed(over.signal))
  over.abort()
  await done()
  t.equal(first.value, undefined)
  t.equal(direction.paused, 'someone', 'it is paused still')
  const second = fateOf(direction.resumed(forever))
  direction.cancel('ops')
  await done()
  t.equal(second.value, undefined)
})

await t.test('a canary is promoted, but neither before nor after it waits', async t => {
  const tick = stopClock(t)
  const direction = new Direction()
  const refusal = { code: 'conflict', message: 'the rollout does not wait at a canary' }
  t.throws(() => direction.promote(), refusal)
  const waits = fateOf(direction.promoted(1000, forever))
  await tick(999)
  t.equal(waits.value, 'pending')
  direction.promote()
  await done()
  t.equal(waits.value, true)
  t.throws(() => direction.promote(), refusal)
})

await t.test('a canary waits for so long, and not longer', async t => {
  const tick = stopClock(t)
  const direction = new Direction()
  const waits = fateOf(direction.promoted(1000, forever))
  await tick(600)
  direction.pause()
  direction.resume()
  await tick(399)
  t.equal(waits.value, 'pending', 'other orders do not change that')
  await tick(1)
  t.equal(waits.value, false)
  t.throws(() => direction.promote(), { code: 'conflict' })
})

await t.test('a canary waits no more when it is to end, or its time is over', async t => {
  const direction = new Direction()
  const over = new AbortController()
  const first = fateOf(direction.promoted(60_000, over.signal))
  over.abort()
  await done()
  t.equal(first.value, false)
  const second = fateOf(direction.promoted(60_000, forever))
  direction.revert('ops')
  await done()
  t.equal(second.value, false)
})

for (const action of ['cancel', 'revert'] as const) {
  await t.test(`after ${action} all is refused, and says why`, async t => {
    const direction = new Direction()
    t.equal(direction.ending.aborted, false)
    direction[action]('ops')
    t.equal(direction.ending.aborted, true)
    t.match(direction.stop, { kind: action, why: /^ops has (cancelled|reverted) it$/ })
    for (const next of ['pause', 'resume', 'promote', 'revert', 'cancel'] as const) {
      t.throws(() => direction[next]('eve'), {
        code: 'conflict',
        message: `the rollout is ending: ${direction.stop!.why}`
      })
    }
  })
}

await t.test('once it is closed all is refused, and nothing is ended by it', async t => {
  const direction = new Direction()
  direction.close('has changed all nodes')
  direction.close('does something else')
  for (const next of ['pause', 'resume', 'promote', 'revert', 'cancel'] as const) {
    t.throws(() => direction[next](), { code: 'conflict', message: 'the rollout has changed all nodes' })
  }
  t.equal(direction.stop, undefined)
  t.equal(direction.ending.aborted, false)
})
