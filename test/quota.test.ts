import t from 'tap'
import type { Role } from '../schemas/access.js'
import { Quota, shared } from '../src/quota.js'

const holder = (client: string, role: Role = 'viewer') => ({ client, role })

await t.test('four fifths of a total are for everyone, at least one, and never all of several', t => {
  t.same([1, 2, 3, 5, 7, 100, 1000].map(shared), [1, 1, 2, 4, 5, 80, 800])
  t.end()
})

await t.test('viewers leave the rest to operators and admins, who may have all', t => {
  const quota = new Quota({ what: 'chairs', total: 10, perClient: 10 })
  for (let n = 0; n < 8; n++) quota.take(holder(`viewer-${n}`))
  t.throws(() => quota.take(holder('another')), {
    code: 'unavailable',
    message: 'there are too many chairs: the rest is for operators'
  })
  quota.take(holder('ops', 'operator'))
  quota.take(holder('root', 'admin'))
  t.throws(() => quota.take(holder('ops', 'operator')), { code: 'unavailable', message: 'there are too many chairs' })
  t.equal(quota.refused, 2)
  t.end()
})

await t.test('viewers find what operators have taken to be taken', t => {
  const quota = new Quota({ what: 'chairs', total: 10, perClient: 10 })
  for (let n = 0; n < 8; n++) quota.take(holder('ops', 'operator'))
  t.throws(() => quota.take(holder('viewer')), { code: 'unavailable' })
  t.end()
})

await t.test('one client has so many, of whatever role, until one is given back', t => {
  const quota = new Quota({ what: 'chairs', total: 100, perClient: 2 })
  for (const role of ['viewer', 'admin'] as const) {
    const release = quota.take(holder(role, role))
    quota.take(holder(role, role))
    t.throws(() => quota.take(holder(role, role)), {
      code: 'too_many_requests',
      message: 'more than 2 chairs of one client'
    })
    release()
    // Twice is once.
    release()
    quota.take(holder(role, role))
    t.throws(() => quota.take(holder(role, role)), { code: 'too_many_requests' })
  }
  quota.take(holder('another'))
  t.end()
})

await t.test('what is held beyond a limit counts, but is not refused', t => {
  const quota = new Quota({ what: 'chairs', total: 1, perClient: 1 })
  const releases = [quota.hold(holder('a')), quota.hold(holder('a'))]
  releases[0]!()
  t.match(quota.refusal(holder('b', 'admin')), { code: 'unavailable' })
  t.equal(quota.refused, 0)
  releases[1]!()
  t.equal(quota.refusal(holder('b')), undefined)
  t.end()
})
