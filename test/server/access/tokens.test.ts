import t, { type Test } from 'tap'
import { tokensMax } from '../../../schemas/tokens.js'
import { createToken } from '../../../src/security/token.js'
import { Tokens } from '../../../src/server/access/tokens.js'
import { EventLog } from '../../../src/store/events.js'
import { JoinTokenTable } from '../../../src/store/joins.js'
import { TokenTable } from '../../../src/store/tokens.js'
import { openStore } from '../../store/open.js'

const admin = { name: 'ops', role: 'admin', address: '192.0.2.1', client: 'x' } as const

function start(t: Test) {
  const { store } = openStore(t)
  const clock = { now: 1000 }
  const table = new TokenTable(store)
  const log = new EventLog(store, 'audit')
  const failing = { audit: false }
  const known: string[] = []
  const tokens = new Tokens({
    table,
    joins: new JoinTokenTable(store),
    fingerprint: () => 'SHA256:x',
    write: job =>
      store.write('synced', () =>
        job((entry, kind) => {
          log.append(entry, kind, clock.now)
          if (failing.audit) throw new Error('no entry')
        })
      ),
    now: () => clock.now,
    keyring: { add: ({ id }) => known.push(`+${id}`), drop: id => known.push(`-${id}`) }
  })
  const entries = () => store.all<{ body: string }>('SELECT body FROM audit').map(({ body }) => JSON.parse(body))
  return { store, clock, table, tokens, failing, known, entries }
}

await t.test('a change and its entry are written together, or neither is', async t => {
  const { tokens, failing, known, entries } = start(t)
  failing.audit = true
  await t.rejects(tokens.create({ role: 'viewer' }, admin), { message: 'no entry' })
  t.same([tokens.list(), entries(), known], [[], [], []])
  failing.audit = false
  const { id } = await tokens.create({ role: 'viewer' }, admin)
  failing.audit = true
  await t.rejects(tokens.revoke(id, admin), { message: 'no entry' })
  t.equal(tokens.list()[0]!.id, id)
  t.same(known, [`+${id}`])
  failing.audit = false
  await tokens.revoke(id, admin)
  const by = { type: 'audit', outcome: 'succeeded', name: 'ops', role: 'admin', address: '192.0.2.1' }
  t.same(entries(), [
    { ...by, action: 'create_token', detail: `${id}: viewer viewer` },
    { ...by, action: 'revoke_token', detail: `${id}: viewer viewer` }
  ])
})

await t.test('what a revoked token has asked for is not done after its revocation', async t => {
  const { tokens, table, entries } = start(t)
  const { id } = await tokens.create({ role: 'admin' }, admin)
  const { id: other } = await tokens.create({ role: 'viewer' }, admin)
  const stolen = { ...admin, tokenId: id, client: id }
  const [revoked, made, ended] = await Promise.allSettled([
    tokens.revoke(id, admin),
    tokens.create({ role: 'admin' }, stolen),
    tokens.revoke(other, stolen)
  ])
  t.equal(revoked.status, 'fulfilled')
  for (const late of [made, ended]) t.match(late, { status: 'rejected', reason: { code: 'unauthorized' } })
  t.same(
    table.list().map(({ id }) => id),
    [other]
  )
  t.equal(entries().length, 3)
})

await t.test('of two who revoke the same token one is told that there is none', async t => {
  const { tokens } = start(t)
  const { id } = await tokens.create({ role: 'viewer' }, admin)
  const results = await Promise.allSettled([tokens.revoke(id, admin), tokens.revoke(id, admin)])
  t.match(results, [{ status: 'fulfilled' }, { status: 'rejected', reason: { code: 'not_found' } }])
})

await t.test('there are so many tokens, besides sessions, and those that have expired make room', async t => {
  const { store, clock, table, tokens } = start(t)
  const { kept: brief } = createToken({ name: 'brief', role: 'viewer', lifetimeMs: 500, now: clock.now })
  await store.write('written', () => {
    table.insert(brief)
    table.insert(createToken({ name: 'brief', role: 'viewer', parent: brief.id, now: clock.now }).kept)
    for (let n = 2; n < tokensMax; n++) table.insert(createToken({ name: 'a', role: 'agent', now: clock.now }).kept)
  })
  const [last] = await Promise.allSettled([
    tokens.create({ role: 'viewer' }, admin),
    tokens.create({ role: 'viewer' }, admin).then(
      () => t.fail('one too many'),
      error => t.match(error, { code: 'conflict', message: /10000 tokens.*revoke/ })
    )
  ])
  t.equal(last.status, 'fulfilled')
  clock.now += 500
  await tokens.create({ role: 'viewer' }, admin)
  t.equal(tokens.list().length, tokensMax)
  t.notOk(tokens.list().some(({ name }) => name === 'brief'))
  await t.rejects(tokens.create({ role: 'viewer' }, admin), { code: 'conflict' })
  await tokens.revoke(tokens.list()[0]!.id, admin)
  await tokens.create({ role: 'viewer' }, admin)
})

await t.test('an entry says what was revoked, and whether it was their own', async t => {
  const { store, table, tokens, entries } = start(t)
  const own = await tokens.create({ role: 'admin', name: 'ops' }, admin)
  const session = createToken({ name: 'ops', role: 'admin', parent: own.id, now: 1000 }).kept
  await store.write('written', () => table.insert(session))
  const page = { ...admin, tokenId: session.id, client: own.id }
  await tokens.revoke(session.id, { ...admin, client: 'other' })
  await store.write('written', () => table.insert(session))
  await tokens.revoke(own.id, page)
  t.same(
    entries().map(({ detail }) => detail),
    [`${own.id}: admin ops`, `${session.id}: admin ops, session of ${own.id}`, `${own.id}: admin ops, its own`]
  )
  t.same(tokens.list(), [], 'its session has ended with it')
})
