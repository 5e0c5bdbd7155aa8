import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { openDatabase } from '../../src/store/database.js'
import { ReplicaDatabase } from '../../src/store/replica.js'
import { directoryFiles } from '../replication/directory-files.js'
import { identity, SimulatedWorld } from '../replication/simulated-log.js'
import { barriersOf, complaintsOf, inBrowser, startBrowser } from '../support/browser.js'
import { pushBundle } from '../support/bundles.js'
import { begin, getJson, openStream } from '../support/client.js'
import { startReceiver } from '../notify/receiver.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import type { Problem } from '../../schemas/api.js'
import type { Replica } from '../../schemas/replication.js'
import { freePorts } from '../support/ports.js'
import { until } from '../support/until.js'
import { openClient, requestFrame } from '../support/zeek-websocket.js'

const names = ['a', 'b', 'c']

/** A database that a controller has opened once, as the first one of several. */
async function firstDatabase(t: Test, directory: string): Promise<string> {
  const alone = await startTestController(t, { 'management-state-dir': directory })
  await alone.close()
  const path = join(directory, 'controller.sqlite')
  const db = openDatabase(path, 1000)
  new ReplicaDatabase(db).move({ log: identity, place: 0, frame: '', term: 0, leader: '' })
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  db.close()
  return path
}

/** Three controllers in this process, on one log. */
async function startReplicas(t: Test, flags: Record<string, string> = {}, first = directoryOf(t)) {
  const clock = {
    sleep: async (ms: number, signal?: AbortSignal) => {
      await wait(ms, undefined, signal ? { signal } : {}).catch(() => {})
    },
    random: Math.random
  }
  const world = new SimulatedWorld(clock, names)
  world.isCalm = true
  const [path, files] = [await firstDatabase(t, first), directoryFiles(directoryOf(t))]
  const start = async (name: string) => {
    const directory = join(directoryOf(t), name)
    mkdirSync(directory)
    copyFileSync(path, join(directory, 'controller.sqlite'))
    const dead = new AbortController()
    const ended: string[] = []
    const [port] = await freePorts(1)
    const controller = await startTestController(
      t,
      {
        'management-state-dir': directory,
        'controller-name': name,
        'controller-websocket-port': String(port),
        ...flags
      },
      {
        replication: {
          connect: async () => ({ ...world.connect(name, dead.signal), files, close: async () => {} }),
          // Long enough for three controllers in one busy process.
          leaseMs: 10_000,
          url: `http://127.0.0.1:${port}`,
          ended: why => ended.push(why)
        }
      }
    )
    return { ...controller, name, directory, ended }
  }
  const replicas = await Promise.all(names.map(start))
  const leads = async ({ url }: { url: string }) =>
    !(await fetch(`${url}/openapi.yaml`)).headers.has('zeek-replica-lag')
  const leader = async (among: readonly (typeof replicas)[number][]) =>
    (await until(async () => {
      const found = await Promise.all(among.map(leads))
      return among[found.indexOf(true)]
    }, 'one leads'))!
  return { world, replicas, leader }
}

/** Returns the contents of bundles that a controller has. */
function packsIn(directory: string): string[] {
  const bundles = join(directory, 'bundles')
  return existsSync(bundles) ? readdirSync(bundles).filter(file => file.endsWith('.pack')) : []
}

const refusal = async (asked: Promise<unknown>) => await asked.then(String, (error: Error) => error.message)
await t.test('of several controllers one leads, and all tell the same', async t => {
  const { replicas, leader } = await startReplicas(t)
  const first = await leader(replicas)
  const others = replicas.filter(one => one !== first)

  const streams = await Promise.all(replicas.map(({ url }) => openStream(t, `${url}/v1/events?types=deploy_response`)))
  for (const stream of streams) await stream.next('hello')
  const { reqid } = await first.ask('deploy')
  const events = await Promise.all(streams.map(async stream => await stream.next('deploy_response')))
  t.equal(events[0]!.json.reqid, reqid)
  for (const event of events) t.same(event, events[0], 'the same event, of the same cursor')

  const history = async (url: string) => await getJson(`${url}/v1/events/history?limit=2`)
  for (const { url } of others) {
    t.same(await history(url), await history(first.url))
    t.equal((await getJson(`${url}/v1/revisions`)).revisions.length, 0)
  }
})

