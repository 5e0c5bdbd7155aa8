import { randomBytes } from 'node:crypto'
import { AppError, messageOf } from '../errors.js'
import { openDatabase, type Database, type Row } from './database.js'
import { faultIn, StoreFault } from './fault.js'
import { DatabaseFile } from './file.js'
import { Mark } from './mark.js'

export type { Row } from './database.js'
type Parameter = string | number | null

/** How sure a commit is before anyone hears of it: on the disk, or only past the end of this process. */
export type Durability = 'synced' | 'written'

export interface WriteOptions {
  /**
   * Rather late than never: it waits until the store can be written, and is refused only when that is closed before.
   */
  insists?: boolean
  /** Nobody waits for it: it may wait some milliseconds for others, to share the cost of their commit. */
  unhurried?: boolean
}

interface Job {
  durability: Durability
  insists: boolean
  /** Runs it, and returns what resolves its promise, which is for after the commit. */
  run: () => () => void
  reject: (error: unknown) => void
}

/** How long writes wait for another process that holds the lock. Nothing else waits with them. */
const lockMs = 5_000
const lockRetryMs = 20
/** How long, and how many at the most, those wait for others that nobody waits for. */
const gatherMs = 5
const gatherMax = 128
/** How often a store that fails is tried. */
const probeMs = 500
/** How many of these pass between two trials of one that works, which nobody may have written to for long. */
const idleProbes = 20
/** As much as most requests write: where there is room for less, the next of them would fail again. */
const markBytes = 32_768

/**
 * The database. What is written within one tick shares one transaction (group commit): a write is a promise, and
 * who waits for it speaks of nothing that is not committed.
 *
 * While it cannot be written (a full disk, a lock that is held for long, a file that is gone) a write is refused at
 * once, and one that insists waits; it tries by itself whether that is over. A damaged one is not written any more.
 */
export class Store {
  /** How far its logs have got, as somebody else knows it; undefined where there is nothing to restore. */
  readonly mark: Mark | undefined
  #db: Database
  #file: DatabaseFile | undefined
  #onChange: (failure: string | undefined) => void
  #onCommit: (seconds: number, jobs: number) => void
  #statements = new Map<string, ReturnType<Database['prepare']>>()
  #jobs: Job[] = []
  /** Whether the next commit has its time. */
  #scheduled = false
  /** When it comes at the latest, if nobody waits for it. */
  #gathering: NodeJS.Timeout | undefined
  #prober: NodeJS.Timeout
  #probes = 0
  #fault: StoreFault | undefined
  #lockedSince: number | undefined
  #closed = false
  #synchronous = ''
  /** Whether the job that runs has written anything. */
  #hasWritten = false

  /**
   * Opens the database and brings it to the current version. `onChange` is told when it begins to fail, and when that
   * is
   * over; `onCommit` how long each commit of how many writes took. Throws `unavailable` with a line that names the
   * file.
   */
  constructor(
    path: string,
    onChange: (failure: string | undefined) => void = () => {},
    onCommit: (seconds: number, jobs: number) => void = () => {}
  ) {
    this.#onChange = onChange
    this.#onCommit = onCommit
    this.#db = openDatabase(path, lockMs)
    if (path !== ':memory:') this.#file = new DatabaseFile(path)
    if (path !== ':memory:') this.mark = Mark.open(`${path}.mark`)
    this.#prober = setInterval(() => this.#probe(), probeMs).unref()
  }

  /** Why it cannot be written; undefined when it can. */
  get failure(): string | undefined {
    return this.#fault?.message
  }

  /** Runs a statement that only reads, and returns its rows. `T`: the columns that it selects. */
  all<T extends object = Row>(sql: string, ...parameters: Parameter[]): T[] {
    try {
      return this.#prepare(sql).all(...parameters) as T[]
    } catch (error) {
      throw this.#blame(error)
    }
  }

  /** The same, where one row is enough; undefined when there is none. */
  get<T extends object = Row>(sql: string, ...parameters: Parameter[]): T | undefined {
    try {
      return this.#prepare(sql).get(...parameters) as T | undefined
    } catch (error) {
      throw this.#blame(error)
    }
  }

