import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino, type Logger } from 'pino'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { Role } from '../../schemas/access.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'
import { openClient, openRaw } from '../support/zeek-websocket.js'

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const name = 'zeek-cluster-session'

/** A controller that wants tokens, with a clock that can be moved, and ways to come in as a page does. */
async function start(
  t: Test,
  flags: Record<string, string> = {},
  { directory = directoryOf(t), ...options }: { directory?: string; log?: Logger } = {}
) {
  const clock = { ahead: 0 }
  const make = (role: Role, more: Record<string, string> = {}) =>
    tokenCommand(['create'], { role, name: role, ...more }, directory)
  const revoke = (token: string) => tokenCommand(['revoke', token.split('_')[1]!], {}, directory)
  const list = async () =>
    (await tokenCommand(['list'], {}, directory))
      .split('\n')
      .filter(line => line !== '')
      .map(line => line.split('\t'))
  const controller = await startTestController(
    t,
    { 'management-state-dir': directory, 'controller-authentication': 'token', ...flags },
    { now: () => Date.now() + clock.ahead, ...options }
  )
  const { url, settings } = controller
  const call = async (path: string, headers: Record<string, string> = {}, method = 'GET', body?: unknown) => {
    const response = await fetch(url + path, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: text !== '' && /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : undefined
    }
  }
  const status = async (...args: Parameters<typeof call>) => (await call(...args)).status
  const logIn = async (token: string) => {
    const { status, headers, json } = await call('/v1/session', {}, 'POST', { token })
    const cookie = headers.get('set-cookie') ?? ''
    return { status, json, cookie, page: { cookie: cookie.split(';')[0]!, origin: url } }
  }
  const ticket = async (headers: Record<string, string>): Promise<string> =>
    (await call('/v1/tickets', headers, 'POST')).json.ticket
  /** The status of a stream that is opened and left again. */
  const stream = async (path: string, headers: Record<string, string> = {}) => {
    const { response, close } = await openStream(t, url + path, headers)
    close()
    return response.status
  }
  return {
    ...controller,
    port: settings.controller_websocket_port,
    directory,
    clock,
    make,
    revoke,
    list,
    call,
    status,
    logIn,
    ticket,
    stream
  }
}

await t.test('a session is for who has a token of a person', async t => {
  const { make, logIn, call, status, clock, revoke, directory } = await start(t)
  const token = await make('operator', { name: 'ops' })
  const { status: entered, cookie, page, json } = await logIn(token)
  t.equal(entered, 200)
  t.match(json, { name: 'ops', role: 'operator' })
  t.match(
    cookie,
    new RegExp(`^${name}=zcc_[^;]+; Path=/; HttpOnly; SameSite=Strict; Max-Age=432(00|\\d\\d)$`),
    'without TLS a cookie that is Secure would not come back'
  )
  t.notOk(cookie.includes(token.slice(-43)), 'it is not the token')
  t.match((await call('/v1/session', page)).json, { name: 'ops', role: 'operator', expires_at: json.expires_at })
  t.equal(await status('/v1/requests/get_instances', page, 'POST', {}), 202)
  const agent = await logIn(await make('agent', { name: 'agent-1' }))
  t.equal(agent.status, 403)
  t.equal(agent.cookie, '')
  const expired = await make('viewer', { expires: '1m' })
  const revoked = await make('viewer')
  await revoke(revoked)
  clock.ahead = 60_000
  for (const text of [
    expired,
    revoked,
    '',
    'x',
    'bootstrap',
    token + 'x',
    token.slice(0, -1),
    token.toUpperCase(),
    `Bearer ${token}`,
    `${token}\n`,
    '__proto__',
    'zcc__',
    'zcc_bootstrap_'
  ]) {
    const { status, cookie } = await logIn(text)
    t.ok([400, 401].includes(status), `${text}: ${status}`)
    t.equal(cookie, '')
  }
  for (const body of [null, {}, { token: null }, { token: [token] }, { token, role: 'admin' }, [token], token]) {
    t.equal(await status('/v1/session', {}, 'POST', body), 400, JSON.stringify(body))
  }
  t.equal((await tokenCommand(['list'], {}, directory)).match(/session of/g)?.length, 1)
})

