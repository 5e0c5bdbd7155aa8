import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { initialize, leave, rebuild } from '../../src/controller/replication.js'
import { connectReplication } from '../../src/replication/jetstream.js'
import { BundleTable } from '../../src/store/bundles.js'
import { openDatabase } from '../../src/store/database.js'
import { lockDirectory } from '../../src/store/lock.js'
import { positionIn } from '../../src/store/replica.js'
import { Store } from '../../src/store/store.js'
import { directoryOf } from '../support/directory.js'
import { silent } from '../support/log.js'
import { noNats, startNats, type Nats } from '../support/nats.js'
import { openStranger } from '../support/replicas.js'

const controllers = ['a', 'b', 'c']
let last = 0

/** Controllers of one log, none of which runs. */
function start(t: Test, nats: Nats) {
  const name = `administration-${++last}`
  const configOf = (self: string) => ({
    self,
    nats: { name, servers: nats.urls, copies: 1, monitors: nats.monitors }
  })
  const site = () => ({ stateDirectory: directoryOf(t), log: silent })
  return { name, stream: `zeek-${name}`, configOf, site }
}

const pathIn = ({ stateDirectory }: { stateDirectory: string }) => join(stateDirectory, 'controller.sqlite')

function look<T>(site: { stateDirectory: string }, work: (db: ReturnType<typeof openDatabase>) => T): T {
  const db = openDatabase(pathIn(site), 1000)
  try {
    return work(db)
  } finally {
    db.close()
  }
}

const positionOf = (site: { stateDirectory: string }) => look(site, positionIn)
const epochsOf = (site: { stateDirectory: string }) =>
  look(site, db => db.prepare("SELECT name, value FROM meta WHERE name LIKE '%epoch' ORDER BY name").all())

/** A controller's database with a bundle, and its content. */
async function filled(site: { stateDirectory: string }): Promise<void> {
  const store = new Store(pathIn(site))
  const row = { id: 'b1', created_at: 1, created_by: null, size: 7, files: 1, pack: 'x.pack', pack_size: 7 }
  await store.write('synced', () => new BundleTable(store).insert(row, '[]'))
  store.close()
  mkdirSync(join(site.stateDirectory, 'bundles'))
  writeFileSync(join(site.stateDirectory, 'bundles', 'x.pack'), 'content')
}

await t.test('several controllers are set up, and taken apart', { skip: noNats }, async t => {
  const nats = await startNats(t)
  const { manager } = await openStranger(t, nats)
  const streams = async (name: string) => (await manager.streams.names().next()).filter(one => one.includes(name))

  await t.test('the first one gives its database and the contents of its bundles, the others get them', async t => {
    const { configOf, site } = start(t, nats)
    const [first, second] = [site(), site()]
    await filled(first)
    const before = Math.floor(Date.now() / 1000)
    const position = await initialize(first, configOf('a'), { controllers })
    t.match(position, { place: 0, frame: '', leader: '' })
    t.ok(position.term >= before, 'a term that no agent has seen')
    t.same(positionOf(first), position)
    t.same(await rebuild(second, configOf('b')), position)
    t.same(positionOf(second), position)
    t.same(epochsOf(second), epochsOf(first), 'streams go on at any of them')
    t.equal(epochsOf(first).length, 2)
    const replication = await connectReplication({ ...configOf('c').nats, self: 'c', log: silent })
    t.teardown(() => replication.close())
    const path = join(directoryOf(t), 'pack')
    t.ok(await replication.files.get('bundle-x.pack', path))
    t.equal(readFileSync(path, 'utf8'), 'content')
  })

  await t.test('a log is made once, and what fails leaves everything as it was', async t => {
    const { name, configOf, site } = start(t, nats)
    const [first, second] = [site(), site()]
    await t.rejects(initialize(first, configOf('d'), { controllers }), {
      code: 'invalid_request',
      message: /^d .* none/
    })
    t.same(readdirSync(first.stateDirectory), [])
    await filled(first)
    const greedy = configOf('a')
    greedy.nats.copies = 3
    await t.rejects(initialize(first, greedy, { controllers }), { code: 'unavailable', message: /cannot make the log/ })
    t.same(await streams(name), [])
    t.equal(positionOf(first), undefined)
    const epochs = epochsOf(first)
    await initialize(first, configOf('a'), { controllers })
    t.same(epochsOf(first), epochs)
    await t.rejects(initialize(second, configOf('b'), { controllers }), { code: 'conflict', message: /already/ })
    t.equal(positionOf(second), undefined)
    t.equal((await streams(name)).length, 3)
  })

  await t.test('a new log takes the place of another one, and streams begin anew', async t => {
    const { stream, configOf, site } = start(t, nats)
    const [first, second] = [site(), site()]
    const before = await initialize(first, configOf('a'), { controllers })
    await rebuild(second, configOf('b'))
    const epochs = epochsOf(second)
    const { log } = await initialize(second, configOf('b'), { controllers: ['b', 'x', 'y'], replaces: true })
    t.not(log, before.log)
    t.strictNotSame(epochsOf(second), epochs)
    t.match((await manager.streams.info(stream)).config.metadata, { identity: log, replicas: 'b,x,y' })
    await t.rejects(rebuild(first, configOf('a')), { code: 'conflict', message: /"a" is none of the replicas/ })
    t.equal(positionOf(first)?.log, before.log)
  })

  await t.test('one that leaves is alone, with streams that begin anew', async t => {
    const { configOf, site } = start(t, nats)
    const first = site()
    await initialize(first, configOf('a'), { controllers })
    t.throws(() => new Store(pathIn(first)), { code: 'conflict', message: /is that of one of several controllers/ })
    await leave(first)
    t.same(epochsOf(first), [])
    new Store(pathIn(first)).close()
    await t.rejects(leave(first), { code: 'conflict', message: 'this controller is none of several' })
    const nobody = site()
    await t.rejects(leave(nobody), { code: 'conflict' })
    t.notOk(existsSync(pathIn(nobody)))
  })

  await t.test('nothing is done to a controller that runs', async t => {
    const { configOf, site } = start(t, nats)
    const running = site()
    const lock = lockDirectory(running.stateDirectory, 'held')
    t.teardown(() => lock.close())
    const refusal = { code: 'unavailable', message: /^stop zeek-cluster first/ }
    await t.rejects(initialize(running, configOf('a'), { controllers }), refusal)
    await t.rejects(rebuild(running, configOf('a')), refusal)
    await t.rejects(leave(running), refusal)
  })
})
