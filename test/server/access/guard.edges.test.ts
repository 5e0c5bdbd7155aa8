import { EventEmitter, once } from 'node:events'
import { BlockList, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { NeededRole } from '../../../schemas/access.js'
import type { Bearer } from '../../../src/security/certificates.js'
import { Forwarded } from '../../../src/server/access/forwarded.js'
import { Guard, type Asking } from '../../../src/server/access/guard.js'
import { Keyring } from '../../../src/server/access/keyring.js'
import { Limits } from '../../../src/server/access/limits.js'
import { OriginPolicy } from '../../../src/server/access/origin-policy.js'
import { Tickets } from '../../../src/server/access/tickets.js'
import { TokenTable } from '../../../src/store/tokens.js'
import { createToken } from '../../../src/security/token.js'
import { openStore } from '../../store/open.js'

/** A guard with a clock that can be moved, and what holds something open with a token that lives for a second. */
async function start(t: Test) {
  const { store } = openStore(t)
  const { kept } = createToken({ name: 'a', role: 'viewer', lifetimeMs: 1000, now: 0 })
  await store.write('synced', () => new TokenTable(store).insert(kept))
  const clock = { now: 0 }
  const now = () => clock.now
  const one = { total: 1, perClient: 1 }
  const limits = new Limits({ rate: 100, work: 0, streams: one, messages: one, connections: one, now })
  const keyring = new Keyring(store, now, () => {})
  const forwarded = new Forwarded(() => 'known to all controllers', now)
  const guard = new Guard({
    authentication: 'token',
    keyring,
    tickets: new Tickets(limits.tickets, now),
    site: new OriginPolicy({ isNamed: () => true, isSecure: false, proxies: new BlockList(), forwarded }),
    forwarded,
    limits,
    audit: { repeated: () => {}, refused: () => {} },
    sessionMs: 1000,
    now
  })
  t.teardown(() => guard.close())
  const open = (more: object = {}) => {
    const stream = Object.assign(new EventEmitter(), { destroy: () => stream.emit('close') }, more)
    guard.hold({ name: 'a', role: 'viewer', address: '', client: kept.id, tokenId: kept.id }, stream)
    return stream
  }
  return { store, clock, guard, keyring, kept, forwarded, open }
}

await t.test('while tokens cannot be read those that are known count, until they expire', async t => {
  const { store, clock, open } = await start(t)
  const stream = open()
  let reads = 0
  Object.defineProperty(store, 'version', {
    get: () => {
      reads++
      throw new Error('disk I/O error')
    }
  })
  clock.now = 1001
  // The timer of the guard does not keep the process.
  const alive = setTimeout(() => {}, 20_000)
  await once(stream, 'close')
  clearTimeout(alive)
  t.ok(reads > 0)
})

await t.test('what is open ends with its token, but for an answer that is whole', async t => {
  const { guard, keyring, kept, open } = await start(t)
  const [stream, answer] = [open(), open({ writableEnded: true })]
  const ended = once(stream, 'close')
  answer.once('close', () => t.fail('it is cut off'))
  keyring.drop(kept.id)
  guard.sweep()
  await ended
})

await t.test('the certificate that was shown to another controller has its role here', async t => {
  const { guard, clock, forwarded } = await start(t)
  const plain = { method: 'POST', url: '/v1/requests/deploy', headers: {}, rawHeaders: [], socket: {} as Socket }
  const from = (bearer?: Bearer, headers = {}) => ({
    ...plain,
    headers: {
      host: 'cluster.example',
      origin: 'https://cluster.example',
      ...headers,
      'zeek-forwarded': forwarded.sign(plain, { address: '192.0.2.7', ...(bearer && { bearer }) })
    }
  })
  const ana = { name: 'ana', role: 'operator', expires: 1000 }
  t.match(guard.admit(from(ana), { role: 'operator' }), { ...ana, address: '192.0.2.7', client: 'certificate of ana' })
  const refused = (request: Asking, needed: NeededRole, code: string) =>
    t.throws(() => guard.admit(request, { role: needed }), { code }, `${needed}: ${code}`)
  const berlin = guard.admit(from({ ...ana, units: ['site=berlin'] }), { role: 'operator', limited: true })
  t.same(berlin.labels, { site: 'berlin' }, 'limited as at the controller that it has asked')
  refused(from({ ...ana, units: ['site=berlin'] }), 'viewer', 'forbidden')
  refused(from({ ...ana, units: ['Berlin'] }), 'viewer', 'forbidden')
  refused(from(ana), 'admin', 'forbidden')
  refused(from({ ...ana, role: 'nobody' }), 'viewer', 'forbidden')
  refused(from(ana, { authorization: 'Bearer x' }), 'viewer', 'unauthorized')
  refused(from(), 'viewer', 'unauthorized')
  refused({ ...from(ana), url: '/v1/requests/stop' }, 'viewer', 'forbidden')
  clock.now = 1000
  refused(from(ana), 'viewer', 'unauthorized')
})
