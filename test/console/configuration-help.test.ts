import fc from 'fast-check'
import t from 'tap'
import { readJson } from '../../console/model/configuration-reader.js'
import { helpAt, suggestionsFor } from '../../console/model/configuration-help.js'
import { writingAt } from '../../console/model/configuration-writing.js'
import { configurationIn } from '../../console/model/configuration-text.js'
import { schema } from './configuration-schema.js'

/** Returns what may be written at the `|` of a text. */
function suggested(marked: string, connected: readonly string[] = []) {
  const offset = marked.indexOf('|')
  const text = marked.replace('|', '')
  const writing = writingAt(text, offset)
  if (!writing) return undefined
  const known = { configuration: configurationIn(readJson(text).root), connected }
  return suggestionsFor(writing, schema, known).map(({ text: put }) => put)
}

await t.test('keys are those that the object has not', async t => {
  t.same(suggested('{|}'), [
    '"instances": []',
    '"nodes": []',
    '"id": ""',
    '"bundle": ""',
    '"groups": []',
    '"captures": []'
  ])
  t.same(suggested('{"nodes": [], "|"}'), [
    '"instances": []',
    '"id": ""',
    '"bundle": ""',
    '"groups": []',
    '"captures": []'
  ])
  t.same(suggested('{"instances": [{"|", "host": "x"}]}'), ['"name": ""', '"listen_port": ', '"labels": {}'])
  t.same(suggested('{"config": {"nodes": [], |}}'), [
    '"instances": []',
    '"id": ""',
    '"bundle": ""',
    '"groups": []',
    '"captures": []'
  ])
})

await t.test('a key that has its value gets no other one', async t => {
  t.same(suggested('{"inst|": [], "nodes": []}'), ['"instances"', '"id"', '"bundle"', '"groups"', '"captures"'])
})

await t.test('values are those that fit', async t => {
  const roles = ['"MANAGER"', '"LOGGER"', '"PROXY"', '"WORKER"']
  t.same(suggested('{"nodes": [{"role": |}]}'), roles)
  t.same(suggested('{"nodes": [{"role": "W|"}]}'), roles)
  t.same(suggested('{"nodes": [{"role": "W|'), roles)
  t.same(suggested('{"nodes": [|]}'), ['{ "name": "", "instance": "", "role": "" }'])
  t.same(suggested('{"nodes": [{"port": |}]}'), [])
})

await t.test('instances are those of the text, then those that are connected', async t => {
  const text = '{"instances": [{"name": "b"}, {"name": "a"}], "nodes": [{"instance": "|"}]}'
  t.same(suggested(text, ['c', 'a']), ['"b"', '"a"', '"c"'])
  t.same(suggested('{"instances": [{"name": "a"}, {"name": "|"}]}', ['c', 'a']), ['"c"'])
})

await t.test('interfaces and scripts are those of other nodes', async t => {
  const nodes = '{"interface": "eth0", "scripts": ["local"]}'
  t.same(suggested(`{"nodes": [${nodes}, {"interface": "|"}]}`), ['"eth0"'])
  t.same(suggested(`{"nodes": [${nodes}, {"scripts": ["|"]}]}`), ['"local"'])
})

await t.test('behind a value comes only punctuation', async t => {
  for (const text of ['{"nodes": []|}', '{"nodes"|}', '{"nodes": [{"name": "x"|}]}']) {
    t.equal(suggested(text), undefined)
  }
  // A comma may be forgotten at the end of a line.
  t.ok(suggested('{"nodes": [{"name": "x"\n|\n}]}')?.includes('"role": ""'))
})

await t.test('a place in whatever text is told without a fault', async () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[{}[\],:"\\a1 \n]{0,30}$/), fc.nat(30), (text, offset) => {
      const writing = writingAt(text, Math.min(offset, text.length))
      return writing === undefined || (writing.place.from <= writing.place.to && writing.place.to <= text.length)
    })
  )
})

await t.test('a key is explained', async t => {
  const text = '{"nodes": [{"name": "w", "role": "WORKER", "env": {"A": "b"}}]}'
  const help = (key: string) => helpAt(readJson(text).root, text.indexOf(key) + 2, schema)
  t.match(help('"role"'), { key: 'role', kind: 'choice', allowed: ['MANAGER', 'LOGGER', 'PROXY', 'WORKER'] })
  t.match(help('"env"'), { key: 'env', kind: 'map', description: /Environment/, example: '{"MSG":"hello world"}' })
  t.match(help('"nodes"'), { kind: 'list', description: /Zeek process/ })
  t.equal(help('"WORKER"'), undefined)
  t.equal(helpAt(undefined, 3, schema), undefined)
})
