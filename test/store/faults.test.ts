import { copyFileSync, openSync, closeSync, renameSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { DatabaseSync } from '@photostructure/sqlite'
import t, { type Test } from 'tap'
import { RequestTable } from '../../src/store/requests.js'
import { Store } from '../../src/store/store.js'
import { until } from '../support/until.js'
import { databaseIn, everything, openLog, openStore } from './open.js'

const insert = (store: Store, name: string) => store.run('INSERT INTO meta VALUES (?, ?)', name, 'x')
const names = (store: Store) =>
  store.all("SELECT name FROM meta WHERE name <> 'probe' ORDER BY name").map(({ name }) => name)
const works = (store: Store) => until(() => store.failure === undefined, 'the store works again')

/** A store, and all that it has said of itself. */
function openTold(t: Test) {
  const path = databaseIn(t.testdir())
  const told: (string | undefined)[] = []
  const store = new Store(path, failure => told.push(failure))
  t.teardown(() => store.close())
  return { store, path, told }
}

/** A store with the lock in other hands, until they let go. */
function openLocked(t: Test) {
  const opened = openTold(t)
  const other = new DatabaseSync(opened.path)
  t.teardown(() => other.close())
  other.exec('BEGIN EXCLUSIVE')
  return { ...opened, release: () => other.exec('ROLLBACK') }
}

/** A store that is full: each write of more than what is left of a page fails. */
function fill(store: Store): () => void {
  store.get(`PRAGMA max_page_count = ${store.get('PRAGMA page_count')!.page_count}`)
  return () => store.get('PRAGMA max_page_count = 1000000')
}
const large = (store: Store, name: string) => store.run('INSERT INTO meta VALUES (?, ?)', name, 'x'.repeat(20_000))

await t.test('writes wait for a lock and hold up nothing, and are committed in their order', async t => {
  const { store, told, release } = openLocked(t)
  const order: string[] = []
  const write = (name: string) => store.write('written', () => insert(store, name)).then(() => order.push(name))
  const first = write('b')
  for (let turns = 0; turns < 50; turns++) await turn()
  const second = write('a')
  t.same([order, names(store), store.failure], [[], [], undefined])
  release()
  await Promise.all([first, second])
  t.same([order, told], [['b', 'a'], []])
})

await t.test('a lock that is held for long is a failure, until it is let go', async t => {
  const { store, told, release } = openLocked(t)
  const settled = await Promise.allSettled(['a', 'b'].map(name => store.write('written', () => insert(store, name))))
  t.match(
    settled,
    [0, 1].map(() => ({ status: 'rejected', reason: { code: 'unavailable', message: /locked/ } }))
  )
  t.match(store.failure, /locked/)
  t.same(names(store), [], 'reading goes on')
  await t.rejects(
    store.write('written', () => t.fail('it is refused at once') as never),
    { code: 'unavailable' }
  )
  const insisting = store.write('written', () => insert(store, 'c'), { insists: true })
  release()
  await works(store)
  await insisting
  t.same(names(store), ['c'])
  t.match(told, [/locked/, undefined])
})

await t.test('when the disk is full what insists waits, in its order, and what does not is refused', async t => {
  const { store, told } = openTold(t)
  const empty = fill(store)
  const insisting = ['b', 'a'].map(name =>
    store.write(
      'written',
      () => {
        large(store, name)
        return names(store)
      },
      { insists: true }
    )
  )
  await t.rejects(
    store.write('written', () => insert(store, 'c')),
    { code: 'unavailable', message: /full/ }
  )
  await t.rejects(
    store.write('written', () => insert(store, 'd')),
    { code: 'unavailable', message: /full/ }
  )
  const late = store.write(
    'written',
    () => {
      insert(store, 'e')
      return names(store)
    },
    { insists: true }
  )
  t.match([names(store), store.failure], [[], /full/])
  empty()
  await works(store)
  t.same(await Promise.all([...insisting, late]), [['b'], ['a', 'b'], ['a', 'b', 'e']])
  t.match(told, [/full/, undefined])
})

await t.test('a store with room for a transaction that writes nothing is still full', async t => {
  const { store } = openTold(t)
  const empty = fill(store)
  await t.rejects(store.write('written', () => large(store, 'a')))
  let tries = 0
  store
    .write(
      'written',
      () => {
        tries++
      },
      { insists: true }
    )
    .catch(() => {})
  const { run } = store
  let begun = 0
  store.run = (sql, ...parameters) => {
    if (sql.startsWith('BEGIN')) begun++
    return run.call(store, sql, ...parameters)
  }
  await until(() => begun >= 2, 'it has tried twice')
  t.match([store.failure, tries], [/full/, 0])
  empty()
  await works(store)
  t.equal(tries, 1)
})

await t.test('an idle store finds out that it is full', async t => {
  const { store } = openTold(t)
  const empty = fill(store)
  // So that no probe finds room in a page that is there.
  const { run } = store
  store.run = (sql, ...parameters) =>
    run.call(
      store,
      sql,
      ...parameters.map(value => (/^[0-9a-f]{16}$/.test(String(value)) ? 'x'.repeat(20_000) : value))
    )
  await until(() => store.failure, 'it has found out')
  store.run = run
  empty()
  await works(store)
})

await t.test('a job that fails by itself is no failure of the store, while that fails either', async t => {
  const { store } = openTold(t)
  const empty = fill(store)
  await t.rejects(store.write('written', () => large(store, 'a')))
  const wrong = store.write(
    'written',
    () => {
      insert(store, 'b')
      throw new RangeError('mine')
    },
    { insists: true }
  )
  const right = store.write('written', () => insert(store, 'c'), { insists: true })
  wrong.catch(() => {})
  empty()
  await works(store)
  await t.rejects(wrong, { name: 'RangeError' })
  await right
  t.same(names(store), ['c'])
})

await t.test('a close refuses what still waits', async t => {
  const path = databaseIn(t.testdir())
  const store = new Store(path)
  fill(store)
  await t.rejects(store.write('written', () => large(store, 'a')))
  const insisting = store.write('written', () => large(store, 'b'), { insists: true })
  store.close()
  await t.rejects(insisting, { code: 'unavailable' })
  await t.rejects(
    store.write('written', () => {}, { insists: true }),
    { code: 'unavailable' }
  )
})

await t.test('a database file that is removed, or replaced, is noticed; back in its place it is good', async t => {
  const { store, path, told } = openTold(t)
  await store.write('written', () => insert(store, 'a'))
  renameSync(path, `${path}.away`)
  await t.rejects(
    store.write('synced', () => insert(store, 'b')),
    { code: 'unavailable', message: /removed/ }
  )
  copyFileSync(`${path}.away`, path)
  await until(() => /replaced/.test(store.failure ?? ''), 'it is noticed')
  renameSync(`${path}.away`, path)
  await works(store)
  await store.write('synced', () => insert(store, 'c'))
  t.same(names(store), ['a', 'c'])
  t.match(told, [/removed/, /replaced/, undefined])
})

await t.test('a store to which nobody writes notices that its file is gone', async t => {
  const { store, path } = openTold(t)
  rmSync(path)
  t.match(await until(() => store.failure, 'it is noticed'), /removed/)
})

/** A database of some size, all of it in its file. */
async function openLarge(t: Test) {
  const opened = openTold(t)
  const { store } = opened
  await store.write('written', () => {
    for (let n = 0; n < 200; n++) {
      store.run(
        'INSERT INTO events (time, type, transient, body) VALUES (1, ?, 0, ?)',
        'notify_error',
        'x'.repeat(5000)
      )
    }
  })
  store.get('PRAGMA wal_checkpoint(TRUNCATE)')
  // What is in memory is not read again.
  store.get('PRAGMA shrink_memory')
  return { ...opened, readAll: () => store.all('SELECT * FROM events') }
}

function overwrite(path: string, from: number): void {
  const file = openSync(path, 'r+')
  writeSync(file, Buffer.alloc(statSync(path).size - from, 'garbage '), 0, undefined, from)
  closeSync(file)
}

await t.test('damage that is found while it runs is a failure that stays', async t => {
  const { store, path, told, readAll } = await openLarge(t)
  t.equal(readAll().length, 200)
  store.get('PRAGMA shrink_memory')
  overwrite(path, 50_000)
  t.throws(readAll, { code: 'unavailable', message: /malformed/ })
  t.match(store.failure, /malformed/)
  const insisting = store.write('written', () => t.fail('a damaged database is not written') as never, {
    insists: true
  })
  await t.rejects(
    store.write('written', () => t.fail('a damaged database is not written') as never),
    { code: 'unavailable' }
  )
  const settled = insisting.catch(() => 'refused')
  store.close()
  t.equal(await settled, 'refused')
  t.match(told, [/malformed/])
  store.close = () => {}
})

await t.test('a database that is cut short while it runs is not written any more', async t => {
  const { store, path } = await openLarge(t)
  await store.write('written', () => insert(store, 'a'))
  truncateSync(path, 20_000)
  t.match(await until(() => store.failure, 'it is noticed'), /cut short/)
  await t.rejects(
    store.write('written', () => insert(store, 'b')),
    { code: 'unavailable' }
  )
})

await t.test('a damaged database is refused with what can be done, in one line', async t => {
  const damages: Record<string, (path: string) => void> = {
    'garbage at its beginning': path => overwrite(path, 0),
    'garbage in its middle': path => overwrite(path, 50_000),
    'cut short': path => truncateSync(path, 50_000)
  }
  for (const [name, damage] of Object.entries(damages)) {
    const { store, path } = await openLarge(t)
    store.close()
    store.close = () => {}
    damage(path)
    t.throws(
      () => new Store(path),
      {
        code: 'unavailable',
        message: new RegExp(`^${path} cannot be used: .*; move it away .* restore a backup .*agents.*$`)
      },
      name
    )
  }
})

await t.test('numbers of events that could not be written are given to the next ones, and none twice', async t => {
  const { store, log, append, messages } = await openLog(t)
  await append('a')
  const empty = fill(store)
  await t.rejects(append('x'.repeat(20_000)))
  t.same([log.head, messages()], [1, ['a']])
  const kept = store.write('written', () => log.append({ type: 'notify_error', message: 'b'.repeat(20_000) }, 0, 1), {
    insists: true
  })
  empty()
  await works(store)
  log.advance(await kept)
  t.same([log.head, (await append('c')).seq, messages().length], [2, 3, 3])
  await log.prune({ ...everything, maxCount: 1 }, 1000)
  t.same(messages(), ['c'], 'what is counted is what is there')
})

await t.test('what a statement is to blame for is no failure of the store', async t => {
  const { store } = openStore(t)
  const table = new RequestTable(store)
  await t.rejects(store.write('written', () => table.insert({ reqid: null } as never)))
  t.equal(store.failure, undefined)
})
