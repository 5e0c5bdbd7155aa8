import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { CreatedToken, TokenList } from '../../schemas/tokens.js'
import { checker } from '../../schemas/validator.js'
import type { Role } from '../../schemas/access.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { invalid } from '../../src/errors.js'
import { findToken } from '../../src/security/token.js'
import { Store } from '../../src/store/store.js'
import { TokenTable } from '../../src/store/tokens.js'
import { startStoredController } from '../flow/stored-controller.js'
import { startTestAgent } from '../support/agent.js'
import { openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { silent } from '../support/log.js'
import { until } from '../support/until.js'
import { openClient } from '../support/zeek-websocket.js'

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const checkCreated = checker(CreatedToken, invalid)
const checkList = checker(TokenList, invalid)
const day = 86_400

/** A client of the routes for tokens. */
function clientOf(url: string, { own = {} as Record<string, string> } = {}) {
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = own) => {
    const response = await fetch(url + path, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) })
    })
    const text = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: text === '' ? undefined : JSON.parse(text)
    }
  }
  const create = (body: unknown, headers?: Record<string, string>) => call('POST', '/v1/tokens', body, headers)
  const make = async (role: Role, more: object = {}): Promise<string> => {
    const { status, json, text } = await create({ role, ...(role === 'agent' ? { name: 'agent-1' } : {}), ...more })
    if (status !== 201) throw new Error(text)
    return json.token
  }
  const revoke = (id: string, headers?: Record<string, string>) =>
    call('DELETE', `/v1/tokens/${id}`, undefined, headers)
  const list = async (): Promise<any[]> => {
    const { json } = await call('GET', '/v1/tokens')
    checkList(json, 'list')
    return json.tokens
  }
  const status = async (path: string, headers: Record<string, string>) =>
    (await call('GET', path, undefined, headers)).status
  const entries = async (): Promise<any[]> => (await call('GET', '/v1/audit?limit=1000')).json.entries
  return { call, create, make, revoke, list, status, entries }
}

const idOf = (token: string) => token.split('_')[1]!

/** A controller that wants tokens, and the client of an admin. */
async function start(t: Test, flags: Record<string, string> = {}, log = silent) {
  const directory = directoryOf(t)
  const admin = await tokenCommand(['create'], { role: 'admin' }, directory)
  const clock = { ahead: 0 }
  const controller = await startTestController(
    t,
    { 'management-state-dir': directory, 'controller-authentication': 'token', ...flags },
    { log, now: () => Date.now() + clock.ahead }
  )
  return { ...controller, ...clientOf(controller.url, { own: bearer(admin) }), directory, admin, clock }
}

await t.test('a token is made, told once, listed and revoked', async t => {
  const { create, revoke, list, status, admin, directory, clock } = await start(t)
  const { status: made, headers, json } = await create({ role: 'operator', name: 'ops', expires_in: 30 * day })
  t.equal(made, 201)
  checkCreated(json, 'created')
  t.match(json, { role: 'operator', name: 'ops', token: new RegExp(`^zcc_${json.id}_[\\w-]{43}$`) })
  t.equal(Date.parse(json.expires_at) - Date.parse(json.created_at), 30 * day * 1000)
  t.equal(headers.get('location'), `/v1/tokens/${json.id}`)
  t.equal(headers.get('cache-control'), 'no-store')
  t.equal(await status('/v1/requests', bearer(json.token)), 200, 'it is good at once')
  t.equal(await status('/v1/audit', bearer(json.token)), 403, 'for its role')
  const { token, ...known } = json
  const all = await list()
  t.same(
    all.map(({ id }) => id),
    [idOf(admin), json.id]
  )
  t.same(all[1], known)
  t.match(await tokenCommand(['list'], {}, directory), new RegExp(`${json.id}\toperator\tops\t`))
  clock.ahead = 30 * day * 1000
  t.equal(await status('/v1/requests', bearer(token)), 401, 'until it expires')
  clock.ahead = 0
  const { status: gone, text, headers: last } = await revoke(json.id)
  t.same([gone, text, last.get('cache-control')], [204, '', 'no-store'])
  t.equal(await status('/v1/requests', bearer(token)), 401)
  t.match((await revoke(json.id)).json, { status: 404, code: 'not_found', detail: `there is no token ${json.id}` })
  t.equal((await list()).length, 1)
})

