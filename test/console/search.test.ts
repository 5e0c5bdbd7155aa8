import t from 'tap'
import { matchesIn, matchesMax, partsOf, stepFrom } from '../../console/model/search.js'
import { noLines, withLines } from '../../console/model/lines.js'

const list = withLines(noLines, 'stdout', ['Error: an error', 'fine', 'İ error', 'ERR']).list

await t.test('finds a text whatever its case, more than once in a line', async t => {
  t.same(matchesIn(list, 'error'), [
    { line: 1, start: 0 },
    { line: 1, start: 10 },
    { line: 3, start: 2 }
  ])
  t.same(matchesIn(list, ''), [])
  t.same(matchesIn(list, 'rr').length, 4)
  t.equal(matchesIn(withLines(noLines, 'stdout', ['x'.repeat(matchesMax + 5)]).list, 'x').length, matchesMax)
})

await t.test('cuts a line at its matches', async t => {
  t.same(
    partsOf('Error: an error', [0, 10], 5).map(({ text, isMatch }) => (isMatch ? `[${text}]` : text)),
    ['[Error]', ': an ', '[error]']
  )
  t.same(partsOf('abc', [7], 2), [{ text: 'abc', isMatch: false, start: 0 }], 'beyond what is shown')
  t.same(partsOf('', [], 2), [])
})

await t.test('steps from match to match, around the end, also when lines were let go', async t => {
  const matches = matchesIn(list, 'error')
  t.equal(stepFrom(matches, undefined, 1), 0)
  t.equal(stepFrom(matches, undefined, -1), 2)
  t.equal(stepFrom(matches, matches[0], 1), 1)
  t.equal(stepFrom(matches, matches[2], 1), 0)
  t.equal(stepFrom(matches, matches[0], -1), 2)
  t.equal(stepFrom(matches.slice(2), matches[0], 1), 0)
  t.equal(stepFrom([], undefined, 1), -1)
})
