import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { auditEntry, auditKinds } from '../../src/requests/audit-entry.js'
import { Audit } from '../../src/requests/audit.js'
import type { Caller } from '../../src/requests/caller.js'
import type { Channel } from '../../src/requests/journal.js'

mock.timers.enable({ apis: ['setTimeout'] })

/** An audit log that keeps what is noted, and a way to let minutes pass. */
function open(t: Test) {
  const told: any[] = []
  const kinds: number[] = []
  const audit = new Audit({} as Channel<'audit'>, (entry, kind) => {
    told.push(entry)
    kinds.push(kind)
  })
  t.teardown(() => audit.close())
  const refuse = (action: string, address: string, needed: 'viewer' | 'operator' | 'admin' = 'viewer') =>
    audit.refused(action, { address }, 'a token is needed', needed)
  /** Returns what was told since the last call, and in a minute from now on. */
  const minute = () => {
    mock.timers.tick(60_000)
    return told.splice(0)
  }
  return { audit, told, kinds, refuse, minute }
}

const viewer: Caller = { name: 'ops', role: 'viewer', address: '192.0.2.1', client: '9448e9c83643' }

await t.test('one who is refused 61 times leaves two entries, and the second names what was worst', t => {
  const { refuse, told, minute } = open(t)
  for (let n = 0; n < 61; n++) {
    if (n === 30) refuse('POST /v1/requests/deploy', '192.0.2.1', 'operator')
    else refuse(n % 2 ? 'GET /v1/nodes' : 'GET /v1/audit', '192.0.2.1', n % 2 ? 'viewer' : 'admin')
  }
  t.match(told, [{ action: 'GET /v1/audit', outcome: 'refused', address: '192.0.2.1', count: undefined }])
  t.equal(told.length, 1, 'the first is told at once')
  const [, summary, ...more] = minute()
  t.match(summary, {
    action: 'POST /v1/requests/deploy',
    outcome: 'refused',
    address: '192.0.2.1',
    count: 60,
    detail: 'a token is needed; also: GET /v1/audit, GET /v1/nodes'
  })
  t.equal(more.length, 0)
  t.same(minute(), [], 'and then nothing more')
  t.end()
})

await t.test('what changes something is worse than what reads, and then what needs the higher role', t => {
  const { refuse, minute } = open(t)
  refuse('GET /', '192.0.2.1')
  for (const [action, role] of [
    ['POST /v1/requests/get_nodes', 'viewer'],
    ['GET /v1/configurations/staged', 'operator'],
    ['POST /v1/requests/check', 'operator'],
    ['POST /v1/session', 'viewer'],
    ['stop', 'operator'],
    ['GET /v1/audit', 'admin']
  ] as const) {
    refuse(action, '192.0.2.1', role)
  }
  const [, summary] = minute()
  t.equal(summary.action, 'stop')
  t.equal(
    summary.detail,
    'a token is needed; also: POST /v1/session, GET /v1/audit, GET /v1/configurations/staged, POST /v1/requests/check'
  )
  t.end()
})

await t.test('an attempt is named however many others of its kind there were', t => {
  const { refuse, minute } = open(t)
  for (const type of ['start', 'stop', 'restart', 'stage_configuration', 'deploy']) {
    for (let n = 0; n < 20; n++) refuse(`POST /v1/requests/${type}`, '192.0.2.1', 'operator')
  }
  for (let n = 0; n < 1000; n++) refuse(`GET /v1/requests/${n}`, '192.0.2.1', 'admin')
  const [, summary] = minute()
  t.match(summary, { count: 1099, detail: /\/deploy/ })
  t.end()
})

await t.test('a long reason hides no other attempt', t => {
  const { audit, minute } = open(t)
  for (const type of ['check', 'stop', 'deploy']) {
    audit.refused(`POST /v1/requests/${type}`, { address: '192.0.2.1' }, `Host ${'x'.repeat(1000)}`, 'operator')
  }
  t.match(minute()[1], { action: 'POST /v1/requests/stop', detail: /…; also: POST \/v1\/requests\/deploy$/ })
  t.end()
})

