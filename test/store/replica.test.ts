import { DatabaseSync } from '@photostructure/sqlite'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { decodeFrame, encodeFrame } from '../../src/replication/frame.js'
import { openDatabase } from '../../src/store/database.js'
import { migrations } from '../../src/store/migrations.js'
import { Diverged, ReplicaDatabase, type Changes, type Position } from '../../src/store/replica.js'
import { Store } from '../../src/store/store.js'
import { directoryOf } from '../support/directory.js'
import { runs } from '../support/runs.js'

const at = (place: number): Position => ({ log: 'test', place, frame: '', term: 1, leader: 'a' })

/**
 * What a job does. Not among it: rows that exchange unique values, which SQLite cannot apply and nothing does. A
 * statement of one kind, with a few values that come again, so that rows meet.
 */
type Statement = [kind: keyof typeof statements, id: number, text: string]

const statements = {
  'insert event': (store: Store, id: number, text: string) => {
    store.run("INSERT INTO events (time, type, node, transient, body) VALUES (?, 'x', ?, ?, ?)", id, text, id % 2, text)
  },
  'insert and delete event': (store: Store, id: number, text: string) => {
    const seq = store.run("INSERT INTO events (time, type, transient, body) VALUES (?, 'x', 0, ?)", id, text)
    store.run('DELETE FROM events WHERE seq = ?', seq)
  },
  'delete events': (store: Store, id: number) => store.run('DELETE FROM events WHERE time = ?', id),
  'upsert configuration': (store: Store, id: number, text: string) =>
    store.run(
      'INSERT INTO configurations (state, body, time) VALUES (?, ?, NULL) ON CONFLICT DO UPDATE SET body = excluded.body, time = 5',
      `c${id}`,
      text
    ),
  'replace option': (store: Store, id: number, text: string) =>
    store.run('INSERT OR REPLACE INTO runtime_options VALUES (?, ?, ?, ?)', `o${id}`, text, id, text),
  'insert request': (store: Store, id: number, text: string) => {
    const n = store.run(
      "INSERT OR IGNORE INTO requests (reqid, type, state, arguments, warnings, results, created_at, expires_at, event_seq, transient, idempotency_key) VALUES (?, 'deploy', 'pending', ?, '[]', '[]', 0, 0, 0, 0, ?)",
      `r${id}`,
      text,
      id % 2 === 0 ? `k${id}` : null
    )
    store.run('INSERT INTO results (n, body) SELECT n, ? FROM requests WHERE n = ?', text, n)
  },
  'delete request': (store: Store, id: number) => store.run('DELETE FROM requests WHERE reqid = ?', `r${id}`),
  // Numbers and unique values go round, within one statement.
  'move requests': (store: Store, id: number) =>
    store.run("UPDATE requests SET idempotency_key = 'k' || (n + ?) WHERE idempotency_key IS NULL", id * 1000),
  'insert token': (store: Store, id: number, text: string) => {
    const columns = 'id, name, role, hash, created_at, expires_at, parent'
    const insert = `INSERT OR IGNORE INTO tokens (${columns}) VALUES (?, ?, 'admin', ?, 0, ?, ?)`
    store.run(insert, `t${id}`, text, text, null, null)
    store.run(insert, `s${id}`, text, text, 5, `t${id}`)
  },
  'delete token': (store: Store, id: number) => store.run('DELETE FROM tokens WHERE id = ?', `t${id}`),
  'change key': (store: Store, id: number) =>
    store.run('UPDATE OR IGNORE stopped_nodes SET name = ?, spare = 1 WHERE name = ?', `n${id}`, `n${(id + 1) % 5}`),
  'stop node': (store: Store, id: number) =>
    store.run('INSERT OR IGNORE INTO stopped_nodes (name) VALUES (?)', `n${id}`),
  'change elastic worker': (store: Store, id: number, text: string) =>
    store.run(
      'INSERT INTO elastic_changes VALUES (?, ?, 1, ?, ?) ON CONFLICT DO UPDATE SET overload = NULL, instance = ?',
      `w${id}`,
      'i',
      text,
      id / 3,
      `i${id}`
    ),
  'add bundle': (store: Store, id: number, text: string) => {
    store.run(
      "INSERT OR IGNORE INTO bundles (id, created_at, size, files, pack, pack_size, content) VALUES (?, 0, 1, 1, 'p', 1, ?)",
      `b${id}`,
      text
    )
    store.run('INSERT OR REPLACE INTO bundle_names VALUES (?, ?)', `name${id}`, `b${id}`)
  },
  'delete bundle': (store: Store, id: number) => store.run('DELETE FROM bundles WHERE id = ?', `b${id}`),
  'add revision': (store: Store, id: number, text: string) => {
    const n = store.run(
      "INSERT OR REPLACE INTO revisions (time, reqid, config_id, nodes, configuration) VALUES (0, ?, 'c', 1, ?)",
      `r${id}`,
      text
    )
    store.run('INSERT INTO good_revisions VALUES (?, 1)', n)
  },
  'delete revisions': (store: Store) => store.run('DELETE FROM revisions WHERE n < (SELECT max(n) FROM revisions)'),
  'mark what is local': (store: Store, id: number, text: string) =>
    store.run("INSERT INTO local VALUES ('mine', ?) ON CONFLICT DO UPDATE SET value = excluded.value", `${id}${text}`),
  throw: () => {
    throw new RangeError('mine')
  }
}

