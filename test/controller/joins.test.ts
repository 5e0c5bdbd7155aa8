import t, { type Test } from 'tap'
import type { NotifyJoin } from '../../schemas/events.js'
import { Issuing } from '../../src/controller/issuing.js'
import { Joins } from '../../src/controller/joins.js'
import { CertificateAuthority, createKey, createRequest } from '../../src/security/certificate-authority.js'
import { fingerprintOfKey } from '../../src/security/fingerprint.js'
import { createToken } from '../../src/security/token.js'
import { AgentCertificateTable } from '../../src/store/agent-certificates.js'
import { EventLog } from '../../src/store/events.js'
import { JoinTable, JoinTokenTable } from '../../src/store/joins.js'
import { TokenTable } from '../../src/store/tokens.js'
import { X509Certificate } from 'node:crypto'
import { openStore } from '../store/open.js'
import { silent } from '../support/log.js'
import { settingsOf } from '../support/settings.js'

const operator = { name: 'ops', role: 'operator', address: '192.0.2.1', client: 'x' } as const
const day = 86_400_000

/** The joins of a controller that has an authority, unless it has none, at a clock of the test. */
async function start(t: Test, { hasAuthority = true } = {}) {
  const { store } = openStore(t)
  const clock = { now: Date.now() }
  const now = () => clock.now
  const tables = {
    joins: new JoinTable(store),
    joinTokens: new JoinTokenTable(store),
    tokens: new TokenTable(store),
    certificates: new AgentCertificateTable(store)
  }
  const log = new EventLog(store, 'audit')
  const connected = new Set<string>()
  const deployed = new Map<string, string[]>()
  const disconnected: string[] = []
  const events: NotifyJoin[] = []
  const text = await CertificateAuthority.create('ca', now())
  const authority = await CertificateAuthority.read(text, text)
  const joins = new Joins({
    ...tables,
    issuing: hasAuthority ? new Issuing(authority, settingsOf({}), silent, now) : undefined,
    agentPort: 2150,
    isConnected: name => connected.has(name),
    deployed: name => deployed.get(name),
    disconnect: name => disconnected.push(name),
    write: job => store.write('synced', () => job((entry, kind) => log.append(entry, kind, clock.now))),
    notify: event => events.push(event),
    now
  })
  const tokenFor = async ({ uses = 1, accepts = 0, agent = null as string | null, lifetimeMs = day } = {}) => {
    const { kept } = createToken({ name: 'join', role: 'join', lifetimeMs, now: now() })
    await store.write('synced', () => {
      tables.tokens.insert(kept)
      tables.joinTokens.insert({ id: kept.id, uses, accepts: accepts as 0 | 1, agent })
    })
    return { ...operator, role: 'join' as const, tokenId: kept.id, address: '192.0.2.7' }
  }
  const actions = () =>
    store.all<{ body: string }>('SELECT body FROM audit ORDER BY seq').map(({ body }) => {
      const { action, outcome } = JSON.parse(body)
      return `${action} ${outcome}`
    })
  const usesOf = ({ tokenId }: { tokenId?: string }) => tables.joinTokens.get(tokenId!)?.uses
  return { ...tables, store, clock, joins, tokenFor, actions, usesOf, connected, deployed, disconnected, events }
}

const requestOf = async (name: string, key: string) => ({ name, request: await createRequest(key) })
const because = (code: string, message: RegExp) => ({ code, message })

await t.test('the same key and name are asked for once, and each step is told and written down', async t => {
  const { joins, tokenFor, usesOf, events, actions } = await start(t)
  const [by, key] = [await tokenFor(), await createKey()]
  const first = await joins.ask(await requestOf('a', key), by)
  t.match(first, { status: 'pending', fingerprint: fingerprintOfKey(key), certificate: undefined })
  t.same(await joins.ask(await requestOf('a', key), by), first, 'another request for the same key')
  t.equal(usesOf(by), 0)
  await joins.accept(first.id, operator)
  await joins.accept(first.id, operator)
  const accepted = await joins.ask(await requestOf('a', key), by)
  t.match(accepted, { status: 'accepted', agent_port: 2150 })
  t.equal(new X509Certificate(accepted.certificate!).subject, 'O=agent\nCN=a')
  t.same(
    events.map(({ status }) => status),
    ['pending', 'accepted']
  )
  t.same(actions(), ['join pending', 'accept_join succeeded'])
  await t.rejects(joins.deny(first.id, operator), because('conflict', /was accepted by ops: forget the agent instead/))
})

