import fc from 'fast-check'
import t from 'tap'
import { prettyJson } from '../../console/model/json-text.js'

await t.test('has one value a line', async t => {
  t.equal(
    prettyJson('{"a":[1,{"b":"x, {y}: \\"z\\""}],"c":{},"d":[]}'),
    [
      '{',
      '  "a": [',
      '    1,',
      '    {',
      '      "b": "x, {y}: \\"z\\""',
      '    }',
      '  ],',
      '  "c": {},',
      '  "d": []',
      '}'
    ].join('\n')
  )
  t.equal(prettyJson('18446744073709551615'), '18446744073709551615', 'a number that JavaScript cannot hold')
  t.equal(prettyJson(''), '')
})

await t.test('is what JSON.stringify does, where that can', async t => {
  fc.assert(fc.property(fc.jsonValue(), value => prettyJson(JSON.stringify(value)) === JSON.stringify(value, null, 2)))
  fc.assert(fc.property(fc.string(), text => typeof prettyJson(text) === 'string'))
})
