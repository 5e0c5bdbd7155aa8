import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import t from 'tap'
import { auditKinds } from '../../src/requests/audit-entry.js'
import { EventLog } from '../../src/store/events.js'
import { migrations } from '../../src/store/migrations.js'
import { RequestTable } from '../../src/store/requests.js'
import { databaseIn, openStore } from './open.js'

await t.test('requests of the first version keep their places, results and keys', async t => {
  const directory = t.testdir()
  const path = databaseIn(directory)
  mkdirSync(dirname(path), { recursive: true })
  const db = new DatabaseSync(path)
  db.exec(`${migrations[0]}; PRAGMA user_version = 1`)
  const insert = db.prepare(
    "INSERT INTO requests VALUES (?, ?, 'restart', ?, '{}', '[\"odd\"]', 1000, ?, 2000, ?, 0, ?, ?)"
  )
  insert.run(5, 'a', 'succeeded', 1500, 7, 'key', 'print')
  insert.run(6, 'b', 'pending', null, 9, null, null)
  for (const node of ['x', 'y']) {
    db.prepare('INSERT INTO results (n, body) VALUES (5, ?)').run(JSON.stringify({ reqid: 'a', success: true, node }))
  }
  db.close()

  const { store } = openStore(t, directory)
  const table = new RequestTable(store)
  t.match(table.list({ limit: 10 }), [
    { reqid: 'b', state: 'pending', results: [], event_seq: 9 },
    {
      reqid: 'a',
      state: 'succeeded',
      warnings: ['odd'],
      results: [{ node: 'x' }, { node: 'y' }],
      finished_at: '1970-01-01T00:00:01.500Z',
      event_seq: 7
    }
  ])
  t.same({ ...table.byIdempotencyKey('key') }, { reqid: 'a', fingerprint: 'print' })
  await store.write('written', () => table.addResults('b', [{ reqid: 'b', success: true, node: 'z' }]))
  t.match(table.get('b')?.results, [{ node: 'z' }])
  // They still go along with their requests.
  await store.write('written', () => table.prune({ maxCount: 0, maxTransientCount: 0, before: 0, beforeEvent: 0 }))
  t.same(
    store.all('SELECT n FROM results').map(({ n }) => n),
    [6]
  )
})

await t.test('audit entries of a version without kinds get one', async t => {
  const directory = t.testdir()
  const path = databaseIn(directory)
  mkdirSync(dirname(path), { recursive: true })
  const db = new DatabaseSync(path)
  db.exec(`${migrations.slice(0, 5).join(';')}; PRAGMA user_version = 5`)
  const insert = db.prepare("INSERT INTO audit (time, type, transient, body) VALUES (1, 'audit', ?, ?)")
  for (const [transient, action, outcome] of [
    [0, 'deploy', 'accepted'],
    [0, 'create_token', 'succeeded'],
    [1, 'get_configuration', 'accepted'],
    [1, 'check', 'failed'],
    [0, 'GET /v1/nodes', 'refused'],
    [0, 'log_in', 'succeeded'],
    [0, 'connect_agent', 'succeeded']
  ] as const) {
    insert.run(transient, JSON.stringify({ type: 'audit', action, outcome }))
  }
  db.close()
  const { change, read, refusal, login, connection } = auditKinds
  t.same(
    new EventLog(openStore(t, directory).store, 'audit').after(0, 10).map(({ transient }) => transient),
    [change, change, change, read, refusal, login, connection]
  )
})
