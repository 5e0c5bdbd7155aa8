import { randomBytes } from 'node:crypto'
import { AppError, messageOf } from '../errors.js'
import { openDatabase, openReader, type Database, type Row } from './database.js'
import { faultIn, StoreFault } from './fault.js'
import { DatabaseFile } from './file.js'
import { Mark, markOf } from './mark.js'
import { positionIn, ReplicaDatabase, type Changes, type Position } from './replica.js'

export type { Row } from './database.js'
type Parameter = string | number | null

/** How durable a commit is before anyone learns of it: on the disk, or only safe from the end of this process. */
export type Durability = 'synced' | 'written'

export interface WriteOptions {
  /**
   * Late rather than never: the write waits until the store can be written, and is rejected only when the store closes
   * before that.
   */
  insists?: boolean
  /** Nobody waits for this write: it may wait some milliseconds for others, to share the cost of their commit. */
  unhurried?: boolean
}

/** What a database is for one of several controllers. */
export interface ReplicaOptions {
  /** Whether it is one of several: it begins as a follower, which writes nothing but what it applies. */
  isReplica?: boolean
}

/** The duties of a store that leads. */
export interface Leading {
  /**
   * Makes changes known to all replicas. Resolves with where they are in the log once they cannot be lost: then they
   * are committed. When it rejects, this store has written for the last time.
   */
  publish: (changes: Changes) => Promise<Position>
  /**
   * Called when the store no longer leads: from then on nothing is written, and what is announced was committed before.
   */
  ended: (why: string) => void
}

interface Job {
  durability: Durability
  insists: boolean
  /** Runs the job, and returns a function that resolves its promise, to be called after the commit. */
  run: () => () => void
  reject: (error: unknown) => void
}

/** Jobs that have run within a transaction, which is open. */
interface Transaction {
  jobs: Job[]
  /** Resolve their promises. */
  settle: (() => void)[]
  began: number
}

/** How long writes wait for another process that holds the lock. Nothing else waits with them. */
const lockMs = 5_000
const lockRetryMs = 20
/**
 * How long unhurried writes wait for others, in milliseconds, and how many do at most: a commit costs as much as twenty
 * of them.
 */
const gatherMs = 20
const gatherMax = 128
/** Interval between two trials of a failing store. */
const probeMs = 500
/** Number of these intervals between two trials of a working store, which may not have been written to for long. */
const idleProbes = 20
/** What is said of a write that may be in the log of all replicas, or not. */
const uncertain =
  'this controller lost the lead while it wrote: ask the new leader whether it was accepted, or repeat it with its Idempotency-Key'
/** What to do with the database of a replica where a single controller's is wanted. */
const otherWays =
  'set ZEEK_CONTROLLER_NATS, ask one that runs, or have this one be alone again (zeek-cluster replication leave)'
/** As much as most requests write: with less room, the next request would fail again. */
const markBytes = 32_768

/**
 * The database. Everything written within one tick shares one transaction (group commit): a write returns a promise, so
 * a caller that awaits it never publishes anything that is not committed.
 *
 * While the store cannot be written (a full disk, a lock that is held for long, a file that is gone) writes are
 * rejected at once, except those that insist, which wait; the store itself tries whether it works again. A damaged
 * database is no longer written.
 */
export class Store {
  /** How far its logs have got, as recorded outside of the database; undefined where there is nothing to restore. */
  readonly mark: Mark | undefined
  #db: Database
  /** Where statements read: what is committed, while a transaction of a replica waits; within a job, what it writes. */
  #reading: Database
  #reader: Database
  #replica: ReplicaDatabase | undefined
  #leading: Leading | undefined
  /** Number of changes of others that were applied. */
  #applied = 0
  #file: DatabaseFile | undefined
  #onChange: (failure: string | undefined) => void
  #onCommit: (seconds: number, jobs: number) => void
  #statements = new Map<Database, Map<string, ReturnType<Database['prepare']>>>()
  #jobs: Job[] = []
  #queued = 0
  /** A transaction that is open until the log of all replicas has what it changes. */
  #publishing: Transaction | undefined
  /** Whether the next commit is already scheduled. */
  #scheduled = false
  /** Starts the commit at the latest, if nobody waits for it. */
  #gathering: NodeJS.Timeout | undefined
  #prober: NodeJS.Timeout
  #probes = 0
  #fault: StoreFault | undefined
  #lockedSince: number | undefined
  #closed = false
  #synchronous = ''
  /** Whether the current job has written anything. */
  #hasWritten = false