await t.test('addresses of one /64 are one client, and IPv4 within IPv6 is IPv4', t => {
  const { refuse, minute } = open(t)
  for (let n = 1; n <= 2000; n++) refuse('GET /v1/nodes', `2001:db8:0:7::${n.toString(16)}`)
  refuse('GET /v1/nodes', '2001:db8:0:8::1')
  refuse('GET /v1/nodes', '::ffff:192.0.2.1')
  refuse('GET /v1/nodes', '192.0.2.1')
  t.match(
    minute().map(({ address, count = 1 }) => [address, count]),
    [
      ['2001:db8:0:7::1', 1],
      ['2001:db8:0:8::1', 1],
      ['::ffff:192.0.2.1', 1],
      [/^2001:db8:0:7::/, 1999],
      ['192.0.2.1', 1]
    ]
  )
  t.end()
})

await t.test('those who come from many addresses are told of together, and hide nobody', t => {
  const { audit, told: now, refuse, minute } = open(t)
  refuse('GET /v1/nodes', '192.0.2.1')
  const flood = (action: string) => {
    for (let n = 0; n < 30_000; n++) refuse(action, `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`)
  }
  flood('GET /v1/nodes')
  t.equal(now.length, 100, 'so many are told of at once')
  refuse('POST /v1/requests/deploy', '192.0.2.1', 'operator')
  refuse('POST /v1/requests/stop', '203.0.113.1', 'operator')
  audit.refused('deploy', viewer, 'ops is of role viewer', 'operator')
  flood('GET /v1/health')
  const told = minute()
  t.match(
    told.filter(({ clients }) => clients !== undefined),
    [{ action: 'POST /v1/requests/stop', address: '203.0.113.1', count: 2 * (30_000 - 99) + 1, clients: 10_000 }]
  )
  t.match(
    told.filter(({ action }) => action === 'POST /v1/requests/deploy'),
    [{ address: '192.0.2.1' }]
  )
  t.match(
    told.filter(({ name }) => name === 'ops'),
    [{ action: 'deploy', client: undefined }]
  )
  t.equal(
    told.reduce((sum, { count = 1 }) => sum + count, 0),
    60_004,
    'every one is counted'
  )
  t.ok(told.length <= 202, `${told.length} entries`)
  flood('GET /v1/nodes')
  t.ok(minute().length <= 201, 'nor are there more in the next minute')
  t.end()
})

for (const [action, kind] of [
  ['log_in', auditKinds.login],
  ['log_out', auditKinds.login],
  ['connect_agent', auditKinds.connection]
] as const) {
  await t.test(`${action} of one client is told three times in a minute, and then with its count`, t => {
    const { audit, minute, kinds } = open(t)
    const addresses = (n: number) => ({ ...viewer, address: `192.0.2.${n % 250}` })
    for (let n = 0; n < 5000; n++) audit.repeated(action, addresses(n))
    audit.repeated(action, { ...viewer, name: 'other', client: 'other' })
    t.match(
      minute().map(({ action, outcome, name, count }) => [action, outcome, name, count]),
      [
        ...Array(3).fill([action, 'succeeded', 'ops', undefined]),
        [action, 'succeeded', 'other', undefined],
        [action, 'succeeded', 'ops', 4997]
      ]
    )
    t.same(new Set(kinds), new Set([kind]))
    t.end()
  })
}

await t.test('at the end what was gathered is told', t => {
  const { audit, told, refuse } = open(t)
  for (let n = 0; n < 3; n++) refuse('GET /v1/nodes', '192.0.2.1')
  audit.repeated('log_in', viewer)
  told.splice(0)
  audit.close()
  t.match(told, [{ outcome: 'refused', count: 2 }])
  audit.close()
  t.equal(told.length, 1)
  t.end()
})

await t.test('an entry is bounded, whatever is in it', t => {
  const long = 'x'.repeat(16_000)
  const entry = auditEntry(long, 'refused', { name: long, role: 'viewer', address: long }, { detail: long })
  t.ok(JSON.stringify(entry).length < 1000)
  t.equal(entry.action.length, 128)
  t.match(entry, { action: /x…$/, name: /x…$/, address: /x…$/, detail: /x…$/ })
  const { refuse, minute } = open(t)
  for (let n = 0; n < 10; n++) refuse(`GET /${n}${long}`, '192.0.2.1')
  for (const told of minute()) t.ok(JSON.stringify(told).length < 1000)
  t.end()
})

mock.timers.reset()