await t.test('uses are counted exactly, however many ask at once', async t => {
  const { joins, tokenFor, usesOf } = await start(t)
  const by = await tokenFor({ uses: 3, accepts: 1 })
  const results = await Promise.allSettled(
    ['a', 'b', 'c', 'd', 'e'].map(async name => joins.ask(await requestOf(name, await createKey()), by))
  )
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 3)
  for (const result of results) {
    if (result.status === 'rejected') t.match(result.reason, because('forbidden', /used up/))
  }
  t.equal(usesOf(by), 0)
  const key = await createKey()
  const same = await tokenFor({ accepts: 1 })
  const answers = await Promise.all([1, 2, 3].map(async () => joins.ask(await requestOf('f', key), same)))
  t.equal(new Set(answers.map(({ certificate }) => certificate)).size, 1, 'who asks at once with one key gets one')
  t.equal(usesOf(same), 0)
})

await t.test('a name that is taken is refused with the reason, and costs no use', async t => {
  const { joins, tokens, tokenFor, usesOf, connected, store, clock } = await start(t)
  const by = await tokenFor({ uses: 5, accepts: 1 })
  const key = await createKey()
  await joins.ask(await requestOf('a', key), by)
  const refused = async (name: string, its: string, message: RegExp) =>
    await t.rejects(joins.ask(await requestOf(name, its), by), because('conflict', message))
  await refused('a', await createKey(), /the name a is taken: an agent has joined with it; if that is gone, forget it/)
  await refused('b', key, /this is the key of agent a, which keeps its name/)
  connected.add('c')
  await refused('c', await createKey(), /an agent is connected with it/)
  const { kept } = createToken({ name: 'd', role: 'agent', lifetimeMs: 1000, now: clock.now })
  await store.write('synced', () => tokens.insert(kept))
  await refused('d', await createKey(), /there is a token for an agent of that name/)
  t.equal(usesOf(by), 4)
  clock.now += 1000
  t.match(await joins.ask(await requestOf('d', await createKey()), by), { status: 'accepted' }, 'once that has expired')
})