await t.test('when the leader goes another one leads, and knows what was asked', async t => {
  const { replicas, leader } = await startReplicas(t)
  const first = await leader(replicas)
  const others = replicas.filter(one => one !== first)
  const reqid = await begin(first.url, 'test_timeout', { with_state: true }, '?timeout=60')
  const stream = await openStream(t, `${others[0]!.url}/v1/events?types=test_timeout_response&from=earliest`)
  await first.close()
  t.match((await stream.next('test_timeout_response'))?.json, { reqid, state: 'interrupted' })
  const second = await leader(others)
  t.match(await getJson(`${second.url}/v1/requests/${reqid}`), { reqid, state: 'interrupted' })
  t.equal((await second.ask('get_configuration')).state, 'failed')
})

await t.test('a leader that is cut off ends, and what it was asked then is nowhere', async t => {
  const { world, replicas, leader } = await startReplicas(t)
  const first = await leader(replicas)
  const others = replicas.filter(one => one !== first)
  world.cut.add(first.name)
  const late = refusal(first.ask('deploy'))
  const second = await leader(others)
  t.match(await late, /^503 .*"code":"unavailable"/)
  await until(() => first.ended.length > 0, 'it is told to end')
  t.same((await getJson(`${second.url}/v1/requests`)).requests, [])
  t.equal(first.ended.length, 1)
})

await t.test('the contents of bundles are at all of them', async t => {
  const { replicas, leader } = await startReplicas(t)
  const first = await leader(replicas)
  const others = replicas.filter(one => one !== first)
  const id = await pushBundle(first.url, [{ path: 'scripts/local.zeek', content: 'global a = 1;' }])
  for (const { directory } of others) {
    await until(() => packsIn(directory).length === 1, 'it has the content')
    t.same(readFileSync(join(directory, 'bundles', packsIn(directory)[0]!), 'utf8'), 'global a = 1;')
  }
  t.equal((await fetch(`${first.url}/v1/bundles/${encodeURIComponent(id)}`, { method: 'DELETE' })).status, 204)
  for (const { directory } of others) await until(() => packsIn(directory).length === 0, 'it is gone')
})

await t.test('only the controller that leads tells operators, and the next one goes on where it was', async t => {
  const receiver = await startReceiver(t)
  const file = join(directoryOf(t), 'notify.json')
  const rule = { name: 'deployments', types: ['deploy_response'], group_for: 0 }
  writeFileSync(file, JSON.stringify({ sinks: { ops: { webhook: { url: receiver.url } } }, rules: [rule] }))
  const { replicas, leader } = await startReplicas(t, { 'controller-notify': file })
  const first = await leader(replicas)
  const others = replicas.filter(one => one !== first)
  const ids = () => receiver.notifications.map(({ id }) => id)
  const waiting = async (url: string) => (await getJson(`${url}/v1/notifications`)).rules[0].queues[0].waiting
  // Its place is where the log was when it began to lead.
  await until(async () => (await waiting(first.url)) === 0, 'it tells')
  await first.ask('deploy')
  await until(() => ids().length === 1, 'it is told')
  await until(async () => (await waiting(others[0]!.url)) === 0, 'a follower asks the leader')
  receiver.behave(() => {})
  await others[0]!.ask('deploy')
  await until(() => ids().length === 2, 'the sink has the next one, and has not answered')
  await first.close()
  receiver.behave((_received, response) => response.end())
  const second = await leader(others)
  await until(() => ids().length === 3, 'it is told again')
  t.equal(ids()[2], ids()[1], 'under the same id')
  t.equal(receiver.notifications[2].source, second.name)
  await second.ask('deploy')
  await until(() => ids().length === 4, 'what comes is told')
  t.equal(new Set(ids()).size, 3)
})

