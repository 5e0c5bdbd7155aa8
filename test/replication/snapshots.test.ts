import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { adopt, Snapshots } from '../../src/replication/snapshots.js'
import { Store } from '../../src/store/store.js'
import { directoryOf } from '../support/directory.js'
import { directoryFiles } from './directory-files.js'
import { makeDatabase } from './simulation.js'

/** A replica's database, and files and a log in which its snapshots go. */
function start(t: Test, identity = 'simulated') {
  const [database, kept] = [join(directoryOf(t), 'controller.sqlite'), directoryOf(t)]
  makeDatabase(database)
  const files = directoryFiles(kept)
  const trimmed: number[] = []
  const extent = { last: 0, entries: 0, bytes: 0 }
  const log = {
    identity,
    extent: async () => extent,
    trim: async (upTo: number) => {
      trimmed.push(upTo)
    }
  }
  return { database, kept, trimmed, extent, snapshots: new Snapshots({ log, files }) }
}

/** Writes a row into a replica's database as a frame at a place does. */
function apply(database: string, place: number): void {
  const store = new Store(database, undefined, undefined, { isReplica: true })
  store.apply(store.noChanges(), { ...store.position!, place, frame: `of ${place}`, term: 1, leader: 'a' })
  store.close()
}

await t.test('a snapshot is a database with its place; two are kept, and the log from the older one on', async t => {
  const { database, kept, trimmed, extent, snapshots } = start(t)
  t.equal(await snapshots.takeIfDue(database), false, 'the log holds little')
  extent.entries = 1_000_000
  t.equal(await snapshots.takeIfDue(database), true)
  for (const place of [7, 20]) {
    apply(database, place)
    t.match(await snapshots.take(database), { place })
  }
  t.equal(readdirSync(kept).length, 2)
  t.same(trimmed, [0, 7])
  const fresh = join(directoryOf(t), 'controller.sqlite')
  t.equal(await adopt(fresh), false)
  t.match(await snapshots.fetch(fresh), { place: 20, frame: 'of 20' })
  t.notOk(existsSync(fresh), 'a database that may be in use is left alone')
  t.equal(await adopt(fresh), true)
  const store = new Store(fresh, undefined, undefined, { isReplica: true })
  t.match(store.position, { place: 20, term: 1, leader: 'a' })
  store.close()
  t.notOk(existsSync(`${fresh}.snapshot`))
})

await t.test('what is no snapshot of this log replaces nothing', async t => {
  const { database, kept, snapshots } = start(t)
  await t.rejects(snapshots.fetch(database), { code: 'unavailable', message: /^the log has no snapshot/ })
  writeFileSync(join(kept, 'snapshot-9'), 'garbage'.repeat(1000))
  await t.rejects(snapshots.fetch(database), { code: 'unavailable', message: /is no copy of a replica/ })
  const other = start(t, 'another')
  await other.snapshots.take(other.database)
  await t.rejects(other.snapshots.fetch(other.database), { message: /is of another log \(simulated\)/ })
  apply(database, 3)
  const store = new Store(database, undefined, undefined, { isReplica: true })
  t.match(store.position, { place: 3 })
  store.close()
})