await t.test('what is said is the least: a role is the name, and nothing expires', async t => {
  const { create, list, directory, revoke } = await start(t)
  const { json } = await create({ role: 'viewer' })
  t.match(json, { name: 'viewer', role: 'viewer' })
  t.notOk('expires_at' in json)
  const byCommand = await tokenCommand(['create'], { role: 'agent', name: 'agent-1', expires: '90m' }, directory)
  const [, , theirs] = await list()
  t.match(theirs, { id: idOf(byCommand), name: 'agent-1', role: 'agent' })
  t.equal(Date.parse(theirs.expires_at) - Date.parse(theirs.created_at), 5_400_000)
  t.equal((await revoke(theirs.id)).status, 204)
  t.notMatch(await tokenCommand(['list'], {}, directory), theirs.id)
})

await t.test('what a token cannot be is said by its field, and nothing is made', async t => {
  const { create, list } = await start(t)
  const bad: [unknown, string, RegExp][] = [
    [{}, 'body/role', /is required/],
    [{ role: null }, 'body/role', /must be string/],
    [{ role: 'viewer', join: {} }, 'body/role', /must be one of join$/],
    [{ role: 'join', join: { uses: 0 } }, 'body/join/uses', />= 1/],
    [{ role: 'boss' }, 'body/role', /must be one of viewer, operator, admin, agent, join$/],
    [{ role: ['admin'] }, 'body/role', /must be/],
    [{ role: 'Admin' }, 'body/role', /must be/],
    [{ role: '__proto__' }, 'body/role', /must be/],
    [{ role: 'agent' }, 'body/name', /^is required: an agent can speak for no other$/],
    [{ role: 'agent', name: null }, 'body/name', /must be string/],
    ...['', '.', '..', '-a', 'a b', 'a/b', 'a\n', '\0', 'ä', 'x'.repeat(65)].map(
      name => [{ role: 'viewer', name }, 'body/name', /must be a name/] as [unknown, string, RegExp]
    ),
    ...[0, 59, -60, 99_999 * day + 1, 1e300, 60.5, '3600', '30d', true, [60]].map(
      expires => [{ role: 'viewer', expires_in: expires }, 'body/expires_in', /must be/] as [unknown, string, RegExp]
    ),
    [{ role: 'viewer', labels: {} }, 'body/labels', /^names no label$/],
    [{ role: 'admin', labels: { site: 'berlin' } }, 'body/labels', /^limits nothing: an admin/],
    [{ role: 'agent', name: 'a', labels: { site: 'berlin' } }, 'body/labels', /^limits nothing: an agent/],
    [{ role: 'viewer', labels: { site: 1 } }, 'body/labels/site', /must be string/],
    [{ role: 'viewer', labels: ['site=berlin'] }, 'body/labels', /must be object/],
    [{ role: 'viewer', expires: 60 }, 'body/expires', /is not known/],
    [{ role: 'viewer', id: '000000000000' }, 'body/id', /is not known/],
    [{ role: 'viewer', hash: 'x' }, 'body/hash', /is not known/]
  ]
  for (const [body, field, message] of bad) {
    const { status, json } = await create(body)
    t.match([status, json], [400, { code: 'invalid_request', errors: [{ field, message }] }], JSON.stringify(body))
    t.equal(json.errors.length, 1)
  }
  for (const body of [undefined, '', 'null', '[]', '"viewer"', '{', '{"role":"viewer","__proto__":{}}']) {
    t.equal((await create(body)).status, 400, String(body))
  }
  t.equal((await create(`{"role":"viewer"${' '.repeat(1024)}}`)).status, 413)
  t.equal((await list()).length, 1)
  for (const good of [{ expires_in: 60 }, { expires_in: 99_999 * day }, { name: 'x'.repeat(64) }, { name: '_.-' }]) {
    t.equal((await create({ role: 'viewer', ...good })).status, 201, JSON.stringify(good))
  }
})

await t.test('a token that is limited to labels says so wherever it is listed, and in the audit log', async t => {
  const { create, list, entries, directory } = await start(t)
  const labels = { site: 'berlin', tap: 'uplink' }
  const { json } = await create({ role: 'operator', name: 'berlin', labels })
  checkCreated(json, 'created')
  t.same(json.labels, labels)
  const offline = { role: 'viewer', name: 'b', labels: 'tap=uplink, site=berlin' }
  const token = await tokenCommand(['create'], offline, directory)
  t.same(
    (await list()).slice(1).map(({ labels }) => labels),
    [labels, labels]
  )
  t.match(await tokenCommand(['list'], {}, directory), /limited to site=berlin, tap=uplink/)
  const made = (await entries()).filter(({ action }) => action === 'create_token').map(({ detail }) => detail)
  t.match(made, [
    `${idOf(token)}: viewer b, limited to site=berlin, tap=uplink`,
    /operator berlin, limited to site=berlin/
  ])
  for (const [flags, message] of [
    [{ role: 'admin', labels: 'site=berlin' }, /labels limits nothing: an admin/],
    [{ role: 'viewer', labels: 'berlin' }, /^--labels must be labels with their values/],
    [{ role: 'viewer', labels: '' }, /^--labels must be labels with their values/],
    [{ role: 'viewer', labels: 'site=' }, /^--labels must be labels with their values/]
  ] as const) {
    await t.rejects(tokenCommand(['create'], flags, directory), { message })
  }
})

