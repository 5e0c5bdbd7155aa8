import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import t from 'tap'
import { Store } from '../../src/store/store.js'
import { until } from '../support/until.js'
import { databaseIn, openStore } from './open.js'

const insert = (store: Store, name: string) => store.run('INSERT INTO meta VALUES (?, ?)', name, 'x')
const names = (store: Store) =>
  store.all("SELECT name FROM meta WHERE name <> 'probe' ORDER BY name").map(({ name }) => name)

await t.test('a write resolves with what its job returns, and it is kept when the store is opened again', async t => {
  const { store, directory, close } = openStore(t)
  t.equal(
    await store.write('synced', () => {
      insert(store, 'a')
      return 5
    }),
    5
  )
  close()
  t.same(names(openStore(t, directory).store), ['a'])
})

await t.test('writes continue in their order', async t => {
  const { store } = openStore(t)
  const order: string[] = []
  const writes = ['a', 'b', 'c'].map(name =>
    store.write('written', () => insert(store, name)).then(() => order.push(name))
  )
  const failing = store
    .write('written', () => {
      throw new Error('no')
    })
    .catch(() => order.push('failed'))
  const last = store.write('written', () => insert(store, 'd')).then(() => order.push('d'))
  t.same(names(store), [], 'not yet')
  await Promise.all([...writes, failing, last])
  t.same(
    order.filter(name => name !== 'failed'),
    ['a', 'b', 'c', 'd']
  )
})

await t.test('the writes of one tick share a transaction: when SQLite gives that up none of them stands', async t => {
  const { store } = openStore(t)
  const settled = await Promise.allSettled([
    store.write('written', () => insert(store, 'a')),
    store.write('written', () => {
      store.run('ROLLBACK')
      throw new Error('the disk is full')
    }),
    store.write('written', () => insert(store, 'b'))
  ])
  t.match(
    settled,
    [0, 1, 2].map(() => ({ status: 'rejected', reason: { code: 'unavailable' } }))
  )
  t.same(names(store), [])
  t.type(store.failure, 'string')
  await until(() => store.failure === undefined, 'it works again')
  await store.write('written', () => insert(store, 'c'))
  t.same(names(store), ['c'])
})

await t.test('a write that nobody waits for is committed by itself, or with the next that is waited for', async t => {
  const { store } = openStore(t)
  await store.write('written', () => insert(store, 'a'), { unhurried: true })
  t.same(names(store), ['a'])
  const settled = await Promise.allSettled([
    store.write('written', () => insert(store, 'b'), { unhurried: true }),
    store.write('written', () => {
      store.run('ROLLBACK')
      throw new Error('the disk is full')
    })
  ])
  t.same(
    settled.map(({ status }) => status),
    ['rejected', 'rejected'],
    'in one transaction'
  )
  await until(() => store.failure === undefined, 'it works again')
  const order: string[] = []
  await Promise.all(
    [...Array(200).keys()].map(n =>
      store.write('written', () => insert(store, `n${n}`), { unhurried: true }).then(() => order.push(`n${n}`))
    )
  )
  t.same(
    order,
    [...Array(200).keys()].map(n => `n${n}`)
  )
})

await t.test('jobs run in the order of their writes, and see what those before them wrote', async t => {
  const { store } = openStore(t)
  const seen = await Promise.all(
    [1, 2, 3].map(n =>
      store.write('written', () => {
        insert(store, `n${n}`)
        return names(store).length
      })
    )
  )
  t.same(seen, [1, 2, 3])
})

await t.test('a job that throws undoes its own writes only', async t => {
  const { store } = openStore(t)
  const settled = await Promise.allSettled([
    store.write('written', () => insert(store, 'a')),
    store.write('synced', () => {
      insert(store, 'b')
      throw new RangeError('mine')
    }),
    store.write('written', () => {
      insert(store, 'c')
      insert(store, 'a')
    }),
    store.write('written', () => insert(store, 'd'))
  ])
  t.same(
    settled.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled']
  )
  t.match((settled[1] as PromiseRejectedResult).reason, { name: 'RangeError', message: 'mine' })
  t.same(names(store), ['a', 'd'])
  t.equal(store.failure, undefined)
})

