import { chmodSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import { AppError, messageOf } from '../errors.js'
import { obstacleTo } from '../permission.js'
import { faultIn, StoreFault } from './fault.js'
import { migrations } from './migrations.js'

export type Row = Record<string, unknown>
export type Database = InstanceType<typeof DatabaseSync>

/** Returns the path of a controller's database. */
export const databaseIn = (stateDirectory: string): string => join(stateDirectory, 'controller.sqlite')

/**
 * Opens a database, checks it and migrates it to the current version; waits up to `lockMs` milliseconds for another
 * process that has it locked. Throws `unavailable` with a line that names the file.
 */
export function openDatabase(path: string, lockMs: number): Database {
  try {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const db = new DatabaseSync(path, { timeout: lockMs, enableForeignKeyConstraints: true })
    // Configurations may hold secrets.
    if (path !== ':memory:') chmodSync(path, 0o600)
    // The log is checkpointed less often than SQLite would, every 16 MB: a checkpoint syncs, and the same pages change
    // again and again.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 4096')
    check(db)
    migrate(db)
    // From now on, waiting for a lock must not block the process.
    db.exec('PRAGMA busy_timeout = 0')
    return db
  } catch (error) {
    const { kind, reason = messageOf(error) }: Partial<StoreFault> = faultIn(error) ?? {}
    // SQLite does not say which of its files is affected, and why.
    const obstacle =
      kind === 'failing'
        ? ['', '-wal', '-shm'].map(end => obstacleTo(path + end)).find(text => text !== undefined)
        : undefined
    const help =
      kind === 'damaged'
        ? '; move it away with its -wal and -shm, and restore a backup or begin anew: the agents keep their nodes running meanwhile'
        : ''
    throw new AppError('unavailable', `${path} cannot be used: ${obstacle ?? reason}${help}`, { cause: error })
  }
}

/** Opens a database that is open already, for what is committed in it. */
export function openReader(path: string): Database {
  return new DatabaseSync(path, { readOnly: true })
}

/**
 * Throws when the database is damaged. For 100,000 events this takes less than a tenth of a second, and they are read
 * at the start anyway.
 */
function check(db: Database): void {
  const { quick_check: found } = db.prepare('PRAGMA quick_check(1)').get() as Row
  if (found !== 'ok') throw new StoreFault('damaged', String(found).replace(/\s+/g, ' '))
}

function migrate(db: Database): void {
  const version = Number((db.prepare('PRAGMA user_version').get() as Row).user_version)
  if (version > migrations.length) throw new Error(`it is of a later version (${version})`)
  for (let next = version; next < migrations.length; next++) {
    db.exec(`BEGIN IMMEDIATE; ${migrations[next]}; PRAGMA user_version = ${next + 1}; COMMIT`)
  }
}