await t.test('of two keys that wait for one name, the first one that is accepted has it', async t => {
  const { joins, tokenFor } = await start(t)
  const by = await tokenFor({ uses: 2 })
  const [one, other] = [
    await joins.ask(await requestOf('a', await createKey()), by),
    await joins.ask(await requestOf('a', await createKey()), by)
  ]
  const results = await Promise.allSettled([one, other].map(({ id }) => joins.accept(id, operator)))
  t.same(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  await joins.deny(results[0]!.status === 'rejected' ? one.id : other.id, operator)
})

await t.test('a join lasts as long as its token', async t => {
  const { joins, tokenFor, tokens, store, clock } = await start(t)
  const by = await tokenFor({ lifetimeMs: 60_000 })
  const { id } = await joins.ask(await requestOf('a', await createKey()), by)
  clock.now += 60_000
  t.same(joins.list(), [])
  await t.rejects(joins.accept(id, operator), because('not_found', /its token has ended/))
  const revoked = await tokenFor()
  await joins.ask(await requestOf('b', await createKey()), revoked)
  t.equal(joins.list().length, 1)
  await store.write('synced', () => tokens.delete(revoked.tokenId))
  t.same(joins.list(), [])
  await t.rejects(joins.ask(await requestOf('c', await createKey()), revoked), because('unauthorized', /revoked/))
})

await t.test('who is forgotten is no agent, with any of its certificates, and its name is free', async t => {
  const { joins, tokenFor, deployed, disconnected, clock, actions, events } = await start(t)
  const [by, key] = [await tokenFor({ accepts: 1, uses: 2 }), await createKey()]
  const { certificate } = await joins.ask(await requestOf('a', key), by)
  const serial = new X509Certificate(certificate!).serialNumber
  const next = await createKey()
  const renewed = new X509Certificate(await joins.renew('a', serial, await createRequest(next)))
  t.equal(renewed.subject, 'O=agent\nCN=a')
  deployed.set('a', ['worker-1', 'worker-2'])
  await t.rejects(
    joins.forget('a', { force: false, by: operator }),
    because('conflict', /part of what is deployed, with 2 nodes/)
  )
  t.notOk(joins.isForgotten(serial))
  await joins.forget('a', { force: true, by: operator })
  for (const one of [serial, renewed.serialNumber]) {
    t.ok(joins.isForgotten(one))
    clock.now += 60_000
    await t.rejects(joins.renew('a', one, await createRequest(await createKey())), because('forbidden', /forgotten/))
  }
  t.same([disconnected, [...joins.ends().keys()]], [['a'], []])
  t.equal(events.at(-1)?.status, 'forgotten')
  t.same(actions().slice(-2), ['renew_certificate succeeded', 'forget_instance succeeded'])
  await t.rejects(joins.forget('a', { force: true, by: operator }), { code: 'not_found' })
  for (const old of [key, next]) {
    await t.rejects(joins.ask(await requestOf('a', old), by), because('conflict', /was forgotten: join with a new one/))
  }
  deployed.clear()
  const anew = await joins.ask(await requestOf('a', await createKey()), by)
  t.equal(anew.status, 'accepted', 'as one that asks for the first time')
  t.notOk(joins.isForgotten(new X509Certificate(anew.certificate!).serialNumber))
})

await t.test('a key that is forgotten is refused under any name, also by who accepts it', async t => {
  const { joins, tokenFor, usesOf } = await start(t)
  const [by, key] = [await tokenFor({ accepts: 1, uses: 3 }), await createKey()]
  const waiting = await joins.ask(await requestOf('b', key), await tokenFor())
  await joins.ask(await requestOf('a', key), by)
  const other = await joins.ask(await requestOf('c', await createKey()), by)
  await joins.forget('a', { force: false, by: operator })
  const why = because('conflict', /key is that of agent a, which was forgotten: .*join --anew/)
  await t.rejects(joins.accept(waiting.id, operator), why)
  await t.rejects(joins.ask(await requestOf('d', key), by), why)
  const serial = new X509Certificate(other.certificate!).serialNumber
  await t.rejects(joins.renew('c', serial, await createRequest(key)), because('conflict', /forgotten/))
  t.equal(usesOf(by), 1, 'what is refused costs no use')
})

await t.test('a name that is deployed waits for an operator, unless the token is for it', async t => {
  const { joins, tokenFor, deployed, usesOf } = await start(t)
  deployed.set('a', ['worker-1'])
  const by = await tokenFor({ accepts: 1, uses: 2 })
  const { id, ...answer } = await joins.ask(await requestOf('a', await createKey()), by)
  t.match(answer, { status: 'pending', certificate: undefined })
  t.match(joins.list(), [{ id, status: 'pending', decided_by: undefined }])
  t.equal(joins.ends().size, 0)
  t.match(await joins.ask(await requestOf('b', await createKey()), by), { status: 'accepted' })
  t.equal(usesOf(by), 0)
  const own = await tokenFor({ accepts: 1, agent: 'a' })
  t.match(await joins.ask(await requestOf('a', await createKey()), own), { status: 'accepted' })
})

await t.test('a certificate is renewed for its own agent only, and not too often', async t => {
  const { joins, tokenFor, clock } = await start(t)
  const by = await tokenFor({ accepts: 1, uses: 2 })
  const [one, other] = [await createKey(), await createKey()]
  const { certificate } = await joins.ask(await requestOf('a', one), by)
  await joins.ask(await requestOf('b', other), by)
  const serial = new X509Certificate(certificate!).serialNumber
  const renew = async (name: string, serial: string | undefined, key: string) =>
    await joins.renew(name, serial, await createRequest(key))
  await t.rejects(renew('b', serial, await createKey()), because('forbidden', /only a certificate of this controller/))
  await t.rejects(renew('a', undefined, await createKey()), because('forbidden', /only a certificate/))
  await t.rejects(renew('a', 'AB', await createKey()), because('forbidden', /only a certificate/))
  await t.rejects(renew('a', serial, other), because('conflict', /the key of agent b/))
  await t.rejects(joins.renew('a', serial, 'nonsense'), because('invalid_request', /cannot be read/))
  await t.rejects(
    Promise.all([1, 2, 3, 4, 5].map(async () => renew('a', serial, await createKey()))),
    because('too_many_requests', /too often/)
  )
  clock.now += 31 * day
  t.same([...joins.ends().keys()], [], 'what has ended counts no more')
})

await t.test('the certificate of an agent is good for no host, whatever its name is', async t => {
  const { joins, tokenFor } = await start(t)
  const answer = await joins.ask(await requestOf('localhost', await createKey()), await tokenFor({ accepts: 1 }))
  const first = new X509Certificate(answer.certificate!)
  const renewed = await joins.renew('localhost', first.serialNumber, await createRequest(await createKey()))
  for (const { subject, subjectAltName, raw } of [first, new X509Certificate(renewed)]) {
    t.equal(subject, 'O=agent\nCN=localhost')
    t.equal(subjectAltName, 'DNS:agent.invalid')
    t.equal(new X509Certificate(raw).checkHost('localhost'), undefined)
  }
})

await t.test('without an authority nobody joins, and an address may not ask too often', async t => {
  const without = await start(t, { hasAuthority: false })
  await t.rejects(
    without.joins.ask(await requestOf('a', await createKey()), await without.tokenFor()),
    because('conflict', /this controller has no authority/)
  )
  const { joins, tokenFor } = await start(t)
  const [by, body] = [await tokenFor(), await requestOf('a', await createKey())]
  const results = await Promise.allSettled(Array.from({ length: 60 }, () => joins.ask(body, by)))
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 50)
  t.match(results.at(-1), { reason: { code: 'too_many_requests' } })
})