const texts = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom('', 'a', 'b', "quote ' and \0 and \u{1F600}") },
  { weight: 5, arbitrary: fc.string() },
  { weight: 1, arbitrary: fc.nat(20).map(n => 'long '.repeat(200_000 + n)) }
)
const kinds = Object.keys(statements) as (keyof typeof statements)[]
const statement: fc.Arbitrary<Statement> = fc.tuple(fc.constantFrom(...kinds), fc.nat(4), texts)
const job = fc.array(statement, { minLength: 1, maxLength: 4 })
/** Jobs that are written together, which are mostly one transaction. */
const histories = fc.array(fc.array(job, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 10 })

/** Returns the content of all tables but `local`, and the numbers that were given out. */
function content(store: Store): Record<string, unknown[]> {
  const tables = store.all<{ name: string }>(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'local' ORDER BY name"
  )
  return Object.fromEntries(tables.map(({ name }) => [name, store.all(`SELECT * FROM ${name} ORDER BY 1, 2`)]))
}

let count = 0

/** A leader, and the frames that it writes. */
function openLeader(directory: string) {
  const store = new Store(`${directory}/leader-${++count}.sqlite`, undefined, undefined, { isReplica: true })
  const frames: Uint8Array[] = []
  store.lead({
    publish: async changes => {
      frames.push(encodeFrame({ ...changes, previous: '', term: 1, leader: 'a' }).bytes)
      return at(frames.length)
    },
    ended: () => {}
  })
  return { store, frames }
}

const openFollower = (directory: string) =>
  new Store(`${directory}/follower-${++count}.sqlite`, undefined, undefined, { isReplica: true })

await t.test('a follower has what the leader has, whatever that writes', async t => {
  const directory = directoryOf(t)
  const done = new Set<string>()
  await fc.assert(
    fc.asyncProperty(histories, async history => {
      const { store: leader, frames } = openLeader(directory)
      const follower = openFollower(directory)
      try {
        for (const jobs of history) {
          const settled = await Promise.allSettled(
            jobs.map(job =>
              leader.write('written', () => {
                for (const [kind, id, text] of job) statements[kind](leader, id, text)
              })
            )
          )
          for (const [n, one] of settled.entries()) {
            if (one.status === 'fulfilled') for (const [kind] of jobs[n]!) done.add(kind)
            else if (one.reason.code === 'unavailable') throw one.reason
          }
          for (const [n, bytes] of frames.entries()) {
            if (n + 1 > (follower.position?.place ?? 0)) follower.apply(decodeFrame(bytes).frame, at(n + 1))
          }
          if (JSON.stringify(content(leader)) !== JSON.stringify(content(follower))) return false
        }
        return follower.all("SELECT 1 FROM local WHERE name = 'mine'").length === 0
      } finally {
        leader.close()
        follower.close()
      }
    }),
    { numRuns: runs(30) }
  )
  t.same([...done].sort(), kinds.filter(kind => kind !== 'throw').sort(), 'each kind was written')
})

/** Has a leader write, and returns what it publishes. */
async function changesOf(t: Test, write: (store: Store) => unknown): Promise<Changes> {
  const { store, frames } = openLeader(directoryOf(t))
  t.teardown(() => store.close())
  await store.write('written', () => write(store))
  return decodeFrame(frames[0]!).frame
}

const insert = (store: Store) => store.run("INSERT INTO stopped_nodes (name) VALUES ('a')")

/** A database that differs from what this version makes, with what is needed of it. */
function openOther(t: Test, statements: string) {
  const path = `${directoryOf(t)}/other.sqlite`
  openDatabase(path, 0).close()
  const db = new DatabaseSync(path)
  t.teardown(() => db.close())
  db.exec(statements)
  return { db, replica: new ReplicaDatabase(db) }
}

await t.test('changes of a newer database are refused, and nothing of them is applied', async t => {
  const changes = await changesOf(t, insert)
  t.equal(changes.schema, migrations.length)
  const { db, replica } = openOther(t, '')
  t.throws(() => replica.apply({ ...changes, schema: changes.schema + 1 }, at(1)), {
    constructor: Diverged,
    message: /newer database.*upgrade this controller/
  })
  t.same(db.prepare('SELECT * FROM stopped_nodes').all(), [])
  t.equal(replica.position, undefined)
})

await t.test('a newer database takes changes of an older one', async t => {
  const changes = await changesOf(t, insert)
  const { db, replica } = openOther(
    t,
    "ALTER TABLE stopped_nodes ADD COLUMN later TEXT NOT NULL DEFAULT 'none'; CREATE TABLE later (name TEXT PRIMARY KEY) STRICT"
  )
  replica.apply({ ...changes, schema: changes.schema - 1 }, at(1))
  t.match(db.prepare('SELECT * FROM stopped_nodes').all(), [{ name: 'a', later: 'none' }])
})

await t.test('a row that is not as it was at the leader stops a follower, and all that came with it', async t => {
  const { store, frames } = openLeader(directoryOf(t))
  t.teardown(() => store.close())
  await store.write('written', () => insert(store))
  await store.write('written', () => {
    store.run("INSERT INTO meta VALUES ('b', 'x')")
    store.run("UPDATE stopped_nodes SET spare = 1 WHERE name = 'a'")
  })
  const [first, second] = frames.map(bytes => decodeFrame(bytes).frame)
  for (const [what, statement] of [
    ['missing', 'DELETE FROM stopped_nodes'],
    ['there already', "INSERT INTO meta VALUES ('b', 'other')"]
  ] as const) {
    const { db, replica } = openOther(t, '')
    replica.apply(first!, at(1))
    db.exec(statement)
    const before = db.prepare('SELECT * FROM meta').all()
    t.throws(() => replica.apply(second!, at(2)), { constructor: Diverged, message: /not as it was/ }, what)
    t.same(db.prepare('SELECT * FROM meta').all(), before)
    t.same(replica.position, at(1))
    t.notOk(db.isTransaction)
  }
})