await t.test('where clients speak TLS the cookie is for this very host, and no other is taken', async t => {
  const { make, logIn, call, status, port } = await start(t, { 'controller-tls-by-proxy': 'true' })
  const { cookie, page } = await logIn(await make('viewer'))
  t.match(cookie, new RegExp(`^__Host-${name}=zcc_[^;]+; Path=/; HttpOnly; SameSite=Strict; Max-Age=\\d+; Secure$`))
  const own = { ...page, origin: `https://127.0.0.1:${port}` }
  t.equal(await status('/v1/session', own), 200)
  t.equal(
    await status('/v1/session', { cookie: own.cookie.replace('__Host-', '') }),
    401,
    'one that another host of the domain, or a page without TLS, could have set'
  )
  const { headers } = await call('/v1/session', own, 'DELETE')
  t.equal(headers.get('set-cookie'), `__Host-${name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0; Secure`)
})

await t.test('a session ends with its token, by itself, and when it is left; and so do its streams', async t => {
  const { url, port, make, revoke, logIn, call, status, clock } = await start(t, {
    'controller-session-lifetime': '600'
  })
  const open = async (token: string) => {
    const { page } = await logIn(token)
    const stream = await openStream(t, `${url}/v1/events`, { cookie: page.cookie })
    await stream.next('hello')
    const client = await openClient(t, port, undefined, { headers: { cookie: page.cookie, origin: url } })
    return {
      page,
      ended: async () => {
        await Promise.all([stream.collect(), client.closed])
      }
    }
  }
  const token = await make('viewer')
  const other = await open(token)
  const left = await open(token)
  const { status: gone, headers } = await call('/v1/session', left.page, 'DELETE')
  t.equal(gone, 204)
  t.match(headers.get('set-cookie'), /^zeek-cluster-session=; .*Max-Age=0/)
  await left.ended()
  t.equal(await status('/v1/session', left.page), 401)
  t.equal(await status('/v1/session', bearer(token)), 200, 'the token stays')
  t.equal(await status('/v1/session', other.page), 200, 'and so do its other sessions')
  await revoke(token)
  await other.ended()
  t.equal(await status('/v1/session', other.page), 401)
  const short = await open(await make('viewer', { expires: '1m' }))
  const long = await open(await make('viewer'))
  clock.ahead = 60_000
  await short.ended()
  t.equal(await status('/v1/session', short.page), 401, 'never longer than its token')
  t.equal(await status('/v1/session', long.page), 200)
  clock.ahead = 600_000
  await long.ended()
  t.equal(await status('/v1/session', long.page), 401)
})

await t.test('a session outlives a restart, is listed, and can be revoked by itself', async t => {
  const first = await start(t)
  const token = await first.make('viewer')
  const { page } = await first.logIn(token)
  await first.close()
  const { status, list, url, directory } = await start(t, {}, { directory: first.directory })
  const again = { ...page, origin: url }
  t.equal(await status('/v1/session', again), 200)
  const session = (await list()).find(line => line[5] !== undefined)!
  t.same([session[1], session[2], session[5]], ['viewer', 'viewer', `session of ${token.split('_')[1]}`])
  await tokenCommand(['revoke', session[0]!], {}, directory)
  t.equal(await status('/v1/session', again), 401)
  t.equal(await status('/v1/session', bearer(token)), 200)
})

await t.test('a session makes no longer one of itself, and no more than there is room for', async t => {
  const { make, logIn, clock, status, list, revoke } = await start(t, { 'controller-session-lifetime': '600' })
  const token = await make('viewer')
  const first = await logIn(token)
  clock.ahead = 500_000
  const second = await logIn(first.page.cookie.split('=')[1]!)
  t.equal(second.status, 200)
  t.ok(second.json.expires_at <= first.json.expires_at)
  t.match(
    await list(),
    [{}, { 5: `session of ${token.split('_')[1]}` }, { 5: `session of ${token.split('_')[1]}` }],
    'of the token, not of each other'
  )
  clock.ahead = 600_000
  t.equal(await status('/v1/session', second.page), 401)
  const last = await logIn(token)
  t.equal((await list()).length, 2, 'those that are over are dropped')
  for (let n = 0; n < 100; n++) await logIn(token)
  t.equal((await list()).length, 101)
  t.equal(await status('/v1/session', last.page), 401, 'the oldest makes room')
  t.equal(await status('/v1/session', bearer(token)), 200)
  await revoke(token)
  t.equal((await list()).length, 0)
})

