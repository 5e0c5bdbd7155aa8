import fc from 'fast-check'
import t from 'tap'
import {
  exampleOn,
  formatConfiguration,
  formOf,
  nameFor,
  onInstance,
  unwrapped
} from '../../console/model/configuration-form.js'
import { analyse } from '../../console/model/configuration-problems.js'
import { formatOf } from '../../src/formats/convert.js'
import { schema } from './configuration-schema.js'

const files = {
  'cluster.cfg': '[instances]\nagent-1\n\n[manager]\nrole = manager\ninstance = agent-1\n',
  'node.cfg': '[manager]\ntype=manager\nhost=10.0.0.1\n',
  'zeek.conf': 'interface = eth0\nworkers = 4\n'
} as const

await t.test('a text tells what it is', async t => {
  for (const [text, form] of [
    ['', 'empty'],
    [' \n\t', 'empty'],
    ['{}', 'json'],
    ['\n  {"a"', 'json'],
    ['[{"name": 1}]', 'json'],
    ['instances:\n  - name: a\n', 'yaml'],
    ['hello', 'unknown'],
    ...Object.entries(files).map(([form, text]) => [text, form] as const)
  ] as const) {
    t.equal(formOf(text), form, text)
  }
})

await t.test('a file is taken for what the controller takes it for', async t => {
  for (const [form, text] of Object.entries(files)) t.equal(formatOf('pasted', text), form)
})

await t.test('a file keeps its name where that says more', async t => {
  t.equal(nameFor('zeek.conf', 'sensor-1.zeek.conf'), 'sensor-1.zeek.conf')
  t.equal(nameFor('node.cfg', 'node.cfg'), 'node.cfg')
  t.equal(nameFor('node.cfg', 'my-nodes.txt'), 'node.cfg')
  t.equal(nameFor('cluster.cfg', undefined), 'cluster.cfg')
})

await t.test('a value is written so that it is read again', async () => {
  fc.assert(
    fc.property(fc.jsonValue(), value => {
      const text = formatConfiguration(value)
      return (
        text.endsWith('\n') && JSON.stringify(JSON.parse(text)) === JSON.stringify(JSON.parse(JSON.stringify(value)))
      )
    })
  )
})

await t.test('each node has a line of its own', async t => {
  const text = formatConfiguration(exampleOn('agent-1'))
  t.match(text, '\n    { "name": "logger-1", "instance": "agent-1", "role": "LOGGER" },\n')
  const { problems, nodes } = analyse(text, schema)
  t.same([problems, nodes], [[], 4])
})

await t.test('a configuration without instances can be put on one', async t => {
  const configuration = {
    nodes: [
      { name: 'm', role: 'MANAGER' },
      { name: 'w', role: 'WORKER', instance: 'other' }
    ]
  }
  t.same(onInstance(configuration, 'a'), {
    instances: [{ name: 'a' }],
    nodes: [
      { name: 'm', instance: 'a', role: 'MANAGER' },
      { name: 'w', instance: 'other', role: 'WORKER' }
    ]
  })
  t.same(onInstance({ nodes: [1, null] } as never, 'a'), { instances: [{ name: 'a' }], nodes: [1, null] })
})

await t.test('only the body of a request is unwrapped', async t => {
  t.same(unwrapped({ config: { nodes: [] } }), { nodes: [] })
  t.same(unwrapped({ config: 1, nodes: [] }), { config: 1, nodes: [] })
  t.same(unwrapped(null), null)
})
