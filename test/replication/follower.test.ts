import t, { type Test } from 'tap'
import { Follower } from '../../src/replication/follower.js'
import { encodeFrame, type Frame } from '../../src/replication/frame.js'
import { Trimmed, type Entry, type Log } from '../../src/replication/log.js'
import { openDatabase } from '../../src/store/database.js'
import { Diverged, ReplicaDatabase } from '../../src/store/replica.js'
import { Store } from '../../src/store/store.js'
import { directoryOf } from '../support/directory.js'

const beginning = { log: 'test', place: 0, frame: '', term: 0, leader: '' }

/** A follower of a log that has these entries. */
function follow(t: Test, entries: Entry[], error?: Error) {
  const path = `${directoryOf(t)}/follower.sqlite`
  const db = openDatabase(path, 0)
  new ReplicaDatabase(db).move(beginning)
  db.close()
  const store = new Store(path, undefined, undefined, { isReplica: true })
  t.teardown(() => store.close())
  const log: Pick<Log, 'entries'> = {
    entries: async function* (after, { until = Infinity }) {
      for (const entry of entries) if (entry.place > after && entry.place <= until) yield entry
      if (error) throw error
    }
  }
  const applied: ReadonlySet<string>[] = []
  const follower = new Follower(store, log as Log, tables => applied.push(tables))
  return { store, follower, applied, names: () => store.all('SELECT name FROM stopped_nodes').map(({ name }) => name) }
}

/** Has a leader write rows, each with a frame of its own. Returns the entries, at each third place. */
async function write(t: Test, names: string[], headers: Partial<Frame>[] = []): Promise<Entry[]> {
  const store = new Store(`${directoryOf(t)}/leader.sqlite`, undefined, undefined, { isReplica: true })
  t.teardown(() => store.close())
  const entries: Entry[] = []
  let previous = ''
  store.lead({
    publish: async changes => {
      const header = { previous, term: 1, leader: 'a', ...headers[entries.length] }
      const { bytes, digest } = encodeFrame({ ...changes, ...header })
      previous = digest
      entries.push({ place: (entries.length + 1) * 3, frame: bytes })
      return { log: 'test', place: entries.length * 3, frame: digest, term: header.term, leader: header.leader }
    },
    ended: () => {}
  })
  for (const name of names) {
    await store.write('written', () => store.run('INSERT INTO stopped_nodes (name) VALUES (?)', name))
  }
  return entries
}

const { signal } = new AbortController()

await t.test('a follower applies what is in the log in order, until a place', async t => {
  const entries = await write(t, ['a', 'b', 'c'])
  const { follower, names, applied } = follow(t, entries)
  await follower.follow({ until: 7, signal })
  t.same(names(), ['a', 'b'])
  t.match(follower.position, { log: 'test', place: 6, term: 1, leader: 'a' })
  await follower.follow({ signal })
  t.same(names(), ['a', 'b', 'c'])
  t.same(
    applied.map(tables => [...tables]),
    [['stopped_nodes'], ['stopped_nodes'], ['stopped_nodes']]
  )
})

await t.test('what the log tells again is applied once', async t => {
  const [a, b, c] = await write(t, ['a', 'b', 'c'])
  const { follower, names, applied } = follow(t, [a!, a!, b!, a!, b!, c!])
  await follower.follow({ signal })
  t.same(names(), ['a', 'b', 'c'])
  t.equal(applied.length, 3)
})

await t.test('nothing is applied once the signal has aborted', async t => {
  const entries = await write(t, ['a', 'b'])
  const ending = new AbortController()
  const { follower, names, store } = follow(t, entries)
  const stopping = new Follower(
    store,
    {
      entries: async function* () {
        for (const entry of entries) {
          yield entry
          ending.abort()
        }
      }
    } as unknown as Log,
    () => {}
  )
  await stopping.follow({ signal: ending.signal })
  t.same(names(), ['a'])
  await follower.follow({ signal })
  t.same(names(), ['a', 'b'])
})

await t.test('what does not follow from what is here is not applied', async t => {
  const [a, b, c] = await write(t, ['a', 'b', 'c'])
  const [, other] = await write(t, ['x', 'y'])
  const cases: [string, Entry[], RegExp, string[]][] = [
    ['a frame is missing', [a!, c!], /what is at 9 of the log does not follow what is here at 3/, ['a']],
    ['it is of another history', [a!, other!], /does not follow/, ['a']],
    ['it is garbage', [a!, { place: 6, frame: Buffer.from('garbage') }], /cannot be read/, ['a']],
    ['it was cut', [a!, { place: 6, frame: b!.frame.subarray(0, -1) }], /cannot be read: it is damaged/, ['a']]
  ]
  for (const [what, entries, message, expected] of cases) {
    const { follower, names, store } = follow(t, entries)
    await t.rejects(follower.follow({ signal }), { constructor: Diverged, message }, what)
    t.same(names(), expected, what)
    t.equal(follower.position.place, 3)
    t.equal(store.failure, undefined, 'which is no fault of the store')
  }
})

await t.test('terms only grow, and each has one leader', async t => {
  for (const [headers, message] of [
    [[{ term: 2 }, { term: 1 }], /a wrote at 6 in term 1, which a has in 2/],
    [[{ term: 2 }, { term: 2, leader: 'b' }], /b wrote at 6 in term 2, which a has in 2/]
  ] as const) {
    const { follower, names } = follow(t, await write(t, ['a', 'b'], [...headers]))
    await t.rejects(follower.follow({ signal }), { constructor: Diverged, message })
    t.same(names(), ['a'])
  }
  const { follower, names } = follow(t, await write(t, ['a', 'b'], [{ term: 2 }, { term: 4, leader: 'b' }]))
  await follower.follow({ signal })
  t.same(names(), ['a', 'b'])
  t.match(follower.position, { term: 4, leader: 'b' })
})

await t.test('a log that no longer holds what follows is told from a fault that passes', async t => {
  const entries = await write(t, ['a'])
  for (const error of [new Trimmed('it was trimmed'), new Error('no answer')]) {
    const { follower, names } = follow(t, entries, error)
    await t.rejects(follower.follow({ signal }), { constructor: error.constructor, message: error.message })
    t.same(names(), ['a'], 'what came before it is applied')
  }
})
