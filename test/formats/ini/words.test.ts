import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { assignment, quoteWord, splitWords } from '../../../src/formats/ini/words.js'

await t.test("words are what Python's shlex.split finds", async t => {
  const cases: [string, string[]][] = [
    ['', []],
    [' \t\n', []],
    ['a b\tc\nd', ['a', 'b', 'c', 'd']],
    ['a"b c"d', ['ab cd']],
    ["'a \"b' c", ['a "b', 'c']],
    ['foo=bar=baz blum="foo bar baz"', ['foo=bar=baz', 'blum=foo bar baz']],
    ['"" \'\' x""', ['', '', 'x']],
    ['a\\ b \\"c\\\'', ['a b', '"c\'']],
    ['"a\\"b\\\\c\\d"', ['a"b\\c\\d']],
    ["'a\\'", ['a\\']],
    ['a # b', ['a', '#', 'b']],
    ['a\\\nb', ['a\nb']],
    ['é\u00a0x', ['é\u00a0x']]
  ]
  for (const [text, words] of cases) t.same(splitWords(text), words, JSON.stringify(text))
})

await t.test("what is not closed is refused, in Python's words", async t => {
  for (const text of ['"a', "'a", 'x"', '"a\'']) {
    t.throws(() => splitWords(text), { code: 'invalid_request', message: 'No closing quotation' }, text)
  }
  t.throws(() => splitWords('a\\'), { code: 'invalid_request', message: 'No escaped character' })
})

await t.test('words are quoted only where they must be', async t => {
  t.same(['a', 'policy/x.zeek', '{1,2}', '%', 'a b', 'a"b', "a'b", 'a\\b', '', 'a\u00a0', 'a\u0085'].map(quoteWord), [
    'a',
    'policy/x.zeek',
    '{1,2}',
    '%',
    '"a b"',
    '"a\\"b"',
    '"a\'b"',
    '"a\\\\b"',
    '""',
    '"a\u00a0"',
    '"a\u0085"'
  ])
  t.same([assignment('A', ''), assignment('A', 'b'), assignment('A', 'b c')], ['A=', 'A=b', 'A="b c"'])
})

await t.test('any words come back from their quoted text', async t => {
  const awkward = fc.string({ unit: fc.constantFrom(...' \t\n"\'\\=%#;aé\u0085\u00a0') })
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), awkward)), words =>
      isDeepStrictEqual(splitWords(words.map(quoteWord).join(' ')), words)
    )
  )
  fc.assert(
    fc.property(fc.array(awkward), values =>
      isDeepStrictEqual(
        splitWords(values.map(value => assignment('N', value)).join(' ')),
        values.map(value => `N=${value}`)
      )
    )
  )
  t.pass()
})
