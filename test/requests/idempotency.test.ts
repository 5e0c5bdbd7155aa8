import t from 'tap'
import { idempotencyOf } from '../../src/requests/idempotency.js'

await t.test('payloads that say the same are the same, and keys of different callers are not', async t => {
  const a = idempotencyOf('ops', 'k', ['deploy', undefined, { force: true, nested: { x: 1, y: [1, 2] } }])
  t.same(idempotencyOf('ops', 'k', ['deploy', undefined, { nested: { y: [1, 2], x: 1 }, force: true }]), a)
  for (const other of [
    idempotencyOf('ops', 'k', ['deploy', undefined, { force: true, nested: { x: 1, y: [2, 1] } }]),
    idempotencyOf('ops', 'k', ['deploy', 5, { force: true, nested: { x: 1, y: [1, 2] } }])
  ]) {
    t.equal(other.key, a.key)
    t.not(other.fingerprint, a.fingerprint)
  }
  t.not(idempotencyOf('dev', 'k', ['deploy']).key, idempotencyOf('ops', 'k', ['deploy']).key)
})