await t.test('what only the leader can do is forwarded to it, and is there then', async t => {
  const { replicas, leader } = await startReplicas(t)
  const first = await leader(replicas)
  for (const { url, ask } of replicas.filter(one => one !== first)) {
    t.same(await getJson(`${url}/v1/instances`), await getJson(`${first.url}/v1/instances`))
    const { reqid, state } = await ask('deploy')
    t.equal(state, 'failed')
    t.match(await getJson(`${url}/v1/requests/${reqid}`), { reqid, state }, 'read here, at once')
    const { status, headers } = await fetch(`${url}/v1/revisions`)
    t.match([status, headers.get('zeek-replica-lag')], [200, /^\d+$/])
    const id = await pushBundle(url, [{ path: 'scripts/local.zeek', content: `global at = "${url}";` }])
    t.match(await getJson(`${url}/v1/bundles/${encodeURIComponent(id)}`), { id })
    t.equal((await fetch(`${url}/v1/requests/nonsense`, { method: 'POST' })).status, 404, 'as it was answered')
  }
})

await t.test('whoever goes from one controller to another finds there what was told', async t => {
  const { replicas, leader, world } = await startReplicas(t)
  const first = await leader(replicas)
  const [other] = replicas.filter(one => one !== first)
  world.cut.add(other!.name)
  const id = await pushBundle(first.url, [{ path: 'scripts/local.zeek', content: 'global a = 1;' }])
  const path = `/v1/bundles/${encodeURIComponent(id)}`
  const place = (await fetch(`${first.url}${path}`)).headers.get('zeek-log-place')!
  const read = async (place?: string) =>
    await fetch(`${other!.url}${path}`, { headers: place === undefined ? {} : { 'zeek-log-place': place } })
  t.equal((await read()).status, 404, 'it is behind')
  const late = await read(place)
  t.match([late.status, late.headers.get('retry-after')], [503, '5'])
  t.match(await late.json(), { code: 'unavailable' })

  const waits = read(place)
  world.cut.clear()
  const found = await waits
  t.equal(found.status, 200)
  t.equal(found.headers.get('zeek-log-place'), place)

  for (const { url } of replicas) {
    const wrong = await fetch(`${url}/v1/revisions`, { headers: { 'zeek-log-place': 'x' } })
    t.equal(wrong.status, 400)
    t.match(((await wrong.json()) as Problem).errors, [{ field: 'zeek-log-place' }])
  }
  const [term] = place.split('.').map(Number)
  t.equal((await read(`${term! - 1}.999999`)).status, 200, 'places of a log before are no more')
})

await t.test('who asks is known to the leader: the token, the address, and nobody who only says so', async t => {
  const { replicas, leader } = await startReplicas(t, { 'controller-trusted-proxies': '127.0.0.1' })
  const first = await leader(replicas)
  const other = replicas.find(one => one !== first)!
  const post = async (url: string, headers: Record<string, string>) =>
    await fetch(`${url}/v1/requests/deploy`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': '192.0.2.7', ...headers },
      body: '{}'
    })
  const { reqid } = (await (await post(other.url, {})).json()) as { reqid: string }
  const entry = await until(async () => {
    const { entries } = await getJson(`${first.url}/v1/audit?limit=20`)
    return entries.find((entry: { reqid?: string }) => entry.reqid === reqid)
  }, 'it is in the audit log')
  t.match(entry, { address: '192.0.2.7' })
  for (const { url } of replicas) {
    t.equal((await post(url, { 'zeek-forwarded': 'e30.AAAA' })).status, 403)
  }
})

await t.test('zeek-client speaks with the leader through any of them', async t => {
  const { replicas, leader } = await startReplicas(t)
  await leader(replicas)
  for (const { url } of replicas) {
    const client = await openClient(t, Number(new URL(url).port))
    client.send(requestFrame('get_instances', url))
    let event = await client.event()
    while (event !== undefined && event[0] !== 'get_instances_response') event = await client.event()
    t.equal(event?.[0], 'get_instances_response')
  }
})

await t.test('without a leader what only it can do is refused, and nothing is lost', async t => {
  const { replicas, leader, world } = await startReplicas(t)
  const first = await leader(replicas)
  const [second, third] = replicas.filter(one => one !== first)
  for (const { name } of replicas) world.cut.add(name)
  await until(() => first.ended.length > 0, 'the leader ends')
  await until(
    async () => (await refusal(second!.ask('deploy'))).includes('none of the controllers leads'),
    'it is known'
  )
  const response = await fetch(`${third!.url}/v1/nodes`)
  t.match([response.status, response.headers.get('retry-after')], [503, '1'])
  t.equal((await fetch(`${third!.url}/v1/revisions`)).status, 200, 'what is known is told')
})