await t.test('the sessions of a token count as one client with it', async t => {
  const { make, logIn, status, stream, url } = await start(t, {
    'controller-events-streams-per-client': '1',
    'controller-requests-rate-max': '0'
  })
  const token = await make('viewer')
  const pages = [await logIn(token), await logIn(token)]
  const held = await openStream(t, `${url}/v1/events`, pages[0]!.page)
  t.equal(held.response.status, 200)
  t.equal(await status('/v1/events', pages[1]!.page), 429)
  t.equal(await status('/v1/events', bearer(token)), 429)
  t.equal(await stream('/v1/events', bearer(await make('viewer'))), 200)
})

await t.test('without authentication there is nothing to log in to, and nothing breaks', async t => {
  const { logIn, status, call, ticket, stream } = await start(t, { 'controller-authentication': 'none' })
  const { status: entered, cookie, json } = await logIn('x')
  t.same([entered, cookie, json], [200, '', { name: 'anyone', role: 'admin' }])
  t.equal(await status('/v1/session', { cookie: `${name}=junk` }), 200)
  t.equal((await call('/v1/session', {}, 'DELETE')).status, 204)
  t.equal(await stream(`/v1/events?ticket=${await ticket({})}`), 200)
})

await t.test('junk in cookies is nobody', async t => {
  const { make, logIn, status } = await start(t)
  const token = await make('admin')
  const {
    page: { cookie }
  } = await logIn(token)
  const text = cookie.split('=')[1]!
  for (const good of [
    cookie,
    `a=b; ${cookie}`,
    `${cookie}; a=b`,
    `a=b;${cookie};c=d`,
    `;; ${cookie} ;`,
    `x${name}=1; ${cookie}`,
    `${cookie}; x=${text}`,
    `__Host-${name}=x; ${cookie}`
  ]) {
    t.equal(await status('/v1/session', { cookie: good }), 200, good)
  }
  const bad = [
    '',
    '=',
    ';',
    name,
    `${name}=`,
    `${name}=;`,
    `${name}=x`,
    `x${cookie}`,
    `a=${cookie}`,
    `a="; ${cookie}x`,
    `${name} =${text}`,
    `${name}="${text}"`,
    `${cookie}x`,
    `${name.toUpperCase()}=${text}`,
    `${name}=${encodeURIComponent(text)}%20`,
    '\u00ff'.repeat(10),
    `${'a=b; '.repeat(2000)}`,
    `${name}=${'x'.repeat(8000)}`
  ]
  for (const cookie of bad) t.equal(await status('/v1/session', { cookie }), 401, cookie.slice(0, 80))
  t.equal(await status('/v1/session', { cookie: `${name}=${token}` }), 401, 'a token is no session')
  const planted = await logIn(await make('viewer'))
  for (const cookies of [
    [cookie, planted.page.cookie],
    [planted.page.cookie, cookie],
    [cookie, `${name}=x`],
    [cookie, cookie]
  ]) {
    t.equal(await status('/v1/session', { cookie: cookies.join('; ') }), 401, 'of two nobody knows which is ours')
  }
  t.equal(
    await status('/v1/session', { cookie, ...bearer('x') }),
    401,
    'who shows a bad token is not let in by the cookie'
  )
})

