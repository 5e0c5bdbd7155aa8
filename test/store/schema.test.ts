import t from 'tap'
import { openDatabase } from '../../src/store/database.js'
import { migrations } from '../../src/store/migrations.js'
import { directoryOf } from '../support/directory.js'

interface Table {
  name: string
  sql: string
}

interface Column {
  name: string
  type: string
  notnull: number
  pk: number
}

const db = openDatabase(`${directoryOf(t)}/schema.sqlite`, 0)
t.teardown(() => db.close())
const tables = db
  .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
  .all() as Table[]

await t.test('sessions record every row: each table has a key that is never null', async t => {
  t.ok(tables.length > 10)
  for (const { name, sql } of tables) {
    const columns = db.prepare(`PRAGMA table_info(${name})`).all() as Column[]
    const key = columns.filter(({ pk }) => pk > 0)
    t.ok(key.length > 0, `${name} has a key`)
    const isRowid = key.length === 1 && key[0]!.type === 'INTEGER' && !/WITHOUT ROWID/i.test(sql)
    for (const column of key) t.ok(isRowid || column.notnull === 1, `${name}.${column.name} is never null`)
  }
})

await t.test('VACUUM renumbers no rows: each table has a number of its own as key, or no rowid', async t => {
  for (const { name, sql } of tables) t.match(sql, /INTEGER PRIMARY KEY|WITHOUT ROWID/i, name)
})

await t.test('there are no triggers, which followers would run again, and no virtual or generated columns', async t => {
  t.same(db.prepare("SELECT name FROM sqlite_schema WHERE type IN ('trigger', 'view')").all(), [])
  for (const { sql } of tables) {
    t.notMatch(sql, /CREATE VIRTUAL|GENERATED ALWAYS|\bAS \(/i)
  }
})

/**
 * Returns what makes a migration one that replicas of the version before cannot write for; undefined when nothing does.
 */
function unfit(migration: string): string | undefined {
  const statements = migration
    .replace(/--.*$/gm, '')
    .split(';')
    .map(text => text.replace(/\s+/g, ' ').trim())
    .filter(text => text !== '')
  return statements.find(text => {
    if (/^CREATE TABLE \w+ \(/i.test(text) || /^CREATE INDEX /i.test(text)) return false
    if (/^ALTER TABLE \w+ ADD COLUMN /i.test(text)) return /NOT NULL/i.test(text) && !/DEFAULT/i.test(text)
    return !/^(INSERT INTO|DELETE FROM|UPDATE) local\b/i.test(text)
  })
}

await t.test('replicas of two versions work together: migrations only add', async t => {
  // The last one before there were replicas made the table of what is each one's own.
  const first = migrations.findIndex(text => text.includes('CREATE TABLE local'))
  t.equal(first, 14)
  for (const [n, migration] of migrations.entries()) if (n > first) t.equal(unfit(migration), undefined)
})

await t.test('a migration that changes what is there is told from one that adds', async t => {
  for (const text of [
    'DROP TABLE events;',
    'CREATE UNIQUE INDEX one ON events (body)',
    'ALTER TABLE events DROP COLUMN body',
    'ALTER TABLE events ADD COLUMN more TEXT NOT NULL',
    "UPDATE events SET body = ''",
    'CREATE TABLE a (n INTEGER PRIMARY KEY); INSERT INTO a SELECT seq FROM events',
    'CREATE TRIGGER a AFTER INSERT ON events BEGIN SELECT 1; END'
  ]) {
    t.ok(unfit(text), text)
  }
  for (const text of [
    'CREATE TABLE a (n INTEGER PRIMARY KEY) STRICT; CREATE INDEX b ON a (n)',
    'ALTER TABLE events ADD COLUMN more TEXT',
    "ALTER TABLE events ADD COLUMN more TEXT NOT NULL DEFAULT ''; UPDATE local SET value = ''"
  ]) {
    t.equal(unfit(text), undefined, text)
  }
})