await t.test('who is limited to labels sees as little at each of them', async t => {
  const directory = directoryOf(t)
  const whole = await tokenCommand(['create'], { role: 'operator', name: 'ops' }, directory)
  const limited = await tokenCommand(['create'], { role: 'viewer', name: 'v', labels: 'site=berlin' }, directory)
  const { replicas, leader } = await startReplicas(t, { 'controller-authentication': 'token' }, directory)
  await leader(replicas)
  const { url } = replicas[0]!
  const headers = (token: string) => ({ authorization: `Bearer ${token}`, 'content-type': 'application/json' })
  const ask = async (token: string, type: string, args: object, at = url) =>
    await fetch(`${at}/v1/requests/${type}`, {
      method: 'POST',
      headers: { ...headers(token), prefer: 'wait=30' },
      body: JSON.stringify(args)
    })
  const sites = ['berlin', 'paris']
  const deploy = async (labels: readonly string[]) => {
    const config = {
      instances: sites.map((name, n) => ({ name: `${name}-1`, host: '127.0.0.1', labels: { site: labels[n] } })),
      nodes: sites.map(name => ({ name: `${name}-w`, instance: `${name}-1`, role: 'PROXY' }))
    }
    await ask(whole, 'stage_configuration', { config })
    return ((await (await ask(whole, 'deploy', { check: false })).json()) as { event_cursor: string }).event_cursor
  }
  await deploy(sites)
  const streams = await Promise.all(
    replicas.map(({ url }) => openStream(t, `${url}/v1/events?snapshot=true`, headers(limited)))
  )
  for (const stream of streams) {
    const snapshot = JSON.stringify(await stream.collect(({ type }) => type === 'snapshot-end'))
    t.match(snapshot, /berlin-w/)
    t.notMatch(snapshot, /paris/)
  }
  for (const { url } of replicas) {
    const get = async (path: string) => await (await fetch(url + path, { headers: headers(limited) })).text()
    for (const path of ['/v1/nodes', '/v1/instances', '/v1/events/history', '/v1/requests']) {
      t.match(await get(path), /berlin-1/, path)
      t.notMatch(await get(path), /paris/, path)
    }
    t.match(await get('/v1/configurations/deployed'), /needs operator/)
    t.match(await get('/v1/bundles'), /limited to instances with site=berlin/)
    t.notMatch(await (await ask(limited, 'get_node_stats', {}, url)).text(), /paris/)
  }
  await deploy(['paris', 'berlin'])
  for (const stream of streams) {
    const last = (await stream.collect(({ type }) => type === 'deploy_response')).at(-1)
    t.match(JSON.stringify(last), /paris-1/, 'what has the labels now')
    t.notMatch(JSON.stringify(last), /berlin/, 'and not what had them')
  }
})

await t.test('a session and a ticket are good at all of them', async t => {
  const directory = directoryOf(t)
  const token = await tokenCommand(['create'], { role: 'admin', name: 'ana' }, directory)
  const { replicas, leader } = await startReplicas(t, { 'controller-authentication': 'token' }, directory)
  const first = await leader(replicas)
  const [one, other] = replicas.filter(replica => replica !== first)
  const post = async (url: string, headers: Record<string, string>, body: object = {}) =>
    await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body)
    })

  const opened = await post(`${one!.url}/v1/session`, {}, { token })
  t.equal(opened.status, 200)
  const [set] = opened.headers.getSetCookie()
  t.match(set, /HttpOnly; SameSite=Strict/)
  const cookie = set!.split(';')[0]!
  t.match(await getJson(`${one!.url}/v1/session`, { cookie }), { name: 'ana', role: 'admin' }, 'read here, at once')
  const page = { cookie, origin: one!.url }
  t.equal((await post(`${one!.url}/v1/requests/get_instances`, page)).status, 202)
  t.equal((await post(`${one!.url}/v1/requests/get_instances`, { cookie })).status, 403, 'which page asks is not said')
  t.equal((await post(`${one!.url}/v1/requests/get_instances`, { cookie, origin: first.url })).status, 403)

  const { ticket } = (await (await post(`${one!.url}/v1/tickets`, page)).json()) as { ticket: string }
  const stream = await openStream(t, `${other!.url}/v1/events?ticket=${ticket}`)
  t.equal((await stream.next())?.event, 'hello')
  for (const { url } of replicas) {
    t.equal((await fetch(`${url}/v1/events?ticket=${ticket}`)).status, 401, 'it is used')
    t.equal((await fetch(`${url}/v1/nodes?ticket=${ticket}`)).status, 401, 'it is for a stream only')
  }
  stream.close()

  const closed = await fetch(`${other!.url}/v1/session`, { method: 'DELETE', headers: { cookie, origin: other!.url } })
  t.equal(closed.status, 204)
  t.equal((await fetch(`${other!.url}/v1/session`, { headers: { cookie } })).status, 401)
})

