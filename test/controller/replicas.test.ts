import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { openDatabase } from '../../src/store/database.js'
import { ReplicaDatabase } from '../../src/store/replica.js'
import { directoryFiles } from '../replication/directory-files.js'
import { identity, SimulatedWorld } from '../replication/simulated-log.js'
import { pushBundle } from '../support/bundles.js'
import { getJson, openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'

const names = ['a', 'b', 'c']

/** A database that a controller has opened once, as the first one of several. */
async function firstDatabase(t: Test): Promise<string> {
  const directory = directoryOf(t)
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
async function startReplicas(t: Test) {
  const clock = {
    sleep: async (ms: number, signal?: AbortSignal) => {
      await wait(ms, undefined, signal ? { signal } : {}).catch(() => {})
    },
    random: Math.random
  }
  const world = new SimulatedWorld(clock, names)
  world.isCalm = true
  const [path, files] = [await firstDatabase(t), directoryFiles(directoryOf(t))]
  const start = async (name: string) => {
    const directory = join(directoryOf(t), name)
    mkdirSync(directory)
    copyFileSync(path, join(directory, 'controller.sqlite'))
    const dead = new AbortController()
    const ended: string[] = []
    const controller = await startTestController(
      t,
      { 'management-state-dir': directory, 'controller-name': name },
      {
        replication: {
          connect: async () => ({ ...world.connect(name, dead.signal), files, close: async () => {} }),
          leaseMs: 800,
          url: `http://${name}`,
          ended: why => ended.push(why)
        }
      }
    )
    return { ...controller, name, directory, ended }
  }
  const replicas = await Promise.all(names.map(start))
  const leads = async ({ url }: { url: string }) => (await fetch(`${url}/v1/nodes`)).status === 200
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
/** Starts a request whose answer nobody waits for. */
const start = async (url: string, type: string, args: object) => {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${url}/v1/requests/${type}`, { method: 'POST', headers, body: JSON.stringify(args) })
  return (await response.json()) as { reqid: string }
}

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
  for (const { url, ask } of others) {
    t.equal((await fetch(`${url}/v1/instances`)).status, 503)
    t.equal((await fetch(`${url}/v1/events?snapshot=true`)).status, 503)
    t.match(await refusal(ask('deploy')), /^503 .*"code":"not_leader"/)
    t.same(await history(url), await history(first.url))
    t.equal((await getJson(`${url}/v1/revisions`)).revisions.length, 0)
  }
})

await t.test('when the leader goes another one leads, and knows what was asked', async t => {
  const { replicas, leader } = await startReplicas(t)
  const first = await leader(replicas)
  const others = replicas.filter(one => one !== first)
  const { reqid } = await start(first.url, 'test_timeout?timeout=60', { with_state: true })
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