await t.test('a job that throws before it has written is no trouble for the others', async t => {
  const { store } = openStore(t)
  let runs = 0
  const settled = await Promise.allSettled([
    store.write('written', () => {
      runs++
      insert(store, 'a')
    }),
    store.write('written', () => {
      names(store)
      throw new Error('no')
    }),
    store.write('written', () => {
      runs++
      insert(store, 'b')
    })
  ])
  t.same(
    settled.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled']
  )
  t.equal(runs, 2, 'they are run once')
  t.same(names(store), ['a', 'b'])
})

await t.test('jobs that are run again see what they saw', async t => {
  const { store } = openStore(t)
  const settled = await Promise.allSettled([
    store.write('written', () => {
      insert(store, 'a')
      return names(store)
    }),
    store.write('written', () => {
      insert(store, 'b')
      throw new Error('no')
    }),
    store.write('written', () => {
      insert(store, 'c')
      return names(store)
    }),
    store.write('written', () => {
      insert(store, 'd')
      throw new Error('nor')
    })
  ])
  t.match(settled, [
    { value: ['a'] },
    { reason: { message: 'no' } },
    { value: ['a', 'c'] },
    { reason: { message: 'nor' } }
  ])
})

await t.test('a transaction is synced when one of its jobs asks for it', async t => {
  const { store } = openStore(t)
  const modes: number[] = []
  const mode = () => {
    modes.push(Number(store.get('PRAGMA synchronous')!.synchronous))
  }
  await store.write('written', mode)
  await Promise.all([store.write('written', mode), store.write('synced', mode)])
  await store.write('written', mode)
  t.same(modes, [1, 2, 2, 1], '1 is NORMAL, 2 is FULL')
  t.equal(store.get('PRAGMA journal_mode')?.journal_mode, 'wal')
  t.equal(store.get('PRAGMA foreign_keys')?.foreign_keys, 1)
})

await t.test('what cannot be committed rejects every write of the transaction', async t => {
  const { store } = openStore(t)
  store.get('PRAGMA query_only = ON')
  const settled = await Promise.allSettled([
    store.write('written', () => names(store)),
    store.write('synced', () => insert(store, 'a'))
  ])
  t.match(
    settled,
    [0, 1].map(() => ({ status: 'rejected', reason: { code: 'unavailable' } }))
  )
  store.get('PRAGMA query_only = OFF')
  await until(() => store.failure === undefined, 'it works again')
  await store.write('written', () => insert(store, 'a'))
  t.same(names(store), ['a'])
})

await t.test('a close commits what is waiting, and a write after it is unavailable', async t => {
  const { store, directory, close } = openStore(t)
  const write = store.write('written', () => insert(store, 'a'))
  close()
  await t.resolves(write)
  await t.rejects(
    store.write('written', () => insert(store, 'b')),
    { code: 'unavailable' }
  )
  t.same(names(openStore(t, directory).store), ['a'])
})

await t.test('after a close all of it is in the one file', async t => {
  const { store, path, close } = openStore(t)
  await store.write('synced', () => insert(store, 'a'))
  close()
  copyFileSync(path, `${path}.backup`)
  const backup = new Store(`${path}.backup`)
  t.teardown(() => backup.close())
  t.same(names(backup), ['a'])
})

await t.test('a file that is no database is refused with its name, and left as it is', async t => {
  const path = databaseIn(t.testdir())
  mkdirSync(dirname(path))
  writeFileSync(path, 'this is no database, and long enough to be told from one '.repeat(20))
  const before = readFileSync(path, 'utf8')
  t.throws(() => new Store(path), { code: 'unavailable', message: new RegExp(`^${path} cannot be used: `) })
  t.equal(readFileSync(path, 'utf8'), before)
})

await t.test('a database of a later version is refused, and so is a place that cannot be', async t => {
  const { path, close } = openStore(t)
  close()
  const db = new DatabaseSync(path)
  db.exec('PRAGMA user_version = 99')
  db.close()
  t.throws(() => new Store(path), { code: 'unavailable', message: /later version \(99\)/ })
  t.throws(() => new Store('/dev/null/controller.sqlite'), {
    code: 'unavailable',
    message: /^\/dev\/null\/controller.sqlite cannot be used/
  })
})

await t.test("the database is nobody else's to read", async t => {
  const { path, store } = openStore(t)
  await store.write('synced', () => insert(store, 'a'))
  for (const file of [path, `${path}-wal`, `${path}-shm`]) t.equal(statSync(file).mode & 0o777, 0o600, file)
  t.equal(statSync(dirname(path)).mode & 0o777, 0o700)
})
