import { Type } from '@sinclair/typebox'
import t from 'tap'
import { agentMethods, controllerMethods } from '../schemas/agent.js'
import { Text } from '../schemas/basics.js'
import { checker, components, fieldErrors } from '../schemas/validator.js'

await t.test('what Ajv says names each field by its path, in words for people', async t => {
  const errors = [
    {
      instancePath: '/config/nodes/0',
      keyword: 'additionalProperties',
      params: { additionalProperty: 'rol' },
      message: 'must NOT'
    },
    { instancePath: '/config', keyword: 'required', params: { missingProperty: 'nodes' }, message: 'must have' },
    {
      instancePath: '/config/nodes/1/role',
      keyword: 'enum',
      params: { allowedValues: ['A', 'B'] },
      message: 'must be equal'
    },
    { instancePath: '/x', keyword: 'type', params: {}, message: 'must be integer' }
  ]
  t.same(fieldErrors(errors, 'body'), [
    { field: 'body/config/nodes/0/rol', message: 'is not known' },
    { field: 'body/config/nodes', message: 'is required' },
    { field: 'body/config/nodes/1/role', message: 'must be one of A, B' },
    { field: 'body/x', message: 'must be integer' }
  ])
})

await t.test('every schema that another refers to is one of the components', async t => {
  const ids = new Set(components.map(({ $id }) => $id))
  const missing = [...JSON.stringify([components, agentMethods, controllerMethods]).matchAll(/"\$ref":"([^"#]+)#"/g)]
    .map(([, id]) => id)
    .filter(id => !ids.has(id))
  t.same([...new Set(missing)], [])
})

await t.test('a text is cut where it is, and what else is wrong is told all the same', t => {
  const schema = Type.Object({ text: Text(5), list: Type.Array(Text(3)), number: Type.Number() })
  const check = checker(schema, errors => new Error(errors.map(({ field }) => field).join()))
  t.same(check({ text: 'abcdefgh', list: ['abc', 'abcd', 'ab\u{1f600}'], number: 1 }, ''), {
    text: 'abcd…',
    list: ['abc', 'ab…', 'ab…'],
    number: 1
  })
  t.throws(() => check({ text: 'abcdefgh', list: ['abcd'], number: 'x' }, ''), { message: '/number' })
  t.end()
})
