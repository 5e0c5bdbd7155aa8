import fc from 'fast-check'
import t from 'tap'
import type { LoggedEvent } from '../../schemas/events.js'
import { Tail } from '../../src/events/tail.js'

const event = (seq: number): LoggedEvent => ({
  seq,
  time: 0,
  type: 'a',
  reqid: null,
  instance: null,
  node: null,
  body: '{}'
})
const range = (from: number, to: number) => Array.from({ length: Math.max(0, to - from + 1) }, (_, n) => from + n)
const numbers = (events: LoggedEvent[] | undefined) => events?.map(({ seq }) => seq)

await t.test('an empty tail knows of nothing', async t => {
  const tail = new Tail(3)
  t.equal(tail.between(0, 10), undefined)
  tail.push([])
  t.equal(tail.between(0, 10), undefined)
})

await t.test('what comes after a number is returned, up to and with another', async t => {
  const tail = new Tail(10)
  tail.push(range(5, 9).map(event))
  t.same(numbers(tail.between(4, 9)), [5, 6, 7, 8, 9], 'all that it holds')
  t.same(numbers(tail.between(6, 8)), [7, 8])
  t.same(numbers(tail.between(6, 100)), [7, 8, 9], 'no more than there is')
  t.same(numbers(tail.between(9, 100)), [], 'nothing has come since')
  t.same(numbers(tail.between(4, 4)), [])
  t.equal(tail.between(3, 9), undefined, 'it may lack what comes next')
})

await t.test('any number may come at once', async t => {
  const tail = new Tail(3)
  tail.push(range(1, 200_000).map(event))
  t.same(numbers(tail.between(199_998, 200_000)), [199_999, 200_000])
})

await t.test('the oldest make room for the newest', async t => {
  const tail = new Tail(3)
  for (const seq of range(1, 5)) tail.push([event(seq)])
  t.same(numbers(tail.between(2, 5)), [3, 4, 5])
  t.equal(tail.between(1, 5), undefined)
  tail.push(range(6, 20).map(event))
  t.same(numbers(tail.between(17, 20)), [18, 19, 20], 'also when more come at once than it holds')
  t.equal(tail.between(16, 20), undefined)
})

await t.test('numbers that were never given are no gap', async t => {
  const tail = new Tail(10)
  tail.push([2, 5, 9].map(event))
  t.same(numbers(tail.between(3, 8)), [5])
  t.same(numbers(tail.between(5, 8)), [])
})

await t.test('it returns exactly what the log has, or that it does not know', async t => {
  fc.assert(
    fc.property(
      fc.record({
        capacity: fc.integer({ min: 1, max: 8 }),
        pushes: fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 6 }),
        after: fc.nat(40),
        length: fc.nat(12)
      }),
      ({ capacity, pushes, after, length }) => {
        const tail = new Tail(capacity)
        let head = 0
        for (const count of pushes) {
          tail.push(range(head + 1, head + count).map(event))
          head += count
        }
        const isHeld = head > 0 && after >= Math.max(0, head - capacity)
        const expected = isHeld ? range(after + 1, Math.min(head, after + length)) : undefined
        return JSON.stringify(numbers(tail.between(after, after + length))) === JSON.stringify(expected)
      }
    )
  )
})