await t.test('one that forwards a WebSocket closes nevertheless, and ends it', async t => {
  const { replicas, leader } = await startReplicas(t)
  const first = await leader(replicas)
  const other = replicas.find(one => one !== first)!
  const client = await openClient(t, Number(new URL(other.url).port))
  await other.close()
  t.match(await client.closed, { code: 1006 })
})

await t.test('each tells how far all are, and the leader that one is missing', async t => {
  const { replicas, leader, world } = await startReplicas(t)
  const first = await leader(replicas)
  const others = replicas.filter(one => one !== first)
  for (const { url } of replicas) {
    const { replicas: told } = await getJson(`${url}/v1/replication`)
    t.same(
      told.map(({ name, answers, role }: Replica) => [name, answers, role === 'leader']),
      names.map(name => [name, true, name === first.name])
    )
    t.equal((await fetch(`${url}/readyz`)).status, 200)
    const metrics = await (await fetch(`${url}/metrics`)).text()
    t.match(metrics, new RegExp(`^zeek_cluster_replica_leads ${url === first.url ? 1 : 0}$`, 'm'))
    t.match(metrics, /^zeek_cluster_replica_diverged 0$/m)
    t.match(metrics, url === first.url ? /^zeek_cluster_ready 0$/m : /^zeek_cluster_ready Nan$/m)
  }
  world.cut.add(others[0]!.name)
  const { reasons } = await until(async () => {
    const health = await getJson(`${others[1]!.url}/v1/health`)
    return health.reasons.length > 1 && health
  }, 'it is missed')
  t.match(reasons[1], { code: 'controller_missing', message: new RegExp(`^${others[0]!.name}, `) })
})

await t.test('the console of each shows which one leads, and which one is missing', inBrowser, async t => {
  const { replicas, leader, world } = await startReplicas(t)
  const first = await leader(replicas)
  const [missing, asked] = replicas.filter(one => one !== first)
  world.cut.add(missing!.name)
  const browser = await startBrowser(t)
  const page = await browser.newPage()
  const complaints = complaintsOf(page)
  await page.goto(`${asked!.url}/hosts`)
  const row = (name: string) => page.getByRole('region', { name: 'How far controllers are' }).getByRole('row', { name })
  await row(`${first.name} leader`).waitFor()
  await row(`${asked!.name} follower`).waitFor()
  await row(`${missing!.name} does not answer`).waitFor()
  t.same(await barriersOf(page), [])
  t.same(complaints, [])
})

await t.test('a stream with the state is of the controller that is asked, and goes on from that state', async t => {
  const { replicas, leader } = await startReplicas(t)
  const first = await leader(replicas)
  const others = replicas.filter(one => one !== first)
  const read = async (url: string) => {
    const stream = await openStream(t, `${url}/v1/events?snapshot=true&types=deploy_response`)
    const { cursor } = (await stream.next('snapshot-end'))!.json
    return { stream, cursor }
  }
  const own = await read(first.url)
  const streams = [own, ...(await Promise.all(others.map(async ({ url }) => await read(url))))]
  for (const { cursor } of streams) t.equal(cursor, own.cursor)
  const metrics = await (await fetch(`${first.url}/metrics`)).text()
  t.match(metrics, /^zeek_cluster_event_streams 1$/m, 'the leader has one of them')
  const { reqid } = await others[0]!.ask('deploy')
  for (const { stream } of streams) t.equal((await stream.next('deploy_response'))!.json.reqid, reqid)
})
