import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Logger } from 'pino'
import type { Position } from '../store/replica.js'
import { markOf } from '../store/mark.js'
import { readSnapshot, writeSnapshot } from '../store/snapshot.js'
import { AppError, messageOf } from '../errors.js'
import { syncDirectory } from '../util.js'
import type { Clock } from './clock.js'
import type { Files, Log } from './log.js'

/** Snapshots that are kept: a replica that is getting the one before the newest is not disturbed. */
const kept = 2
/** How much the log may hold beyond the newest snapshot. */
const entriesMax = 10_000
const bytesMax = 128 * 1024 * 1024

/** How often is looked whether a snapshot is due. */
const intervalMs = 60_000

interface Keeping {
  clock: Pick<Clock, 'sleep'>
  log: Pick<Logger, 'warn'>
  signal: AbortSignal
}

const prefix = 'snapshot-'
const nameOf = (place: number) => `${prefix}${String(place).padStart(16, '0')}`

const nextOf = (database: string) => `${database}.next`

/** Makes a snapshot that was fetched the database, which must not be in use. Returns whether there was one. */
export async function adopt(database: string): Promise<boolean> {
  const next = nextOf(database)
  if (!existsSync(next)) return false
  // Once begun it is done at the next start at the latest: the snapshot goes last.
  for (const file of [database, `${database}-wal`, `${database}-shm`, markOf(database)]) await rm(file, { force: true })
  await rename(next, database)
  await syncDirectory(dirname(database))
  return true
}

/**
 * Copies of the whole database at the log's side: from there a new replica begins, and the log need not go back
 * further.
 */
export class Snapshots {
  #log: Pick<Log, 'identity' | 'extent' | 'trim'>
  #files: Files

  constructor({ log, files }: { log: Pick<Log, 'identity' | 'extent' | 'trim'>; files: Files }) {
    this.#log = log
    this.#files = files
  }

  /** Takes snapshots of the leader's database, whenever one is due, until the signal aborts. Never rejects. */
  async keepTaking(database: string, { clock, log, signal }: Keeping): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.takeIfDue(database)
      } catch (error) {
        log.warn(`there is no new snapshot: ${messageOf(error)}`)
      }
      await clock.sleep(intervalMs, signal)
    }
  }

  /** Takes a snapshot of a database if the log holds enough since the one before it. Returns whether it has. */
  async takeIfDue(database: string): Promise<boolean> {
    const { entries, bytes } = await this.#log.extent()
    if (entries < entriesMax * kept && bytes < bytesMax * kept) return false
    await this.take(database)
    return true
  }

  /**
   * Stores a copy of a replica's database, and drops what no replica needs any more. Resolves with how far the copy is.
   */
  async take(database: string): Promise<Position> {
    const path = `${database}.snapshot`
    try {
      const position = await writeSnapshot(database, path)
      await this.#files.put(nameOf(position.place), path)
      await this.#drop()
      return position
    } finally {
      await rm(path, { force: true })
    }
  }

  /**
   * Gets the newest snapshot, for `adopt` to take at the next start. Throws `unavailable` when there is none, or it is
   * damaged; what was fetched earlier is as it was then.
   */
  async fetch(database: string): Promise<Position> {
    const newest = (await this.#names()).at(-1)
    const path = `${database}.snapshot`
    try {
      if (newest === undefined || !(await this.#files.get(newest, path))) {
        throw new AppError('unavailable', 'the log has no snapshot: zeek-cluster replication init makes the first one')
      }
      const position = await readSnapshot(path)
      if (position.log !== this.#log.identity) {
        throw new AppError('unavailable', `${newest} is of another log (${position.log}), not of ${this.#log.identity}`)
      }
      await rename(path, nextOf(database))
      await syncDirectory(dirname(database))
      return position
    } finally {
      await rm(path, { force: true })
    }
  }

  async #drop(): Promise<void> {
    const names = await this.#names()
    for (const name of names.slice(0, -kept)) await this.#files.delete(name)
    const oldest = names.at(-kept)
    if (oldest !== undefined) await this.#log.trim(Number(oldest.slice(prefix.length)))
  }

  async #names(): Promise<string[]> {
    return (await this.#files.names(prefix)).sort()
  }
}
