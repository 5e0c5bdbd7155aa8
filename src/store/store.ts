import { chmodSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import { AppError, messageOf } from '../errors.js'
import { migrations } from './migrations.js'

export type Row = Record<string, any>
type Parameter = string | number | null
type Database = InstanceType<typeof DatabaseSync>

/** How sure a commit is before anyone hears of it: on the disk, or only past the end of this process. */
export type Durability = 'synced' | 'written'

interface Job {
  durability: Durability
  run: () => unknown
  resolve: (value: any) => void
  reject: (error: unknown) => void
}

/**
 * The database. What is written within one tick shares one transaction (group commit): a write is a promise, and
 * who waits for it speaks of nothing that is not committed.
 */
export class Store {
  #db: Database
  #statements = new Map<string, ReturnType<Database['prepare']>>()
  #jobs: Job[] = []
  #failure: string | undefined
  #synchronous = ''
  /** Whether the job that runs has written anything. */
  #hasWritten = false

  /** Opens the database and brings it to the current version. Throws `unavailable` with a line that names the file. */
  constructor (path: string) {
    try {
      if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      this.#db = new DatabaseSync(path, { timeout: 5000, enableForeignKeyConstraints: true })
      // Configurations may hold secrets.
      if (path !== ':memory:') chmodSync(path, 0o600)
      // The log is worked in less often than SQLite would, every 16 MB: that syncs it, and the same pages change again and again.
      this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 4096')
      this.#migrate()
    } catch (error) {
      throw new AppError('unavailable', `${path} cannot be used: ${messageOf(error)}`, { cause: error })
    }
  }

  /** Why the last commit failed; undefined when it did not. */
  get failure (): string | undefined {
    return this.#failure
  }

  all (sql: string, ...parameters: Parameter[]): Row[] {
    if (!sql.startsWith('SELECT')) this.#hasWritten = true
    return this.#prepare(sql).all(...parameters) as Row[]
  }

  get (sql: string, ...parameters: Parameter[]): Row | undefined {
    return this.#prepare(sql).get(...parameters) as Row | undefined
  }

  /** Only inside of a `write`. Returns the id of the inserted row. */
  run (sql: string, ...parameters: Parameter[]): number {
    this.#hasWritten = true
    return Number(this.#prepare(sql).run(...parameters).lastInsertRowid)
  }

  /**
   * Runs the job in the next transaction and resolves with what it returns once that is committed. When the job
   * throws, what it wrote is undone and the promise rejects with the error; the others of its transaction stand.
   * A job may be run more than once, so it must leave nothing behind but in the database. Continuations of one
   * transaction run in the order of the jobs.
   */
  write<T> (durability: Durability, job: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#jobs.push({ durability, run: job, resolve, reject })
      if (this.#jobs.length === 1) setImmediate(() => this.#commit())
    })
  }

  /** Commits what is waiting, and closes. */
  close (): void {
    this.#commit()
    this.#statements.clear()
    this.#db.close()
  }

  #commit (): void {
    const jobs = this.#jobs.splice(0)
    try {
      while (jobs.length > 0 && !this.#transact(jobs));
      this.#failure = undefined
    } catch (error) {
      this.#failure = messageOf(error)
      try { this.run('ROLLBACK') } catch { /* It was never begun, or SQLite has rolled it back. */ }
      const failure = new AppError('unavailable', `the store cannot be written: ${this.#failure}`, { cause: error })
      for (const { reject } of jobs) reject(failure)
    }
  }

  /**
   * Runs and commits the jobs. One that throws is rejected and taken out; if it had written something, nothing stands and
   * the others have to be run again: that is rare, and a savepoint for each would cost more than most jobs do. Returns
   * whether they are committed.
   */
  #transact (jobs: Job[]): boolean {
    // In WAL mode FULL syncs the log at each commit and NORMAL leaves that to the kernel. It cannot be changed inside.
    this.#sync(jobs.some(({ durability }) => durability === 'synced') ? 'FULL' : 'NORMAL')
    this.run('BEGIN IMMEDIATE')
    const settle: (() => void)[] = []
    for (const job of [...jobs]) {
      this.#hasWritten = false
      try {
        const value = job.run()
        settle.push(() => job.resolve(value))
      } catch (error) {
        // SQLite has given up the whole transaction (a full disk): none of it stands.
        if (!this.#db.isTransaction) throw error
        jobs.splice(jobs.indexOf(job), 1)
        job.reject(error)
        if (!this.#hasWritten) continue
        this.run('ROLLBACK')
        return false
      }
    }
    this.run('COMMIT')
    for (const resolve of settle) resolve()
    return true
  }

  #sync (mode: 'FULL' | 'NORMAL'): void {
    if (mode === this.#synchronous) return
    this.#db.exec(`PRAGMA synchronous = ${mode}`)
    this.#synchronous = mode
  }

  #prepare (sql: string): ReturnType<Database['prepare']> {
    let statement = this.#statements.get(sql)
    if (!statement) this.#statements.set(sql, statement = this.#db.prepare(sql))
    return statement
  }

  #migrate (): void {
    const version = Number((this.#db.prepare('PRAGMA user_version').get() as Row).user_version)
    if (version > migrations.length) throw new Error(`it is of a later version (${version})`)
    for (let next = version; next < migrations.length; next++) {
      this.#db.exec(`BEGIN IMMEDIATE; ${migrations[next]}; PRAGMA user_version = ${next + 1}; COMMIT`)
    }
  }
}
