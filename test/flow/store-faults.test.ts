import { spawnSync } from 'node:child_process'
import { closeSync, openSync, renameSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { DatabaseSync } from '@photostructure/sqlite'
import t, { type Test } from 'tap'
import { getJson, openStream } from '../support/client.js'
import { until } from '../support/until.js'
import { fakeAgent, idOfManager, small, stateDir } from '../controller/fake-agent.js'
import { string } from '../../src/zeek/websocket/value.js'
import { openClient, requestFrame, set } from '../support/zeek-websocket.js'
import { fillDisk, lock, noDisk, startStoredController, type StoredController } from './stored-controller.js'

const post = async (url: string, type: string, body: object = {}, wait = 0) => {
  const response = await fetch(`${url}/v1/requests/${type}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(wait > 0 && { prefer: `wait=${wait}` }) },
    body: JSON.stringify(body)
  })
  return { status: response.status, headers: response.headers, body: (await response.json()) as any }
}

/** No file of the process can grow beyond what the log of its database has now. Returns what takes the limit away. */
function limitFiles({ child, database }: StoredController): () => void {
  const set = (limit: string) => {
    const { status, stderr } = spawnSync('prlimit', ['--pid', String(child.pid), `--fsize=${limit}`], {
      encoding: 'utf8'
    })
    if (status !== 0) throw new Error(stderr)
  }
  set(`${statSync(`${database}-wal`).size}:unlimited`)
  return () => set('unlimited:unlimited')
}

/** A configuration that takes its room. */
const large = (id: string) => ({
  ...small(id),
  nodes: small().nodes.map(node => ({
    ...node,
    env: Object.fromEntries('ABCDEFGH'.split('').map(name => [name, 'x'.repeat(8_000)]))
  }))
})

const isFinal = ({ type }: { type: string }) => /_response$/.test(type)

/** A fault that comes and goes, while requests are under way: before, meanwhile and after. */
async function outlive(
  t: Test,
  controller: StoredController,
  begin: () => Promise<() => unknown> | (() => unknown),
  reason: RegExp
): Promise<void> {
  const { url, told, problems, child } = controller
  const answers: (() => void)[] = []
  const agent = await fakeAgent(t, controller.agentPort, {
    handlers: {
      get_id_value: () =>
        new Promise(resolve => answers.push(() => resolve([{ success: true, instance: 'agent-a', node: 'manager' }])))
    }
  })
  const stream = await openStream(t, `${url}/v1/events`)
  await stream.next('hello')
  const client = await openClient(t, controller.httpPort)
  t.equal((await post(url, 'stage_configuration', { config: small('before') }, 30)).body.state, 'succeeded')
  t.equal((await post(url, 'deploy', {}, 30)).body.state, 'succeeded')
  client.send(requestFrame('get_id_value', 'mine', [string('x'), set([string('manager')])]))
  const accepted = (await post(url, 'get_id_value', idOfManager)).body.reqid
  const waiting = getJson(`${url}/v1/requests/${accepted}?wait=30`)
  await until(() => answers.length === 2, 'the agent is asked')

  const end = await begin()
  const refused = await post(url, 'stage_configuration', { config: small('refused') })
  t.match(
    [refused.status, refused.headers.get('content-type'), refused.body],
    [503, /problem\+json/, { code: 'unavailable', detail: reason }]
  )
  t.ok(Number(refused.headers.get('retry-after')) > 0)
  for (const type of ['get_instances', 'deploy']) t.equal((await post(url, type)).status, 503)
  const ready = await fetch(`${url}/readyz`)
  t.match([ready.status, await ready.json()], [503, { checks: [reason] }])
  t.equal((await fetch(`${url}/healthz`)).status, 200)
  client.send(requestFrame('get_instances', 'refused'))
  await until(() => client.texts.some(text => text.includes('refused')), 'the WebSocket client is refused')
  // These go on, and their responses have to wait.
  for (const answer of answers) answer()
  await turn()
  await t.rejects(agent.link.ask('nothing', {}, { timeoutMs: 5000 }), { code: 'not_found' }, 'the answers have come')
  await agent.close()
  await until(async () => (await getJson(`${url}/v1/instances`)).instances[0]?.connected !== true, 'the agent is lost')
  t.equal((await getJson(`${url}/v1/requests/${accepted}`)).state, 'pending')
  t.match(await problems(), [reason])

  await end()
  await controller.recovers()
  t.equal((await waiting).state, 'succeeded')
  await until(
    () => client.texts.some(text => text.includes('get_id_value_response') && text.includes('mine')),
    'the WebSocket client has its response'
  )
  const last = (await post(url, 'stage_configuration', { config: small('after') }, 30)).body
  t.equal(last.state, 'succeeded')
  t.equal((await getJson(`${url}/v1/configurations/staged`)).configuration.id, 'after')

  const isLast = ({ type, reqid }: { type: string; reqid?: string }) =>
    type === 'stage_configuration_response' && reqid === last.reqid
  const seen = (await stream.collect(isLast)).map(({ json }) => json)
  const all = await openStream(t, `${url}/v1/events?from=earliest`)
  await all.next('hello')
  const kept = (await all.collect(isLast)).map(({ json }) => json)
  t.same(seen, kept.slice(-seen.length), 'what was told is what is kept')
  const places = kept.map(({ cursor }) => Number(cursor.split('.')[1]))
  t.same(
    places,
    places.map((_, index) => index + 1)
  )
  const count = (type: string) => seen.filter(event => event.type === type).length
  t.same(
    [
      'stage_configuration_request',
      'stage_configuration_response',
      'get_id_value_request',
      'get_id_value_response',
      'get_instances_request',
      'deploy_request',
      'notify_agent_lost'
    ].map(count),
    [2, 2, 2, 2, 0, 1, 1]
  )
  t.match(await (await fetch(`${url}/metrics`)).text(), /^zeek_cluster_requests_pending 0$/m, 'no place is left taken')
  t.match(told(), [reason, /can be used again/], 'the log has one line when it begins and one when it ends')
  t.equal(told().length, 2)
  t.equal(child.exitCode, null)
}

await t.test('a disk that is full', { skip: noDisk }, async t => {
  const controller = await startStoredController(t, { size: '16m' })
  await outlive(t, controller, () => fillDisk(controller.directory), /full/)
})

await t.test('a disk that gives I/O errors', async t => {
  const controller = await startStoredController(t)
  await outlive(t, controller, () => limitFiles(controller), /disk I\/O error/)
})

await t.test('a lock that another process holds', async t => {
  const controller = await startStoredController(t)
  await outlive(t, controller, () => lock(t, controller.database), /locked/)
})

await t.test('a database file that is gone for a while', async t => {
  const controller = await startStoredController(t)
  await outlive(
    t,
    controller,
    () => {
      renameSync(controller.database, `${controller.database}.away`)
      return () => renameSync(`${controller.database}.away`, controller.database)
    },
    /removed/
  )
})

await t.test(
  'a disk that fills up with the log of the database, which cannot be worked in',
  { skip: noDisk },
  async t => {
    const controller = await startStoredController(t, { size: '32m' })
    const { url, directory, database } = controller
    const filler = join(directory, 'filler')
    writeFileSync(filler, Buffer.alloc(8_388_608))
    let accepted = 0
    const stage = () => post(url, 'stage_configuration', { config: large(`c${accepted}`) })
    let answer = await stage()
    for (; answer.status === 202; answer = await stage()) accepted++
    t.match(answer, { status: 503, body: { detail: /full/ } })
    t.ok(statSync(`${database}-wal`).size > 16_777_216, 'it should have been worked in')
    rmSync(filler)
    await controller.recovers()
    const { body: last } = await post(url, 'stage_configuration', { config: small('last') }, 30)
    t.equal(last.state, 'succeeded')
    const events = (
      await (
        await openStream(t, `${url}/v1/events?from=earliest`)
      ).collect(event => isFinal(event) && event.reqid === last.reqid)
    ).map(({ json }) => json)
    t.equal(events.filter(isFinal).length, accepted + 1)
    const db = new DatabaseSync(database)
    t.equal((db.prepare('PRAGMA integrity_check').get() as { integrity_check: string }).integrity_check, 'ok')
    db.close()
  }
)

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  await t.test(`a controller that ends by ${signal} while its store fails is followed by one that answers`, async t => {
    const directory = stateDir(t)
    const first = await startStoredController(t, { directory })
    const { reqid } = (await post(first.url, 'test_timeout', { with_state: true })).body
    limitFiles(first)
    await until(async () => (await post(first.url, 'get_instances')).status === 503, 'it fails')
    await first.stop(signal)
    if (signal === 'SIGTERM') {
      t.match([first.child.exitCode, first.told()], [0, [/I\/O/, /1 responses? cannot be written/]])
    }
    const { url } = await startStoredController(t, { directory })
    t.equal((await getJson(`${url}/v1/requests/${reqid}`)).state, 'interrupted')
    const story = await (await openStream(t, `${url}/v1/requests/${reqid}/events`)).collect()
    t.equal(story.filter(({ json }) => isFinal(json)).length, 1)
  })
}

await t.test('a controller does not start with a damaged database, and says in a line what can be done', async t => {
  const directory = stateDir(t)
  const { database, url, stop } = await startStoredController(t, { directory })
  await post(url, 'stage_configuration', { config: large('c') }, 30)
  await stop()
  truncateSync(database, 20_000)
  await t.rejects(startStoredController(t, { directory }), {
    message: new RegExp(`^zeek-cluster: ${database} cannot be used: .*; move it away .*\n$`)
  })
  renameSync(database, `${database}.bad`)
  t.same(await (await startStoredController(t, { directory })).problems(), [], 'without it, it begins anew')
})

await t.test(
  'a controller does not start on a disk that is full or read-only, and says so in a line',
  { skip: noDisk },
  async t => {
    for (const [size, reason] of [
      ['8k', /^zeek-cluster: .*controller\.sqlite.*(full|I\/O).*\n$/],
      ['1m,ro', /no log file is kept: .*read-only.*\nzeek-cluster: .*controller\.sqlite cannot be used: .*\n$/]
    ] as const) {
      await t.rejects(startStoredController(t, { size }), { message: reason }, size)
    }
  }
)

await t.test('damage that comes while a controller runs is told, by who reads it, and stays', async t => {
  const controller = await startStoredController(t)
  const { url, database, told } = controller
  for (let n = 0; n < 30; n++) await post(url, 'stage_configuration', { config: large(`c${n}`) }, 30)
  const db = new DatabaseSync(database)
  db.exec('PRAGMA wal_checkpoint(FULL)')
  db.close()
  const file = openSync(database, 'r+')
  writeSync(file, Buffer.alloc(statSync(database).size - 8192, 'garbage '), 0, undefined, 8192)
  closeSync(file)
  t.match([(await fetch(`${url}/v1/requests?limit=200`)).status, await controller.problems()], [503, [/malformed/]])
  t.match(await post(url, 'get_instances'), { status: 503, body: { detail: /malformed/ } })
  t.match(told(), [/malformed/])
})