await t.test('what is no id is refused, and no text is taken for one', async t => {
  const { call, revoke, make, list, status, entries } = await start(t)
  const token = await make('viewer')
  const secret = token.slice(-43)
  const told: string[] = []
  for (const id of [
    token,
    secret,
    'x',
    '__proto__',
    '%00',
    '..%2f',
    '*',
    '%25',
    idOf(token).toUpperCase() + '%20',
    'x'.repeat(99)
  ]) {
    const { status, text } = await revoke(id)
    t.ok([400, 404].includes(status), `${id}: ${status}`)
    told.push(text)
  }
  for (const headers of [{}, bearer(token), bearer('x')] as Record<string, string>[]) {
    told.push((await revoke(token, headers)).text, (await revoke(`${token}/x`, headers)).text)
  }
  told.push((await call('GET', `/v1/tokens/${token}`)).text, (await call('POST', `/v1/tokens/${token}`, {})).text)
  told.push((await call('GET', '/v1/tokens?role=viewer')).text)
  told.push(JSON.stringify(await entries()))
  for (const text of told) t.notMatch(text, secret)
  t.match(JSON.stringify(await entries()), `DELETE /v1/tokens/zcc_${idOf(token)}_…`)
  t.equal((await list()).length, 2)
  t.equal(await status('/v1/requests', bearer(token)), 200)
})

await t.test('only admins make, see and revoke tokens', async t => {
  const { make, create, revoke, list, call, admin, url } = await start(t)
  for (const role of ['viewer', 'operator', 'agent'] as const) {
    const token = await make(role)
    const before = await list()
    for (const wanted of ['viewer', role, 'admin']) {
      t.equal((await create({ role: wanted, name: 'x' }, bearer(token))).status, 403, `${role} makes ${wanted}`)
    }
    t.equal((await call('GET', '/v1/tokens', undefined, bearer(token))).status, 403)
    t.equal((await revoke(idOf(admin), bearer(token))).status, 403)
    t.equal((await revoke(idOf(token), bearer(token))).status, 403, 'nor their own')
    t.same(await list(), before)
  }
  const { headers } = await call('POST', '/v1/session', { token: admin }, {})
  const cookie = headers.get('set-cookie')!.split(';')[0]!
  t.equal((await create({ role: 'viewer' }, { cookie })).status, 403, 'a page of another site')
  t.equal((await create({ role: 'viewer' }, { cookie, origin: url })).status, 201)
})

await t.test('who did it, and from where, is in the audit log, and told as it happens', async t => {
  const { create, revoke, entries, url, admin } = await start(t, { 'controller-trusted-proxies': '127.0.0.1' })
  const stream = await openStream(t, `${url}/v1/audit/events`, bearer(admin))
  await stream.next('hello')
  const from = { ...bearer(admin), 'x-forwarded-for': '192.0.2.7' }
  const { json } = await create({ role: 'agent', name: 'agent-1' }, from)
  await create({ role: 'agent' }, from)
  await revoke(json.id, from)
  await revoke(json.id, from)
  const by = { type: 'audit', outcome: 'succeeded', name: 'admin', role: 'admin', address: '192.0.2.7' }
  const expected = [
    { ...by, action: 'create_token', detail: `${json.id}: agent agent-1` },
    { ...by, action: 'revoke_token', detail: `${json.id}: agent agent-1` }
  ]
  t.match(await entries(), [...expected].reverse())
  t.match([(await stream.next('audit'))?.json, (await stream.next('audit'))?.json], expected)
  t.equal((await entries()).length, 3, 'the first one is of the command; what changes nothing is not in it')
})

