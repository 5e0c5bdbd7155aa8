import t from 'tap'
import { Filter, type FilterFields } from '../../src/events/filter.js'

const event = { seq: 1, time: 0, type: 'notify_change', reqid: null, instance: 'a', node: 'w', body: '{}' }

await t.test('an event passes when it fits every field that is given', async t => {
  const cases: [FilterFields, boolean][] = [
    [{}, true],
    [{ types: ['notify_change'] }, true],
    [{ types: ['notify_error', 'notify_change'] }, true],
    [{ types: ['notify_error'] }, false],
    [{ types: [] }, false],
    [{ instance: 'a' }, true],
    [{ instance: 'b' }, false],
    [{ node: 'w' }, true],
    [{ node: '' }, false],
    [{ reqid: 'x' }, false],
    [{ types: ['notify_change'], instance: 'a', node: 'w' }, true],
    [{ types: ['notify_change'], instance: 'a', node: 'v' }, false]
  ]
  for (const [fields, expected] of cases) t.equal(new Filter(fields).matches(event), expected, JSON.stringify(fields))
  t.ok(new Filter({ reqid: 'x' }).matches({ ...event, reqid: 'x' }))
})

await t.test('with a lens an event is seen as that shows it, and the key is another', async t => {
  const lens = (key: string) => ({ key, basis: 1, see: (seen: typeof event) => ({ ...seen, body: key }) })
  t.equal(new Filter({}, lens('x')).see(event)?.body, 'x')
  t.equal(new Filter({}).see(event), event)
  t.equal(new Set([new Filter({}), new Filter({}, lens('x')), new Filter({}, lens('y'))].map(({ key }) => key)).size, 3)
})

await t.test('filters that let the same through have the same key, others another', async t => {
  const key = (fields: FilterFields) => new Filter(fields).key
  t.equal(key({ types: ['a', 'b'] }), key({ types: ['b', 'a', 'b'] }))
  const keys = [
    {},
    { types: [] },
    { types: ['a'] },
    { types: ['a,b'] },
    { types: ['a', 'b'] },
    { reqid: 'a' },
    { instance: 'a' },
    { node: 'a' },
    { node: '' },
    { instance: 'a', node: 'a' }
  ].map(key)
  t.equal(new Set(keys).size, keys.length)
})
