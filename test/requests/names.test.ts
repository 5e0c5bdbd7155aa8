import fc from 'fast-check'
import t from 'tap'
import { Names } from '../../src/requests/names.js'

const nobody: ReadonlySet<string> = new Set()

await t.test('a name is found wherever it is a word of its own', async t => {
  const names = new Names(['paris-1', 'paris-1.b', 'w', '_hub', '10.0.0.2'])
  for (const [text, expected] of [
    ['paris-1', '…'],
    ['paris-1.', '….'],
    ['/spool/paris-1/stderr.log', '/spool/…/stderr.log'],
    ['paris-1.b: no', '…: no'],
    ['paris-1.bc', '….bc'],
    ['paris-10 and xparis-1', 'paris-10 and xparis-1'],
    ['paris-1paris-1', 'paris-1paris-1'],
    ['"w":{"w2":1}', '"…":{"w2":1}'],
    ['a_hub _hub', 'a… …'],
    ['tcp://10.0.0.2:5555', 'tcp://…:5555'],
    ['110.0.0.2 10.0.0.22', '110.0.0.2 10.0.0.22'],
    ['', '']
  ] as const) {
    t.equal(names.hiddenIn(text, nobody), expected, text)
  }
  t.same([...names.in('w, paris-1 and w')], ['w', 'paris-1'])
  t.equal(names.hiddenIn('w, paris-1', new Set(['w'])), 'w, …')
  t.equal(new Names([]).hiddenIn('w', nobody), 'w')
})

const Name = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,8}$/).filter(name => /[A-Za-z0-9]/.test(name))
const Separator = fc.constantFrom(' ', '/', '"', ':', ', ', '=', '\n', '(', '…', 'é')

await t.test('no name is left in a text, however long and alike they are', async t => {
  const Words = fc.array(fc.record({ word: fc.integer({ min: 0, max: 40 }), separator: Separator }), { maxLength: 30 })
  fc.assert(
    fc.property(fc.uniqueArray(Name, { minLength: 1, maxLength: 20 }), Words, (names, words) => {
      const text = words.map(({ word, separator }) => `${names[word % names.length]}${separator}`).join('')
      const left = new Names(names).hiddenIn(text, nobody)
      return words.length === 0 || new Names(names).in(left).size === 0
    })
  )
  t.end()
})

await t.test('a text without the names stays as it is', async t => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-m]{1,5}$/)), fc.stringMatching(/^[n-z ./-]{0,60}$/), (names, text) => {
      return new Names(names).hiddenIn(text, nobody) === text
    })
  )
  t.end()
})
