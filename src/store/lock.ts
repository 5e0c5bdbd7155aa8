import { accessSync, closeSync, constants, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import { AppError, messageOf } from '../errors.js'
import { obstacleTo } from '../permission.js'
import type { Database } from './database.js'
import { faultIn } from './fault.js'

/** Its name begins with a dot: where logs wait, files of other names are reported. */
const lockFile = '.lock'

/**
 * How long others may be in the way that try at the same time, in milliseconds: then one of them has the lock. A
 * process that has it keeps it.
 */
const othersMs = 1000

/** A lock that is held until it is closed, or the process ends, however it does; children do not inherit it. */
export interface Lock {
  close(): void
}

/**
 * Makes sure that one process at a time owns a directory, which is made if it is missing. Only who may write in the
 * directory can have the lock. Throws `unavailable`: with the text `held` when another process has it, or with what
 * makes the lock file unusable; and what the system says when the directory cannot be used.
 */
export function lockDirectory(directory: string, held: string): Lock {
  mkdirSync(directory, { recursive: true })
  // Checked here, so that the error names the directory itself, and not the first file that is to be in it.
  accessSync(directory, constants.W_OK | constants.X_OK)
  const path = join(directory, lockFile)
  create(path)
  let database: Database | undefined
  try {
    // A lock on an empty database. Nothing is written into it, so that it needs no file for a journal, either.
    database = new DatabaseSync(path, { timeout: othersMs })
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database?.close()
    const isHeld = faultIn(error)?.kind === 'locked'
    const text = isHeld ? held : `${path} cannot be locked: ${obstacleTo(path) ?? messageOf(error)}`
    throw new AppError('unavailable', text, { cause: error })
  }
}

/**
 * Creates a file, for the owner only: who can read it can lock it. One that is there is never opened: closing it would
 * release a lock that this process has on it.
 */
function create(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}