  /**
   * Opens the database and migrates it to the current version. `onChange` is called when it begins to fail, and when
   * that is over; `onCommit` with how long each commit took, and of how many writes. Throws `unavailable` with a line
   * that names the file; `conflict` for that of one of several controllers, unless it is opened as one: what is written
   * past their log the others never get.
   */
  constructor(
    path: string,
    onChange: (failure: string | undefined) => void = () => {},
    onCommit: (seconds: number, jobs: number) => void = () => {},
    { isReplica = false }: ReplicaOptions = {}
  ) {
    this.#onChange = onChange
    this.#onCommit = onCommit
    this.#db = openDatabase(path, lockMs)
    if (isReplica) this.#replica = new ReplicaDatabase(this.#db)
    else if (positionIn(this.#db)) {
      this.#db.close()
      throw new AppError('conflict', `${path} is that of one of several controllers: ${otherWays}`)
    }
    this.#reading = this.#reader = isReplica ? openReader(path) : this.#db
    if (path !== ':memory:') this.#file = new DatabaseFile(path)
    // What a replica has lost it gets again from the others.
    if (path !== ':memory:' && !isReplica) this.mark = Mark.open(markOf(path))
    this.#prober = setInterval(() => this.#probe(), probeMs).unref()
  }

  /** Why the store cannot be written; undefined when it can. */
  get failure(): string | undefined {
    return this.#fault?.message
  }

  /** Whether it is the store of one of several controllers. */
  get isReplica(): boolean {
    return this.#replica !== undefined
  }

  /** How far a replica is in the log of all; undefined before it has got anything of it. */
  get position(): Position | undefined {
    return this.#replica?.position
  }

  /** Changes whenever another process, or another replica, has changed the database. */
  get version(): string {
    const [row] = this.#all<{ data_version: number }>(this.#db, 'PRAGMA data_version')
    return `${row!.data_version}.${this.#applied}`
  }

  /**
   * Applies what the leader has changed. Returns the names of the tables that it concerns. Throws Diverged, or what the
   * database throws; then nothing is applied.
   */
  apply(changes: Changes, position: Position): ReadonlySet<string> {
    try {
      return this.#replica!.apply(changes, position)
    } catch (error) {
      throw this.#blame(error)
    } finally {
      this.#applied++
    }
  }

  /** Has a replica's store lead: from now on it can be written. */
  lead(leading: Leading): void {
    this.#replica!.checkReferences(true)
    this.#leading = leading
  }

  /** Returns changes that change nothing, as the first of a term. */
  noChanges(): Changes {
    return this.#replica!.nothing()
  }

  /** Runs a statement that only reads, and returns its rows. `T`: the columns that it selects. */
  all<T extends object = Row>(sql: string, ...parameters: Parameter[]): T[] {
    return this.#all<T>(this.#reading, sql, ...parameters)
  }

  /** Runs a statement that only reads, and returns its first row; undefined when there is none. */
  get<T extends object = Row>(sql: string, ...parameters: Parameter[]): T | undefined {
    try {
      return this.#prepare(sql, this.#reading).get(...parameters) as T | undefined
    } catch (error) {
      throw this.#blame(error)
    }
  }

  /** How many jobs `write` has been given so far: as long as it stays the same, none comes between. */
  get queued(): number {
    return this.#queued
  }

  /** Runs a statement that writes. Call it only inside of a `write`. Returns the id of the inserted row. */
  run(sql: string, ...parameters: Parameter[]): number {
    this.#hasWritten = true
    try {
      return Number(this.#prepare(sql, this.#db).run(...parameters).lastInsertRowid)
    } catch (error) {
      throw this.#blame(error)
    }
  }

  /**
   * Runs a statement that writes and has a RETURNING clause, and returns its rows. Call it only inside of a `write`.
   */
  runReturning<T extends object = Row>(sql: string, ...parameters: Parameter[]): T[] {
    this.#hasWritten = true
    return this.all<T>(sql, ...parameters)
  }

  /**
   * Runs the job in the next transaction and resolves with what it returns once that is committed. When the job throws,
   * what it wrote is undone and the promise rejects with the error; other jobs of its transaction are unaffected. A job
   * may run more than once, so it must have no side effects outside of the database. Continuations of one transaction
   * run in the order of the jobs.
   */
  write<T>(
    durability: Durability,
    job: () => T,
    { insists = false, unhurried = false }: WriteOptions = {}
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) return reject(new AppError('unavailable', 'the store is closed'))
      if (this.#replica && !this.#leading) return reject(new AppError('not_leader', 'this controller does not lead'))
      if (this.#fault && !insists) return reject(this.#fault)
      const run = () => {
        const value = job()
        return () => resolve(value)
      }
      this.#jobs.push({ durability, insists, run, reject })
      this.#queued++
      // Otherwise the commit that waits for a lock, for other replicas, or for the end of a fault, includes this job.
      if (this.#fault || this.#scheduled || this.#publishing) return
      if (unhurried && this.#jobs.length < gatherMax) {
        this.#gathering ??= setTimeout(() => this.#commit(), gatherMs)
        return
      }
      this.#schedule()
    })
  }

  /**
   * Commits the waiting writes, if that is possible now, and closes: the file is then complete without its log. A store
   * that leads rejects them: to publish them would take a while.
   */
  close(): void {
    clearInterval(this.#prober)
    if (this.#leading) this.#end(new Error('the store is closed'))
    this.#commit(true)
    this.#closed = true
    this.#statements.clear()
    if (this.#reader !== this.#db) this.#reader.close()
    // SQLite would do so, were it not for statements that are not collected yet: everything should be in the one file.
    if (!this.#fault) this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    this.#db.close()
    this.mark?.close()
  }

  /**
   * Commits the waiting writes. Those that cannot be committed are rejected, or wait: for a lock, or until the store
   * works again.
   */
  #commit(isLast = false): void {
    if (this.#closed || this.#publishing) return
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

  /** Commits the jobs; without any, tries whether a failed store works again. Throws when it does not. */
  #commitJobs(jobs: Job[]): void {
    if (this.#fault?.kind === 'damaged') throw this.#fault
    this.#file?.check()
    const began = performance.now()
    while ((jobs.length > 0 || this.#fault) && !this.#transact(jobs, began));
    this.#lockedSince = undefined
    this.#turn(undefined)
  }

  /** Makes jobs wait that could not be committed, or rejects them; after the last commit none waits. */
  #postpone(jobs: readonly Job[], fault: StoreFault, isLast: boolean): void {
    if (fault.kind === 'locked') this.#lockedSince ??= performance.now()
    const isPatient = fault.kind === 'locked' && !this.#fault && performance.now() - this.#lockedSince! < lockMs
    if (!isPatient) this.#turn(fault)
    // Of a replica that leads no longer, the next leader ends what was under way.
    const isOver = isLast || (this.#replica !== undefined && !this.#leading)
    const waits = (job: Job) => !isOver && (isPatient || job.insists)
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
    // Another one may be able to write.
    if (fault && this.#leading) this.#end(fault)
  }

  /**
   * Runs the jobs, and commits them; those of a replica once what they change is published. Returns false when they
   * must run again.
   */
  #transact(jobs: Job[], began: number): boolean {
    // In WAL mode FULL syncs the log at each commit and NORMAL leaves that to the kernel, as is enough for what the log
    // of all replicas has. It cannot be changed within a transaction.
    const isSynced = !this.#replica && (this.#fault || jobs.some(({ durability }) => durability === 'synced'))
    this.#sync(isSynced ? 'FULL' : 'NORMAL')
    this.run('BEGIN IMMEDIATE')
    // That a transaction can begin does not mean that it can be written.
    if (this.#fault) this.#leaveMark(markBytes)
    if (this.#leading) this.#replica!.record()
    const settle = this.#run(jobs)
    if (!settle) return false
    const transaction = { jobs, settle, began }
    // What else a replica writes is for itself: whether its disk works.
    const changes = this.#leading && this.#replica!.take()
    if (changes) this.#publish(changes, transaction)
    else this.#conclude(transaction)
    return true
  }

  /**
   * Runs jobs within a transaction. A job that throws is rejected and removed; if it had written something, everything
   * is rolled back and the others must run again: that is rare, and a savepoint for each would cost more than most jobs
   * do. Returns what resolves their promises, or undefined when they must run again.
   */
  #run(jobs: Job[]): (() => void)[] | undefined {
    const settle: (() => void)[] = []
    for (const job of [...jobs]) {
      this.#hasWritten = false
      this.#reading = this.#db
      try {
        settle.push(job.run())
      } catch (error) {
        // Either not the job's fault, or SQLite has rolled back the whole transaction.
        if (faultIn(error) || !this.#db.isTransaction) throw error
        jobs.splice(jobs.indexOf(job), 1)
        job.reject(error)
        if (!this.#hasWritten) continue
        this.run('ROLLBACK')
        return undefined
      } finally {
        this.#reading = this.#reader
      }
    }
    return settle
  }

  #conclude({ jobs, settle, began }: Transaction): void {
    this.run('COMMIT')
    for (const resolve of settle) resolve()
    if (jobs.length > 0) this.#onCommit((performance.now() - began) / 1000, jobs.length)
  }

  /** Publishes what a transaction has changed, which stays open, and commits it then. */
  #publish(changes: Changes, transaction: Transaction): void {
    this.#publishing = transaction
    this.#leading!.publish(changes)
      .then(position => {
        // The store was closed meanwhile.
        if (this.#publishing !== transaction) return
        this.#replica!.move(position)
        this.#conclude(transaction)
        this.#publishing = undefined
        if (this.#jobs.length > 0) this.#schedule()
      })
      .catch((error: unknown) => {
        if (this.#publishing === transaction) this.#end(error)
      })
  }

  /**
   * Ends the lead: nothing is written any more. What was being published may be in the log, or not; what others have,
   * this database gets from there at the next start.
   */
  #end(error: unknown): void {
    const why = messageOf(error)
    const jobs = this.#publishing?.jobs ?? []
    const leading = this.#leading!
    this.#publishing = this.#leading = undefined
    this.#rollBack()
    for (const job of jobs) job.reject(new AppError('unavailable', `${uncertain}: ${why}`))
    for (const job of this.#jobs.splice(0)) {
      job.reject(new AppError('not_leader', `this controller no longer leads: ${why}`))
    }
    leading.ended(why)
  }

  #schedule(): void {
    this.#scheduled = true
    setImmediate(() => this.#commit())
  }

  /** Detects without a write of others that the store fails, and that it works again. */
  #probe(): void {
    if (this.#scheduled || this.#fault?.kind === 'damaged') return
    if (!this.#fault && !this.#replica && ++this.#probes % idleProbes === 0) {
      this.write('written', () => this.#leaveMark(8)).catch(() => {})
    } else this.#commit()
  }

  /** Writes a different value each time: SQLite does not write what is there already. */
  #leaveMark(bytes: number): void {
    this.run(
      "INSERT INTO local VALUES ('probe', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
      randomBytes(bytes).toString('hex')
    )
  }

  /** Returns what a statement has thrown; as a fault of the store, if it is one. */
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

  #all<T extends object>(db: Database, sql: string, ...parameters: Parameter[]): T[] {
    try {
      return this.#prepare(sql, db).all(...parameters) as T[]
    } catch (error) {
      throw this.#blame(error)
    }
  }

  #prepare(sql: string, db: Database): ReturnType<Database['prepare']> {
    let statements = this.#statements.get(db)
    if (!statements) this.#statements.set(db, (statements = new Map()))
    let statement = statements.get(sql)
    if (!statement) statements.set(sql, (statement = db.prepare(sql)))
    return statement
  }
}