  /** Only inside of a `write`. Returns the id of the inserted row. */
  run(sql: string, ...parameters: Parameter[]): number {
    this.#hasWritten = true
    try {
      return Number(this.#prepare(sql).run(...parameters).lastInsertRowid)
    } catch (error) {
      throw this.#blame(error)
    }
  }

  /** Only inside of a `write`. Returns the rows of a statement that writes and has a RETURNING clause. */
  runReturning<T extends object = Row>(sql: string, ...parameters: Parameter[]): T[] {
    this.#hasWritten = true
    return this.all<T>(sql, ...parameters)
  }

  /**
   * Runs the job in the next transaction and resolves with what it returns once that is committed. When the job
   * throws, what it wrote is undone and the promise rejects with the error; the others of its transaction stand.
   * A job may be run more than once, so it must leave nothing behind but in the database. Continuations of one
   * transaction run in the order of the jobs.
   */
  write<T>(
    durability: Durability,
    job: () => T,
    { insists = false, unhurried = false }: WriteOptions = {}
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) return reject(new AppError('unavailable', 'the store is closed'))
      if (this.#fault && !insists) return reject(this.#fault)
      const run = () => {
        const value = job()
        return () => resolve(value)
      }
      this.#jobs.push({ durability, insists, run, reject })
      // Otherwise what waits for a lock, or for the end of a fault, takes it along.
      if (this.#fault || this.#scheduled) return
      if (unhurried && this.#jobs.length < gatherMax) {
        this.#gathering ??= setTimeout(() => this.#commit(), gatherMs)
        return
      }
      this.#scheduled = true
      setImmediate(() => this.#commit())
    })
  }

  /** Commits what is waiting, if that can be done now, and closes: the file is whole then, without its log. */
  close(): void {
    clearInterval(this.#prober)
    this.#commit(true)
    this.#closed = true
    // SQLite would do so, but for statements that are not collected yet: all of it is to be in the one file.
    if (!this.#fault) this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    this.#statements.clear()
    this.#db.close()
    this.mark?.close()
  }

  /** Commits what is waiting. What cannot be is refused, or waits: for a lock, or until the store works again. */
  #commit(isLast = false): void {
    if (this.#closed) return
    this.#scheduled = false
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    const jobs = this.#jobs.splice(0)
    try {
      this.#commitJobs(jobs)
    } catch (error) {
      this.#rollBack()
      this.#postpone(jobs, faultIn(error) ?? new StoreFault('failing', messageOf(error), error), isLast)
    }
  }

  /** Commits the jobs; without any, it tries whether a store that has failed works again. Throws when it does not. */
  #commitJobs(jobs: Job[]): void {
    if (this.#fault?.kind === 'damaged') throw this.#fault
    this.#file?.check()
    const began = performance.now()
    while ((jobs.length > 0 || this.#fault) && !this.#transact(jobs));
    if (jobs.length > 0) this.#onCommit((performance.now() - began) / 1000, jobs.length)
    this.#lockedSince = undefined
    this.#turn(undefined)
  }

  /** Has jobs wait that could not be committed, or refuses them; none waits for a last commit. */
  #postpone(jobs: readonly Job[], fault: StoreFault, isLast: boolean): void {
    if (fault.kind === 'locked') this.#lockedSince ??= performance.now()
    const isPatient = fault.kind === 'locked' && !this.#fault && performance.now() - this.#lockedSince! < lockMs
    if (!isPatient) this.#turn(fault)
    const waits = (job: Job) => !isLast && (isPatient || job.insists)
    this.#jobs.unshift(...jobs.filter(waits))
    for (const job of jobs) if (!waits(job)) job.reject(fault)
    if (!isPatient) return
    this.#scheduled = true
    setTimeout(() => this.#commit(), lockRetryMs)
  }

  #rollBack(): void {
    try {
      this.#db.exec('ROLLBACK')
    } catch {
      /* It was never begun, or SQLite has rolled it back. */
    }
  }

  #turn(fault: StoreFault | undefined): void {
    const before = this.#fault
    this.#fault = fault
    if (fault?.message !== before?.message) this.#onChange(fault?.message)
  }

  /**
   * Runs and commits the jobs. One that throws is rejected and taken out; if it had written something, nothing stands
   * and
   * the others have to be run again: that is rare, and a savepoint for each would cost more than most jobs do. Returns
   * whether they are committed.
   */
  #transact(jobs: Job[]): boolean {
    // In WAL mode FULL syncs the log at each commit and NORMAL leaves that to the kernel. It cannot be changed inside.
    this.#sync(this.#fault || jobs.some(({ durability }) => durability === 'synced') ? 'FULL' : 'NORMAL')
    this.run('BEGIN IMMEDIATE')
    // That it can be begun does not say that it can be written.
    if (this.#fault) this.#leaveMark(markBytes)
    const settle: (() => void)[] = []
    for (const job of [...jobs]) {
      this.#hasWritten = false
      try {
        settle.push(job.run())
      } catch (error) {
        // Not the job's fault, or SQLite has given up the whole transaction: none of it stands.
        if (faultIn(error) || !this.#db.isTransaction) throw error
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

  /** Finds out without being asked that it fails, and that it no longer does. */
  #probe(): void {
    if (this.#scheduled || this.#fault?.kind === 'damaged') return
    if (!this.#fault && ++this.#probes % idleProbes === 0) {
      this.write('written', () => this.#leaveMark(8)).catch(() => {})
    } else this.#commit()
  }

  /** Never the same: SQLite does not write what is there already. */
  #leaveMark(bytes: number): void {
    this.run(
      "INSERT INTO meta VALUES ('probe', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
      randomBytes(bytes).toString('hex')
    )
  }

  /** What a statement has thrown; as a fault of the store, if it is one. */
  #blame(error: unknown): unknown {
    const fault = faultIn(error)
    if (fault && fault.kind !== 'locked') this.#turn(fault)
    return fault ?? error
  }

  #sync(mode: 'FULL' | 'NORMAL'): void {
    if (mode === this.#synchronous) return
    this.#db.exec(`PRAGMA synchronous = ${mode}`)
    this.#synchronous = mode
  }

  #prepare(sql: string): ReturnType<Database['prepare']> {
    let statement = this.#statements.get(sql)
    if (!statement) this.#statements.set(sql, (statement = this.#db.prepare(sql)))
    return statement
  }
}
