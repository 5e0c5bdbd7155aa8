import t from 'tap'
import { formatCursor, parseCursor } from '../../src/events/cursor.js'

await t.test('a cursor is read as it was written', async t => {
  for (const [epoch, seq] of [['a', 0], ['k3v9q2', 1042], ['0', Number.MAX_SAFE_INTEGER]] as const) t.same(parseCursor(formatCursor(epoch, seq)), { epoch, seq })
})

await t.test('what is no cursor is none', async t => {
  for (const text of ['', '.', 'a', 'a.', '.1', 'a.01', 'a.-1', 'a.1.2', 'a.1e3', 'A.1', 'a b.1', 'a.1\n', ' a.1', 'a.9007199254740993', 'a.99999999999999999', `${'a'.repeat(33)}.1`, 'latest', '__proto__.1']) {
    t.equal(parseCursor(text), undefined, JSON.stringify(text))
  }
})
