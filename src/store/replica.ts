import { isDeepStrictEqual } from 'node:util'
import { constants } from '@photostructure/sqlite'
import type { Database, Row } from './database.js'
import { migrations } from './migrations.js'

/** What a transaction has changed, as another replica needs it. */
export interface Changes {
  /** The number of migrations of the database. */
  schema: number
  /** The last numbers that tables have given out: SQLite's sessions do not record these. */
  sequences: Record<string, number>
  /** A patchset of SQLite's session extension. Empty where nothing is changed. */
  patchset: Uint8Array
}

/** How far a replica is in the log of all. */
export interface Position {
  /** The identity of the log. */
  log: string
  /** The place of the last frame that is committed here. */
  place: number
  /** The digest of that frame. */
  frame: string
  /** The term that it is of, and who led then. */
  term: number
  leader: string
}

/** A replica has not what changes presuppose: it cannot go on. */
export class Diverged extends Error {}

/** What databases of this version are like: the number of their migrations. */
export const schemaVersion = migrations.length

/** The table of what is this machine's alone. */
const localTable = 'local'

const selectPosition = `SELECT value FROM ${localTable} WHERE name = 'position'`

/** Returns how far a database is in the log of all; undefined for that of a single controller. */
export function positionIn(db: Database, select = db.prepare(selectPosition)): Position | undefined {
  const row = select.get() as Row | undefined
  return row && JSON.parse(row.value as string)
}

/** Has a database be that of a single controller. Returns whether it was that of one of several. */
export function forgetPosition(db: Database): boolean {
  return Number(db.prepare(`DELETE FROM ${localTable} WHERE name = 'position'`).run().changes) > 0
}

/** What replication needs of a database: what transactions change, to apply that, and how far it is. */
export class ReplicaDatabase {
  #db: Database
  /** Prepared once: they run with every transaction. */
  #statements: Record<'position' | 'move' | 'sequences' | 'count' | 'countFirst', ReturnType<Database['prepare']>>
  #session: ReturnType<Database['createSession']> | undefined
  /** The last numbers that were given out before the recording. */
  #sequences: Changes['sequences'] = {}

  constructor(db: Database) {
    this.#db = db
    this.#statements = {
      position: db.prepare(selectPosition),
      move: db.prepare(
        `INSERT INTO ${localTable} VALUES ('position', ?) ON CONFLICT DO UPDATE SET value = excluded.value`
      ),
      sequences: db.prepare('SELECT name, seq FROM sqlite_sequence'),
      // The table has no key.
      count: db.prepare('UPDATE sqlite_sequence SET seq = ? WHERE name = ?'),
      countFirst: db.prepare('INSERT INTO sqlite_sequence VALUES (?, ?)')
    }
    // What a row takes with it is in the changes already.
    this.checkReferences(false)
  }

  /** Whether references between tables are checked: only the leader's own changes are. Not within a transaction. */
  checkReferences(checks: boolean): void {
    this.#db.exec(`PRAGMA foreign_keys = ${checks ? 'ON' : 'OFF'}`)
  }

  /** Returns how far it is; undefined for a database that has never been a replica. */
  get position(): Position | undefined {
    return positionIn(this.#db, this.#statements.position)
  }

  /** Stores how far it is. Only within the transaction that brings it there. */
  move(position: Position): void {
    this.#statements.move.run(JSON.stringify(position))
  }

  /** Begins to record what the present transaction changes. */
  record(): void {
    this.stop()
    this.#sequences = this.#unrecorded().sequences
    this.#session = this.#db.createSession()
  }

  /** Ends the recording, and returns what was changed; undefined when nothing was. */
  take(): Changes | undefined {
    const patchset = this.#session!.patchset()
    this.stop()
    const unrecorded = this.#unrecorded()
    // Rows that come and go change nothing but the numbers that are left.
    const isSame = patchset.length === 0 && isDeepStrictEqual(unrecorded.sequences, this.#sequences)
    return isSame ? undefined : { ...unrecorded, patchset }
  }

  /** Ends the recording, if there is one. */
  stop(): void {
    this.#session?.close()
    this.#session = undefined
  }

  /** Returns changes that change nothing. */
  nothing(): Changes {
    return { ...this.#unrecorded(), patchset: new Uint8Array() }
  }

  /**
   * Applies what another replica has changed, all or nothing, and stores how far it is then. Returns the names of the
   * tables that it concerns. Throws Diverged when this database is not what the changes were made of.
   */
  apply({ schema, sequences, patchset }: Changes, position: Position): ReadonlySet<string> {
    // SQLite says nothing of tables and columns that are not there: the rows would be missing.
    if (schema > schemaVersion) {
      throw new Diverged(
        `the leader's version has a newer database (${schema}) than this one (${schemaVersion}): upgrade this controller`
      )
    }
    const tables = new Set<string>()
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      let conflict: number | undefined
      const applied =
        patchset.length === 0 ||
        this.#db.applyChangeset(patchset, {
          filter: table => {
            if (table === localTable) return false
            tables.add(table)
            return true
          },
          onConflict: kind => {
            conflict = kind
            return constants.SQLITE_CHANGESET_ABORT
          }
        })
      if (!applied) throw new Diverged(`a row is not as it was at the leader (conflict ${conflict})`)
      for (const [table, last] of Object.entries(sequences)) this.#count(table, last)
      this.move(position)
      this.#db.exec('COMMIT')
      return tables
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw error
    }
  }

  #unrecorded(): Omit<Changes, 'patchset'> {
    const rows = this.#statements.sequences.all() as { name: string; seq: number }[]
    return { schema: schemaVersion, sequences: Object.fromEntries(rows.map(({ name, seq }) => [name, seq])) }
  }

  /** Sets the last number that a table has given out. */
  #count(table: string, last: number): void {
    const { changes } = this.#statements.count.run(last, table)
    if (Number(changes) === 0) this.#statements.countFirst.run(table, last)
  }
}