await t.test('a page of another site can do nothing with the session', async t => {
  const { make, logIn, status, url, port } = await start(t)
  const {
    page: { cookie }
  } = await logIn(await make('admin'))
  const post = (headers: Record<string, string>, method = 'POST', path = '/v1/requests/deploy') =>
    status(path, { cookie, ...headers }, method)
  for (const [path, method] of [
    ['/v1/requests/deploy', 'POST'],
    ['/v1/tickets', 'POST'],
    ['/v1/session', 'DELETE']
  ] as const) {
    for (const headers of [
      {},
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { origin: url.replace('http', 'https') },
      { origin: `${url}0` },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'none' },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
      { origin: 'http://evil.example', 'sec-fetch-site': 'same-origin' },
      { origin: url, 'sec-fetch-site': 'same-site' }
    ] as Record<string, string>[]) {
      t.equal(await post(headers, method, path), 403, `${method} ${path} ${JSON.stringify(headers)}`)
    }
  }
  t.equal(await post({ origin: url }), 202)
  t.equal(await post({ 'sec-fetch-site': 'same-origin' }), 202)
  t.equal(
    await status('/v1/session', { origin: 'http://evil.example' }, 'POST', { token: 'x' }),
    403,
    'nor log it in as someone else'
  )
  for (const headers of [
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: '' },
    { 'sec-fetch-site': 'cross-site' }
  ] as Record<string, string>[]) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/messages/json`, { headers: { cookie, ...headers } })
    t.match((await once(socket, 'error'))[0].message, /403/)
  }
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
    const response = await fetch(`${url}/v1/session`, {
      method: 'POST',
      headers: { 'content-type': type },
      body: '{"token":"x"}'
    })
    t.equal(response.status, 415, 'what a form can send is not taken')
  }
})

await t.test('a ticket opens one stream, once, soon, for who has it', async t => {
  const { make, logIn, ticket, stream, status, url, clock, call, revoke } = await start(t)
  const token = await make('viewer')
  const { page } = await logIn(token)
  for (const headers of [bearer(token), page]) {
    const it = await ticket(headers)
    t.match(it, /^[\w-]{43}$/)
    const both = await Promise.all([stream(`/v1/events?ticket=${it}`), stream(`/v1/events?ticket=${it}`)])
    t.same(both.sort(), [200, 401])
    t.equal(await status(`/v1/events?ticket=${it}`), 401)
  }
  const { json } = await call('/v1/requests/get_instances', page, 'POST', {})
  t.equal(await stream(`/v1/requests/${json.reqid}/events?ticket=${await ticket(page)}`), 200)
  const late = await ticket(page)
  const soon = await ticket(page)
  clock.ahead += 29_000
  t.equal(await stream(`/v1/events?ticket=${soon}`), 200)
  clock.ahead += 1_001
  t.equal(await status(`/v1/events?ticket=${late}`), 401)
  const kept = await ticket(page)
  for (const path of [
    '/v1/session',
    '/v1/nodes',
    '/v1/requests',
    '/v1/configurations/staged',
    '/v1/instances',
    '/metrics',
    '/v1/messages/json'
  ]) {
    t.equal(await status(`${path}?ticket=${kept}`), 401, path)
  }
  t.equal(await status(`/v1/events?ticket=${kept}`, {}, 'HEAD'), 401)
  t.equal(await status('/v1/events', bearer(kept)), 401)
  t.equal(await status('/v1/events', { cookie: `${name}=${kept}` }), 401)
  t.equal(await status(`/v1/requests/get_instances?ticket=${kept}`, {}, 'POST', {}), 401)
  for (const query of [
    'ticket=',
    'ticket=x',
    'ticket=__proto__',
    `ticket=${kept}x`,
    `ticket=${kept}&ticket=${kept}`,
    `Ticket=${kept}`,
    `ticket[]=${kept}`,
    `ticket=${token}`,
    `token=${token}`,
    `access_token=${token}`
  ]) {
    t.equal(await status(`/v1/events?${query}`), 401, query)
  }
  t.equal(
    await status(`/v1/events?ticket=${kept}`, { origin: 'http://evil.example' }),
    403,
    'not for a page of another site'
  )
  t.equal(await stream(`/v1/events?ticket=${kept}`), 200, 'none of them has used it up')
  t.equal(await status('/v1/events?ticket=x', bearer(token)), 401, 'a bad one is not made good by a token')
  const operatorOnly = await ticket(page)
  t.equal(await status(`/v1/audit/events?ticket=${operatorOnly}`), 403, 'it may do no more than who asked for it')
  const orphan = await ticket(page)
  const open = await openStream(t, `${url}/v1/events?ticket=${await ticket(page)}`)
  await open.next('hello')
  await revoke(token)
  await open.collect()
  t.equal(await status(`/v1/events?ticket=${orphan}`), 401, 'it is good as long as its token')
})

await t.test('a stream that was opened with the ticket of a session ends with the session', async t => {
  const { make, logIn, ticket, url, call } = await start(t)
  const { page } = await logIn(await make('viewer'))
  const stream = await openStream(t, `${url}/v1/events?ticket=${await ticket(page)}`)
  await stream.next('hello')
  await call('/v1/session', page, 'DELETE')
  await stream.collect()
  t.pass('it has ended')
})

await t.test("whoever hoards tickets is in nobody's way", async t => {
  const { make, ticket, stream, status, clock } = await start(t, { 'controller-requests-rate-max': '0' })
  const [one, two] = [bearer(await make('viewer')), bearer(await make('viewer'))]
  const oldest = await ticket(one)
  for (let n = 0; n < 9; n++) await Promise.all(Array.from({ length: 111 }, () => ticket(one)))
  t.equal(await status('/v1/tickets', one, 'POST'), 429)
  t.equal(await stream(`/v1/events?ticket=${await ticket(two)}`), 200)
  t.equal(await stream(`/v1/events?ticket=${oldest}`), 200)
  t.equal(await status('/v1/tickets', one, 'POST'), 201, 'a ticket that is used makes room')
  t.equal(await status('/v1/tickets', one, 'POST'), 429)
  clock.ahead += 30_000
  t.equal(await status('/v1/tickets', one, 'POST'), 201, 'as those that have expired do')
})

await t.test('the first admin comes in with a token of their own making, once and for all', async t => {
  const directory = directoryOf(t)
  const file = join(directory, 'first')
  const text = '~Correct+horse/battery=staple-0123!'
  writeFileSync(file, ` ${text}\n`)
  const flags = { 'controller-bootstrap-token-file': file }
  const first = await start(t, flags, { directory })
  t.equal(await first.status('/v1/session', bearer(text)), 200)
  t.match((await first.call('/v1/session', bearer(text))).json, { name: 'bootstrap', role: 'admin' })
  const { page } = await first.logIn(text)
  t.equal(await first.status('/v1/session', page), 200)
  for (const guess of [
    'bootstrap',
    '',
    'zcc_bootstrap_',
    `bootstrap_${text}`,
    `zcc_bootstrap_${text}`,
    `zcc_bootstrap_${'A'.repeat(43)}`,
    text.toLowerCase(),
    text.slice(1),
    'undefined',
    'null',
    'x'.repeat(32)
  ]) {
    t.equal(await first.status('/v1/session', bearer(guess)), 401, guess)
  }
  await first.close()
  writeFileSync(file, 'another-one-of-which-nobody-has-heard')
  const second = await start(t, flags, { directory })
  t.equal(await second.status('/v1/session', bearer(text)), 200, 'the first one counts')
  t.equal(await second.status('/v1/session', bearer('another-one-of-which-nobody-has-heard')), 401)
  await tokenCommand(['revoke', 'bootstrap'], {}, directory)
  t.equal(await second.status('/v1/session', bearer(text)), 401)
  await second.close()
  writeFileSync(file, text)
  const third = await start(t, flags, { directory })
  t.equal(await third.status('/v1/session', bearer(text)), 401, 'revoked is revoked')
  await third.close()
  const fourth = await start(t, { 'controller-bootstrap-token-file': join(directory, 'gone') }, { directory })
  t.equal(await fourth.status('/healthz'), 200, 'later on the file may be gone')
})

await t.test('what is no good as a first token stops the start', async t => {
  const directory = directoryOf(t)
  const file = join(directory, 'first')
  const starting = () =>
    start(
      t,
      { 'controller-bootstrap-token-file': file, 'controller-port': '1' },
      { directory: join(directory, 'state') }
    )
  await t.rejects(starting(), {
    code: 'invalid_request',
    message: new RegExp(`^ZEEK_CONTROLLER_BOOTSTRAP_TOKEN_FILE: ${file}: ENOENT`)
  })
  const made = await tokenCommand(['create'], { role: 'admin' }, join(directory, 'other'))
  for (const text of [
    '',
    'short',
    'x'.repeat(31),
    'x'.repeat(257),
    `${'x'.repeat(40)} y`,
    `${'x'.repeat(40)}\n${'y'.repeat(40)}`,
    'ä'.repeat(40),
    `${'x'.repeat(40)}\0`,
    made
  ]) {
    writeFileSync(file, text)
    await t.rejects(
      starting(),
      { code: 'invalid_request', message: new RegExp(`^ZEEK_CONTROLLER_BOOTSTRAP_TOKEN_FILE: ${file}: it `) },
      text
    )
    if (text !== '') {
      t.notMatch(await starting().catch(error => error.message.replace(file, '')), text, 'and is not told')
    }
  }
})

await t.test('no secret is told in logs, events, metrics, errors or the audit log', async t => {
  const lines: string[] = []
  const { make, logIn, ticket, call, status, stream, url, port, revoke, list } = await start(
    t,
    { 'controller-requests-rate-max': '20' },
    {
      log: pino(
        { level: 'debug' },
        {
          write: (line: string) => {
            lines.push(line)
          }
        }
      )
    }
  )
  const admin = await make('admin')
  const token = await make('viewer')
  const { page } = await logIn(token)
  const session = page.cookie.split('=')[1]!
  const [used, unused] = [await ticket(page), await ticket(bearer(token))]
  const watching = await openStream(t, `${url}/v1/audit/events?from=earliest`, bearer(admin))
  const events = await openStream(t, `${url}/v1/events?from=earliest`, bearer(admin))
  await stream(`/v1/events?ticket=${used}`)
  const secrets = [admin, token, session, used, unused].map(text => text.slice(-43))
  const texts: string[] = []
  for (const query of [
    `ticket=${used}`,
    `ticket=${unused}&types=nope`,
    `token=${token}`,
    `ticket=${token}${token}`,
    `ticket=%zz${token}`
  ]) {
    texts.push(((await call(`/v1/events?${query}`).catch(String)) as { text: string }).text)
  }
  for (const path of [`/v1/nope?token=${token}`, '/v1/nodes']) {
    for (const headers of [
      bearer(`${token}x`),
      bearer(token),
      { cookie: page.cookie },
      { cookie: page.cookie, origin: 'http://evil.example' }
    ] as Record<string, string>[]) {
      texts.push((await call(path, headers)).text)
    }
  }
  texts.push((await call('/v1/session', {}, 'POST', { token, more: 1 })).text)
  texts.push((await call('/v1/session', {}, 'POST', { token: `${token}x` })).text)
  await (
    await openRaw(
      t,
      port,
      `GET /v1/nodes HTTP/1.1\r\nAuthorization: Bearer ${token}\r\nCookie: ${page.cookie}\r\nBad header\r\n\r\n`
    )
  ).ended
  await (
    await openRaw(
      t,
      port,
      `GET /v1/nodes HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nAuthorization: Bearer ${token}\r\n\r\n`
    )
  ).ended
  for (let n = 0; n < 60; n++) await status('/v1/nodes', { cookie: page.cookie })
  await until(async () => (await call('/metrics', bearer(admin))).status === 200, 'there is room for another request')
  texts.push((await call('/metrics', bearer(admin))).text, JSON.stringify(await list()))
  await revoke(token)
  texts.push((await call('/v1/audit', bearer(admin))).text)
  const { json } = await call('/v1/requests/get_instances', { ...bearer(admin), prefer: 'wait=10' }, 'POST', {})
  texts.push(
    JSON.stringify(await events.collect(({ type, reqid }) => type === 'get_instances_response' && reqid === json.reqid))
  )
  texts.push(JSON.stringify(await watching.collect(({ type, action }) => type === 'audit' && action === 'log_in')))
  t.ok(lines.length > 0)
  for (const text of [...lines, ...texts]) {
    for (const secret of secrets) if (String(text).includes(secret)) t.fail(`${secret} is told: ${text}`)
  }
  t.match(texts.join('\n'), /log_in/)
})
