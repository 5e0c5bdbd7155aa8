import t from 'tap'
import { faultsOf } from '../../console/model/faults.js'

await t.test('faults of a file are told by its lines, others by their fields', async t => {
  t.same(faultsOf({ message: 'the connection was lost' }), ['the connection was lost'])
  t.same(faultsOf({ message: 'it has over 5 bytes', errors: [] }), ['it has over 5 bytes'])
  t.same(
    faultsOf({
      message: 'all of it',
      errors: [
        { field: 'body/line 3', message: "'x' is no address" },
        { field: 'body/line 3/x', message: 'is odd' },
        { field: 'params/feed', message: 'must be a name' }
      ]
    }),
    ["Line 3: 'x' is no address", 'body/line 3/x is odd', 'params/feed must be a name']
  )
})