await t.test('a revoked token ends what was opened with it, and nothing else', async t => {
  const { make, revoke, call, status, url, settings, directory, controller, list } = await start(t)
  const port = settings.controller_websocket_port
  const open = async (token: string) => {
    const { headers } = await call('POST', '/v1/session', { token }, {})
    const page = { cookie: headers.get('set-cookie')!.split(';')[0]!, origin: url }
    const ticket = async () => (await call('POST', '/v1/tickets', {}, page)).json.ticket as string
    const streams = [
      await openStream(t, `${url}/v1/events`, bearer(token)),
      await openStream(t, `${url}/v1/events`, page),
      await openStream(t, `${url}/v1/events?ticket=${await ticket()}`)
    ]
    for (const stream of streams) await stream.next('hello')
    return {
      streams,
      clients: [
        await openClient(t, port, undefined, { headers: bearer(token) }),
        await openClient(t, port, undefined, { headers: page })
      ],
      page,
      ticket: await ticket()
    }
  }
  const [token, other, agent] = [await make('viewer'), await make('viewer'), await make('agent')]
  const [ending, staying] = [await open(token), await open(other)]
  const file = join(directory, 'agent.token')
  writeFileSync(file, agent)
  await startTestAgent(t, 'agent-1', settings.controller_port, { 'agent-token-file': file })
  const connected = () => controller.instances().some(({ connected }) => connected)
  await until(connected, 'the agent is connected')

  t.equal((await revoke(idOf(token))).status, 204)
  for (const headers of [bearer(token), ending.page]) t.equal(await status('/v1/session', headers), 401, 'at once')
  t.equal(await status(`/v1/events?ticket=${ending.ticket}`, {}), 401)
  for (const stream of ending.streams) {
    t.notOk((await stream.collect()).some(({ event }) => event === 'goodbye'))
  }
  for (const { closed } of ending.clients) await closed
  t.ok(connected())
  t.notOk((await list()).some(({ id, session_of: parent }) => [id, parent].includes(idOf(token))))

  t.equal((await revoke(idOf(agent))).status, 204)
  await until(() => !connected(), 'the link is ended')
  for (const stream of staying.streams) t.ok(await stream.next('notify_agent_lost'), 'the others hear of it')
  for (const { socket } of staying.clients) t.equal(socket.readyState, socket.OPEN)
  t.equal(await status('/v1/session', staying.page), 200)
})

await t.test('sessions are listed, and one is revoked alone', async t => {
  const { make, revoke, call, list, status } = await start(t)
  const token = await make('viewer', { name: 'ops' })
  const pages: { cookie: string }[] = []
  for (let n = 0; n < 2; n++) {
    const { headers } = await call('POST', '/v1/session', { token }, {})
    pages.push({ cookie: headers.get('set-cookie')!.split(';')[0]! })
  }
  const sessions = (await list()).filter(({ session_of: parent }) => parent === idOf(token))
  t.match(sessions, [
    { name: 'ops', role: 'viewer', expires_at: String },
    { name: 'ops', role: 'viewer', expires_at: String }
  ])
  const [first, second] = pages as [{ cookie: string }, { cookie: string }]
  t.equal((await revoke(first.cookie.split('_')[1]!)).status, 204)
  t.equal(await status('/v1/session', first), 401)
  t.equal(await status('/v1/session', second), 200)
  t.equal(await status('/v1/session', bearer(token)), 200)
})

await t.test("one's own token can be revoked: the answer is whole, and the last one", async t => {
  const { make, revoke, url, entries, status } = await start(t)
  for (let n = 0; n < 20; n++) {
    const token = await make('admin')
    const stream = await openStream(t, `${url}/v1/audit/events`, bearer(token))
    await stream.next('hello')
    t.equal((await revoke(idOf(token), bearer(token))).status, 204)
    t.equal((await revoke(idOf(token), bearer(token))).status, 401)
    await stream.collect()
  }
  t.match((await entries()).find(({ action }) => action === 'revoke_token').detail, /: admin admin, its own$/)
  const made = await make('admin', { name: 'maker' })
  const { create } = clientOf(url, { own: bearer(made) })
  const { json } = await create({ role: 'viewer' })
  await revoke(idOf(made))
  t.equal(await status('/v1/requests', bearer(json.token)), 200, 'what was made with it stays')
})

await t.test('one who asks again gets another token: no text is kept that could be told again', async t => {
  const { create, list, admin } = await start(t)
  const headers = { ...bearer(admin), 'idempotency-key': 'k' }
  const [one, two] = [await create({ role: 'viewer' }, headers), await create({ role: 'viewer' }, headers)]
  t.not(one.json.token, two.json.token)
  t.same([two.status, two.headers.get('idempotent-replayed')], [201, null])
  t.equal((await list()).length, 3)
})

