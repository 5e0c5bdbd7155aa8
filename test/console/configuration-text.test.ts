import fc from 'fast-check'
import t from 'tap'
import { readJson } from '../../console/model/configuration-reader.js'
import {
  configurationIn,
  itemsOf,
  lineOf,
  memberOf,
  placeOfLine,
  textOf,
  type JsonPart
} from '../../console/model/configuration-text.js'

const valueOf = (part: JsonPart): unknown => {
  if (part.kind === 'plain') return part.value
  if (part.kind === 'list') return part.items.map(valueOf)
  return Object.fromEntries(part.members.map(({ key, part: of }) => [key, valueOf(of!)]))
}

await t.test('every JSON text is read as JSON.parse reads it', async () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), fc.integer({ min: 0, max: 4 }), (text, indent) => {
      const spaced = JSON.stringify(JSON.parse(text), null, indent)
      const { root, fault } = readJson(spaced)
      return fault === undefined && JSON.stringify(valueOf(root!)) === JSON.stringify(JSON.parse(spaced))
    })
  )
})

await t.test('an escape that the end of the text cuts off is wrong within the text', async t => {
  t.match(readJson('"\\').fault, { from: 1, to: 2 })
})

const cut = (text: string) => fc.nat(text.length).map(at => text.slice(0, at) + text.slice(at + 1))

await t.test('what JSON.parse refuses is refused, at a place of the text', async () => {
  const isRead = (text: string) => {
    try {
      JSON.parse(text)
      return true
    } catch {
      return false
    }
  }
  const noise = fc.stringMatching(/^[{}[\],:"\\a1.e+\- \ntrufalsn/]{0,20}$/)
  fc.assert(
    fc.property(
      fc.oneof(
        noise,
        fc.json().chain(text => cut(text))
      ),
      text => {
        const { fault } = readJson(text)
        if (!fault) return isRead(text)
        return !isRead(text) && fault.from >= 0 && fault.from <= fault.to && fault.to <= text.length
      }
    ),
    { numRuns: 2000 }
  )
})

await t.test('a fault is told where it is, in words that say what to do', async t => {
  for (const [text, found, message] of [
    ['{"a": 1,}', ',', 'a key in double quotes must follow this comma: the last one has none'],
    ['[1, ]', ',', 'a value must follow this comma: the last one has none'],
    ['{"a" 1}', '"a"', 'a colon must follow this key'],
    ['{a: 1}', 'a', 'a key in double quotes is expected here'],
    ['[1 2]', '1', 'a comma, or ], must follow this'],
    ['{"a": "x\n"}', '"x', 'this text has no closing double quote'],
    ['{"a": tru}', 'tru', 'a value is expected here; texts are in double quotes'],
    ['{"a": 01}', '01', 'this is no number as JSON has them'],
    ['{ // x\n}', '//', 'JSON has no comments'],
    ['[1, # x\n]', '#', 'JSON has no comments'],
    ['{"a": 1}}', '}', 'nothing may follow the end of the configuration'],
    ['{"a": [1, 2}', '}', '] must come before this: it ends what is open'],
    ['{\n"a": {\n"b": 1', '1', '} is missing: what begins in line 2 is not closed'],
    ['{"a": "\\q"}', '\\q', 'there is no such escape; a backslash is written as \\\\'],
    ['', '', 'the text is empty']
  ] as const) {
    const { fault } = readJson(text)
    t.equal(fault?.message, message, text)
    t.equal(text.slice(fault?.from, fault?.to), found, text)
  }
})

await t.test('what comes before a fault is kept', async t => {
  const { root } = readJson('{"instances": [{"name": "a"}, {"name": "b"}], "nodes": [{"name": "c", "instance": ')
  t.same(
    itemsOf(root, 'instances').map(item => textOf(item, 'name')),
    ['a', 'b']
  )
  t.same(
    itemsOf(root, 'nodes').map(item => textOf(item, 'name')),
    ['c']
  )
})

await t.test('a text that is nested without end is refused, and ends nothing', async t => {
  t.match(readJson('['.repeat(100_000)).fault?.message, 'too deep')
})

await t.test('a configuration may be wrapped as in the body of a request', async t => {
  const inner = '{"nodes": []}'
  for (const text of [inner, `{"config": ${inner}}`]) {
    t.equal(configurationIn(readJson(text).root)?.kind, 'object', text)
    t.ok(memberOf(configurationIn(readJson(text).root), 'nodes'), text)
  }
})

await t.test('lines are counted from 1', async t => {
  const text = 'a\nbc\n\nd'
  t.same(
    [0, 1, 2, 4, 5, 6, 7].map(offset => lineOf(text, offset)),
    [1, 1, 2, 2, 3, 4, 4]
  )
  t.same(
    [1, 2, 3, 4, 5, 99].map(line => {
      const { from, to } = placeOfLine(text, line)
      return text.slice(from, to)
    }),
    ['a', 'bc', '', 'd', '', '']
  )
})
