import { renameSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { DatabaseSync } from '@photostructure/sqlite'
import t, { type Test } from 'tap'
import type { Changes, Position } from '../../src/store/replica.js'
import { Store } from '../../src/store/store.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'
import { databaseIn } from './open.js'

const at = (place: number): Position => ({ log: 'test', place, frame: '', term: 1, leader: 'a' })
const insert = (store: Store, name: string, value = 'x') => store.run('INSERT INTO meta VALUES (?, ?)', name, value)
const names = (store: Store) => store.all('SELECT name FROM meta ORDER BY name').map(({ name }) => name)

/** What a store has published, and how the test answers. */
interface Publication {
  changes: Changes
  resolve: (position: Position) => void
  reject: (error: Error) => void
}

/** A replica's store; `path` is that of its database. */
function open(t: Test, path = databaseIn(directoryOf(t))) {
  const store = new Store(path, undefined, undefined, { isReplica: true })
  let isOpen = true
  const close = () => {
    if (isOpen) store.close()
    isOpen = false
  }
  t.teardown(close)
  return { store, path, close }
}

/** A replica's store that leads. The test answers what it publishes. */
function openLeading(t: Test) {
  const opened = open(t)
  const publications: Publication[] = []
  const ended: string[] = []
  opened.store.lead({
    publish: changes =>
      new Promise((resolve, reject) => {
        publications.push({ changes, resolve, reject })
      }),
    ended: why => ended.push(why)
  })
  const published = (n: number) => until(() => publications[n - 1], `transaction ${n} is published`)
  return { ...opened, publications, published, ended }
}

/** How a promise has ended; `pending` while it has not. */
function watch(promise: Promise<unknown>): { state: string; error?: any } {
  const watched: { state: string; error?: any } = { state: 'pending' }
  promise.then(
    () => (watched.state = 'fulfilled'),
    error => Object.assign(watched, { state: 'rejected', error })
  )
  return watched
}

const turns = async () => {
  for (let n = 0; n < 20; n++) await turn()
}

/** Has a store find its disk full: its database cannot grow, until it may. */
const fill = (store: Store) => store.run('PRAGMA max_page_count = 1')
const makeRoom = (store: Store) => store.run('PRAGMA max_page_count = 1000000')
const large = 'x'.repeat(100_000)

await t.test('a leader whose disk is full leads no longer, and nothing waits for it', async t => {
  const { store, published, publications, ended } = openLeading(t)
  const before = store.write('synced', () => insert(store, 'a'))
  ;(await published(1)).resolve(at(1))
  await before
  fill(store)
  const writes = [
    store.write('synced', () => insert(store, 'b', large)),
    store.write('synced', () => insert(store, 'c'), { insists: true })
  ].map(watch)
  await until(() => ended.length > 0, 'it ends')
  await turns()
  t.same(ended, ['the store cannot be used: database or disk is full'])
  t.match(writes, [
    { state: 'rejected', error: { code: 'unavailable' } },
    { state: 'rejected', error: { code: 'unavailable' } }
  ])
  t.equal(publications.length, 1)
  t.same(names(store), ['a'])
  await t.rejects(
    store.write('synced', () => insert(store, 'd')),
    { code: 'not_leader' }
  )
})

await t.test('what a leader was publishing when a read found its disk broken is uncertain', async t => {
  const { store, path, published, ended } = openLeading(t)
  const write = watch(store.write('synced', () => insert(store, 'a')))
  const { resolve } = await published(1)
  renameSync(path, `${path}.away`)
  t.teardown(() => renameSync(`${path}.away`, path))
  const next = watch(store.write('synced', () => insert(store, 'b')))
  resolve(at(1))
  await until(() => ended.length > 0, 'it ends')
  await turns()
  t.match(ended, [/^the store cannot be used: the database file was removed/])
  t.match([write.state, next.state], ['fulfilled', 'rejected'])
  t.match(next.error, { code: 'unavailable' })
})

await t.test('a follower whose disk was full goes on once there is room', async t => {
  const leader = openLeading(t)
  watch(leader.store.write('synced', () => insert(leader.store, 'a', large)))
  const { changes } = await leader.published(1)
  const { store } = open(t)
  fill(store)
  t.throws(() => store.apply(changes, at(1)), { code: 'unavailable', message: /database or disk is full/ })
  t.match(store.failure, /database or disk is full/)
  t.equal(store.position, undefined)
  makeRoom(store)
  await until(() => store.failure === undefined, 'it has found out')
  store.apply(changes, at(1))
  t.same(names(store), ['a'])
})

await t.test('a write is neither readable nor resolved before it is published', async t => {
  const { store, path, published } = openLeading(t)
  const write = watch(store.write('synced', () => insert(store, 'a')))
  const { resolve } = await published(1)
  await turns()
  t.equal(write.state, 'pending')
  t.same(names(store), [])
  t.equal(store.get("SELECT 1 FROM meta WHERE name = 'a'"), undefined)
  const other = new DatabaseSync(path, { readOnly: true })
  t.teardown(() => other.close())
  t.same(other.prepare('SELECT * FROM meta').all(), [], 'nor for another process')
  t.equal(store.position, undefined)
  resolve(at(7))
  await turns()
  t.equal(write.state, 'fulfilled')
  t.same(names(store), ['a'])
  t.same(store.position, at(7))
  t.equal(other.prepare('SELECT * FROM meta').all().length, 1)
})

await t.test('writes that come while one is published are the next transaction, in their order', async t => {
  const { store, publications, published } = openLeading(t)
  const order: string[] = []
  const write = (name: string, unhurried = false) =>
    store.write('written', () => insert(store, name), { unhurried }).then(() => order.push(name))
  const writes = [write('a')]
  const first = await published(1)
  writes.push(write('b'), write('c', true), write('d'))
  await turns()
  t.equal(publications.length, 1)
  first.resolve(at(1))
  const second = await published(2)
  t.same(order, ['a'])
  t.same(names(store), ['a'])
  second.resolve(at(2))
  await Promise.all(writes)
  t.same(order, ['a', 'b', 'c', 'd'])
  t.equal(publications.length, 2)
})

await t.test('jobs see what they write, and others what is committed', async t => {
  const { store, published } = openLeading(t)
  const seen = Promise.all([
    store.write('written', () => {
      insert(store, 'a')
      return names(store)
    }),
    store.write('written', () => store.runReturning("INSERT INTO meta VALUES ('b', 'x') RETURNING name")),
    store.write('written', () => names(store))
  ])
  const { resolve } = await published(1)
  t.same(names(store), [])
  resolve(at(1))
  t.same(await seen, [['a'], [{ name: 'b' }], ['a', 'b']])
})

await t.test('what a job has written that throws is not published', async t => {
  const { store, published, publications } = openLeading(t)
  const settled = Promise.allSettled([
    store.write('written', () => insert(store, 'a')),
    store.write('written', () => {
      insert(store, 'passing')
      throw new RangeError('mine')
    })
  ])
  const { changes, resolve } = await published(1)
  t.notMatch(Buffer.from(changes.patchset).toString('latin1'), /passing/)
  resolve(at(1))
  t.match(await settled, [{ status: 'fulfilled' }, { status: 'rejected', reason: { message: 'mine' } }])
  t.same(names(store), ['a'])
  t.equal(publications.length, 1)
})

await t.test('a transaction that changes nothing is committed without being published', async t => {
  const { store, publications, published } = openLeading(t)
  t.same(await store.write('synced', () => names(store)), [])
  await t.rejects(
    store.write('synced', () => {
      insert(store, 'a')
      throw new RangeError('mine')
    }),
    { message: 'mine' }
  )
  await store.write('synced', () => {
    insert(store, 'a')
    store.run("DELETE FROM meta WHERE name = 'a'")
  })
  t.equal(publications.length, 0)
  const write = store.write('synced', () => insert(store, 'b'))
  ;(await published(1)).resolve(at(1))
  await write
})

await t.test('when it is not known whether a write was published, nothing is written any more', async t => {
  const { store, path, publications, published, ended, close } = openLeading(t)
  const before = store.write('synced', () => insert(store, 'before'))
  ;(await published(1)).resolve(at(1))
  await before
  const write = watch(store.write('synced', () => insert(store, 'a')))
  const { reject } = await published(2)
  const waiting = watch(store.write('synced', () => insert(store, 'b')))
  const insisting = watch(store.write('synced', () => insert(store, 'c'), { insists: true }))
  reject(new Error('something else is there'))
  await turns()
  t.match(write, {
    state: 'rejected',
    error: { code: 'unavailable', message: /lost the lead while it wrote.*something else is there/ }
  })
  t.match(waiting, { state: 'rejected', error: { code: 'not_leader' } })
  t.match(insisting, { state: 'rejected', error: { code: 'not_leader' } })
  t.same(ended, ['something else is there'])
  await t.rejects(
    store.write('written', () => insert(store, 'd'), { insists: true }),
    { code: 'not_leader' }
  )
  await turns()
  t.equal(publications.length, 2)
  t.same(names(store), ['before'])
  close()
  t.same(ended, ['something else is there'], 'once')
  const { store: again } = open(t, path)
  t.same(names(again), ['before'])
  t.same(again.position, at(1))
})

for (const [what, pragma] of [
  ['a commit', 'PRAGMA defer_foreign_keys = ON'],
  ['a position for which there is no room', 'PRAGMA max_page_count = 1']
] as const) {
  await t.test(`${what} that fails after a write was published ends the lead`, async t => {
    const { store, path, published, publications, ended, close } = openLeading(t)
    const write = watch(
      store.write('synced', () => {
        insert(store, 'a')
        store.get(pragma)
        // Refers to nobody, which SQLite refuses at once, or as late as it was told.
        if (what === 'a commit') store.run("INSERT INTO bundle_names VALUES ('a', 'nobody')")
      })
    )
    const { resolve } = await published(1)
    const waiting = watch(store.write('synced', () => insert(store, 'b')))
    resolve({ ...at(1), leader: 'x'.repeat(1_000_000) })
    await turns()
    t.match(write, { state: 'rejected', error: { code: 'unavailable', message: /lost the lead while it wrote/ } })
    t.match(waiting, { state: 'rejected', error: { code: 'not_leader' } })
    t.equal(ended.length, 1)
    t.equal(publications.length, 1)
    t.same(names(store), [])
    close()
    t.same(names(open(t, path).store), [])
    t.equal(open(t, path).store.position, undefined)
  })
}

await t.test('a close while a write is published leaves it to the log whether it was', async t => {
  const { store, path, published, ended, close } = openLeading(t)
  const write = watch(store.write('synced', () => insert(store, 'a')))
  const { resolve } = await published(1)
  const waiting = watch(store.write('synced', () => insert(store, 'b')))
  close()
  resolve(at(1))
  await turns()
  t.match(write, { state: 'rejected', error: { code: 'unavailable', message: /lost the lead while it wrote/ } })
  t.match(waiting, { state: 'rejected', error: { code: 'not_leader' } })
  t.same(ended, ['the store is closed'])
  const { store: again } = open(t, path)
  t.same(names(again), [])
  t.equal(again.position, undefined)
})

await t.test('a close rejects writes that were not published yet', async t => {
  const { store, path, publications, ended, close } = openLeading(t)
  const write = watch(store.write('synced', () => insert(store, 'a')))
  close()
  await turns()
  t.match(write, { state: 'rejected', error: { code: 'not_leader', message: /the store is closed/ } })
  t.same(ended, ['the store is closed'])
  t.equal(publications.length, 0)
  t.same(names(open(t, path).store), [])
})

await t.test('a follower writes nothing but what it applies', async t => {
  const { store } = open(t)
  let runs = 0
  await t.rejects(
    store.write('written', () => runs++, { insists: true }),
    { code: 'not_leader' }
  )
  t.equal(runs, 0)
})

await t.test('the version changes with what is applied, and not with own writes', async t => {
  const { store: leader, published } = openLeading(t)
  const { store } = open(t)
  const own = leader.version
  const versions = [store.version]
  for (const n of [1, 2]) {
    const write = leader.write('written', () => insert(leader, `n${n}`))
    const { changes, resolve } = await published(n)
    resolve(at(n))
    await write
    store.apply(changes, at(n))
    versions.push(store.version)
  }
  t.equal(new Set(versions).size, 3)
  t.equal(store.version, versions.at(-1))
  t.equal(leader.version, own)
  t.same(names(store), ['n1', 'n2'])
})

await t.test('references are checked where they are written, and not where they are applied', async t => {
  const { store, published } = openLeading(t)
  const follower = open(t).store
  const token = (id: string, parent: string | null) =>
    store.run(
      "INSERT INTO tokens (id, name, role, hash, created_at, parent) VALUES (?, ?, 'admin', ?, 0, ?)",
      id,
      id,
      id,
      parent
    )
  await t.rejects(
    store.write('written', () => token('session', 'nobody')),
    { message: /FOREIGN KEY/ }
  )
  const write = store.write('written', () => {
    token('a', null)
    token('session', 'a')
  })
  const first = await published(1)
  first.resolve(at(1))
  await write
  const deletion = store.write('written', () => store.run("DELETE FROM tokens WHERE id = 'a'"))
  const second = await published(2)
  second.resolve(at(2))
  await deletion
  follower.apply(first.changes, at(1))
  t.equal(follower.all('SELECT id FROM tokens').length, 2)
  follower.apply(second.changes, at(2))
  for (const each of [store, follower]) t.same(each.all('SELECT id FROM tokens'), [])
})

await t.test('what cannot be applied while another process has the lock can be applied later', async t => {
  const { store: leader, published } = openLeading(t)
  const write = leader.write('written', () => insert(leader, 'a'))
  const { changes, resolve } = await published(1)
  resolve(at(1))
  await write
  const { store, path } = open(t)
  const other = new DatabaseSync(path)
  t.teardown(() => other.close())
  other.exec('BEGIN IMMEDIATE')
  t.throws(() => store.apply(changes, at(1)), { code: 'unavailable', message: /locked/ })
  t.same(names(store), [])
  t.equal(store.position, undefined)
  other.exec('ROLLBACK')
  store.apply(changes, at(1))
  t.same(names(store), ['a'])
  t.same(store.position, at(1))
  t.equal(store.failure, undefined)
})