await t.test('requests for tokens count as others do', async t => {
  const { create } = await start(t, { 'controller-requests-rate-max': '5' })
  const statuses = await Promise.all(Array.from({ length: 30 }, async () => (await create({ role: 'viewer' })).status))
  t.ok(statuses.filter(status => status === 429).length > 10)
  t.ok(statuses.every(status => status === 201 || status === 429))
})

await t.test('where no token is asked for, everyone may prepare tokens, and they count from then on', async t => {
  const directory = directoryOf(t)
  const flags = { 'management-state-dir': directory, 'controller-authentication': 'none' }
  const open = await startTestController(t, flags)
  const { make, revoke, list, entries, status } = clientOf(open.url)
  const [token, other] = [await make('admin', { name: 'ops' }), await make('viewer')]
  t.equal((await list()).length, 2)
  t.equal((await revoke(idOf(other))).status, 204)
  t.equal(await status('/v1/audit', bearer(other)), 200, 'nobody is asked for one')
  t.match((await entries()).at(-1), { action: 'create_token', name: 'anyone', role: 'admin', address: '127.0.0.1' })
  await open.close()
  const closed = await startTestController(t, { ...flags, 'controller-authentication': 'token' })
  const then = clientOf(closed.url, { own: bearer(token) })
  t.equal((await then.list()).length, 1)
  t.equal(await then.status('/v1/session', bearer(other)), 401)
  t.equal(await then.status('/v1/session', {}), 401)
})

await t.test('no text of a token is in logs, events, the audit log or on the disk', async t => {
  const lines: string[] = []
  const log = pino({ level: 'trace' }, { write: (line: string) => lines.push(line) })
  const { make, revoke, call, url, admin, directory, list, close } = await start(t, {}, log)
  const events = await openStream(t, `${url}/v1/events?from=earliest`, bearer(admin))
  const token = await make('viewer')
  const secret = token.slice(-43)
  await call('POST', '/v1/tokens', { role: token, name: token, expires_in: token, [token]: token }, bearer(token))
  await call('POST', '/v1/tokens', { role: 'viewer', name: `${token}-${token}` })
  const texts = [JSON.stringify(await list())]
  await revoke(idOf(token))
  const { json } = await call('POST', '/v1/requests/get_instances', {}, { ...bearer(admin), prefer: 'wait=10' })
  texts.push(JSON.stringify(await events.collect(({ type, reqid }) => reqid === json.reqid && /_response$/.test(type))))
  texts.push((await call('GET', '/v1/audit?limit=1000')).text)
  await close()
  const store = new Store(join(directory, 'controller.sqlite'))
  for (const table of ['audit', 'events', 'tokens', 'meta', 'requests']) {
    texts.push(JSON.stringify(store.all(`SELECT * FROM ${table}`)))
  }
  store.close()
  t.match(texts.join('\n'), 'create_token')
  for (const text of [...lines, ...texts]) if (text.includes(secret)) t.fail(`it is told: ${text}`)
})

await t.test('a kill in between leaves neither a change without its entry nor an entry without its change', async t => {
  for (let round = 0; round < 3; round++) {
    const controller = await startStoredController(t)
    const { create, revoke } = clientOf(controller.url)
    const [made, gone] = [new Map<string, string>(), new Set<string>()]
    const work = async () => {
      for (;;) {
        const { json } = await create({ role: 'viewer' })
        made.set(json.id, json.token)
        if (made.size % 3 !== 0) continue
        await revoke(json.id)
        gone.add(json.id)
      }
    }
    const workers = Array.from({ length: 8 }, () => work().catch(() => {}))
    await until(() => made.size > 30 + 17 * round, 'some are made')
    await controller.stop('SIGKILL')
    await Promise.all(workers)
    const store = new Store(controller.database)
    const kept = new Map(new TokenTable(store).list().map(token => [token.id, token]))
    const noted = (action: string) =>
      store
        .all<{ id: string }>(
          "SELECT substr(body ->> 'detail', 1, 12) AS id FROM audit WHERE body ->> 'action' = ?",
          action
        )
        .map(({ id }) => id)
    const [created, revoked] = [noted('create_token'), new Set(noted('revoke_token'))]
    store.close()
    t.same(
      [...kept.keys()].sort(),
      created.filter(id => !revoked.has(id)).sort(),
      `${created.length} made and ${revoked.size} revoked`
    )
    for (const id of gone) t.notOk(kept.has(id), 'what is told to be revoked is so')
    for (const [id, text] of made) {
      if (!revoked.has(id)) t.ok(findToken(kept, text, Date.now()), 'what is told to be made is good')
    }
  }
})
