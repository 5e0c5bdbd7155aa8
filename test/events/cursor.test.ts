import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { formatCursor, parseCursor } from '../../src/events/cursor.js'
import { nasty } from '../support/nasty.js'
import { runs } from '../support/runs.js'

await t.test('a cursor is read as it was written', async t => {
  for (const [epoch, seq] of [
    ['a', 0],
    ['k3v9q2', 1042],
    ['0', Number.MAX_SAFE_INTEGER]
  ] as const) {
    t.same(parseCursor(formatCursor(epoch, seq)), { epoch, seq })
  }
})

await t.test('what is no cursor is none', async t => {
  for (const text of [
    '',
    '.',
    'a',
    'a.',
    '.1',
    'a.01',
    'a.-1',
    'a.1.2',
    'a.1e3',
    'A.1',
    'a b.1',
    'a.1\n',
    ' a.1',
    'a.9007199254740993',
    'a.99999999999999999',
    `${'a'.repeat(33)}.1`,
    'latest',
    '__proto__.1'
  ]) {
    t.equal(parseCursor(text), undefined, JSON.stringify(text))
  }
})

await t.test('any text is a cursor that is written so, or none', async t => {
  fc.assert(
    fc.property(
      fc.oneof(
        nasty,
        fc
          .tuple(fc.string({ unit: fc.constantFrom(...'az09') }), fc.oneof(fc.bigInt().map(String), nasty))
          .map(parts => parts.join('.'))
      ),
      text => {
        const cursor = parseCursor(text)
        if (cursor) assert.equal(formatCursor(cursor.epoch, cursor.seq), text)
      }
    ),
    { numRuns: runs(1000) }
  )
  t.pass('it is')
})
