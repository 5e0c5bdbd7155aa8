import t from 'tap'
import { RequestTable } from '../../src/store/requests.js'
import { openStore } from './open.js'

await t.test('a page before the first place, and an empty filter, are lists, not errors', async t => {
  const { store } = openStore(t)
  const table = new RequestTable(store)
  t.same(table.list({ before: 0, limit: 10 }), [])
  t.same(table.list({ type: '', limit: 10 }), [])
})
