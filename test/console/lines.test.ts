import t from 'tap'
import { Joint, linesMax, noLines, sizeMax, textsOf, withLines } from '../../console/model/lines.js'

await t.test('keeps the last lines, each with an id of its own', async t => {
  const few = withLines(withLines(noLines, 'stdout', ['a', 'b']), 'stderr', ['c'])
  t.same(
    few.list.map(({ id, from, text }) => [id, from, text]),
    [
      [1, 'stdout', 'a'],
      [2, 'stdout', 'b'],
      [3, 'stderr', 'c']
    ]
  )
  t.equal(few.size, 3)
  t.equal(withLines(few, 'stdout', []), few, 'nothing is the same')
  const many = withLines(
    few,
    'stdout',
    Array.from({ length: linesMax + 10 }, (_, n) => String(n))
  )
  t.equal(many.list.length, linesMax)
  t.equal(many.list.at(-1)!.text, String(linesMax + 9))
  t.equal(many.list.at(-1)!.id - many.list[0]!.id, linesMax - 1)
  t.equal(many.size, many.list.map(({ text }) => text).join('').length)
})

await t.test('keeps no more characters than it may, but always the last line', async t => {
  const long = 'x'.repeat(sizeMax / 2)
  const lines = withLines(withLines(noLines, 'stdout', [long, long]), 'stdout', ['y'])
  t.same(
    lines.list.map(({ text }) => text.length),
    [long.length, 1]
  )
  t.equal(lines.size, long.length + 1)
  t.equal(withLines(lines, 'stdout', ['z'.repeat(sizeMax + 1)]).list.length, 1)
})

await t.test('shows what would steer a terminal, or hide text, as text', async t => {
  const [line] = withLines(noLines, 'stdout', ['\u001b[31mred\u001b[0m \u202eabc <b>']).list
  t.equal(line!.text, 'red \\u202eabc <b>')
})

await t.test('splits a text into lines', async t => {
  t.same(textsOf('a\nb\n'), ['a', 'b'])
  t.same(textsOf('a\n\n'), ['a', ''])
  t.same(textsOf(''), [])
})

await t.test('takes of what comes again only what is new', async t => {
  const fresh = (known: string, ...parts: string[]) => {
    const joint = new Joint([...known])
    return parts.map(part => {
      const { fresh, isGap } = joint.take([...part])
      return `${isGap ? '?' : ''}${fresh.join('')}`
    })
  }
  t.same(fresh('', 'ab', 'c'), ['ab', 'c'], 'nothing was known')
  t.same(fresh('abcd', 'cdef', 'd'), ['ef', 'd'], 'the last lines come again')
  t.same(fresh('abcd', 'bc', 'de', 'd'), ['', 'e', 'd'], 'in several parts')
  t.same(fresh('abcd', 'abcd', 'abcd'), ['', 'abcd'], 'all of them, once')
  t.same(fresh('abcd', 'xy', 'ab'), ['?xy', 'ab'], 'too much was written meanwhile')
  t.same(fresh('abab', 'abab', 'ab'), ['', 'ab'], 'lines that repeat themselves')
  t.same(fresh('abcd', '', 'd'), ['', ''], 'nothing comes first')
  t.same(fresh('abcd', 'bc', 'xy'), ['', 'xy'])
})
