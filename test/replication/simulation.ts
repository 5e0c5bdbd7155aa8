import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { AppError } from '../../src/errors.js'
import { Replica } from '../../src/replication/replica.js'
import { openDatabase } from '../../src/store/database.js'
import { ReplicaDatabase } from '../../src/store/replica.js'
import { Store } from '../../src/store/store.js'
import { SimulatedWorld } from './simulated-log.js'
import { randomOf, VirtualClock } from './virtual-clock.js'

export interface Report {
  seed: number
  /** Writes that were acknowledged. */
  acknowledged: number
  /** Events that somebody has read somewhere. */
  shown: number
  terms: number
  faults: Record<string, number>
}

/** What must never be, and was. */
export class Violation extends Error {}

const leaseMs = 4_000
const names = ['a', 'b', 'c']
const files = ['', '-wal', '-shm']

/** All writes of a schedule, and what was seen of them. */
class Witness {
  readonly acknowledged = new Map<string, number>()
  readonly shown = new Map<number, string>()
  readonly terms = new Map<number, string>()
  /** Whether nobody writes any more. */
  isOver = false
  #written = 0

  newId(): string {
    return `event-${++this.#written}`
  }

  see(rows: readonly { seq: number; body: string }[], where: string): void {
    for (const { seq, body } of rows) {
      const before = this.shown.get(seq)
      if (before !== undefined && before !== body) {
        throw new Violation(`event ${seq} is ${body} at ${where}, and was ${before}`)
      }
      this.shown.set(seq, body)
    }
  }

  lead(term: number, name: string): void {
    const before = this.terms.get(term)
    if (before !== undefined && before !== name) throw new Violation(`${before} and ${name} lead in term ${term}`)
    this.terms.set(term, name)
  }
}

/** One host with one replica, which crashes and comes back. */
class Machine {
  readonly name: string
  readonly path: string
  #world: SimulatedWorld<VirtualClock>
  #witness: Witness
  #fail: (violation: unknown) => void
  #running: { store: Store; replica: Replica; dead: AbortController } | undefined
  #copies = 0

  constructor(
    path: string,
    name: string,
    world: SimulatedWorld<VirtualClock>,
    witness: Witness,
    fail: (violation: unknown) => void
  ) {
    this.path = path
    this.name = name
    this.#world = world
    this.#witness = witness
    this.#fail = fail
  }

  get status() {
    return this.#running?.replica.status
  }

  get store(): Store | undefined {
    return this.#running?.store
  }

  start(): void {
    if (this.#running) return
    const dead = new AbortController()
    const store = new Store(this.path, undefined, undefined, { isReplica: true })
    const replica = new Replica({
      name: this.name,
      url: `http://${this.name}`,
      version: '1',
      store,
      replication: this.#world.connect(this.name, dead.signal),
      clock: this.#world.clock,
      leaseMs,
      log: pino({ enabled: false }),
      applied: () => this.look(),
      leads: term => {
        this.#guard(() => this.#witness.lead(term, this.name))
        for (let client = 0; client < 3; client++) void this.#work(store, dead.signal)
      },
      ended: () => {
        // Its supervisor starts it again.
        this.crash()
        void this.#world.clock.sleep(100 + this.#world.clock.random() * 900).then(() => this.start())
      }
    })
    this.#running = { store, replica, dead }
    replica.run(dead.signal).catch(error => this.#fail(error))
  }

  /** Ends the process at once: what it was doing is not continued. */
  crash(): void {
    if (!this.#running) return
    const { store, dead } = this.#running
    this.#running = undefined
    dead.abort('killed')
    store.close()
  }

  /** Keeps the files as they are now; a machine that loses power may go back to them. */
  copy(): void {
    if (!this.#running) return
    this.#copies++
    this.#running.store.all('SELECT 1')
    for (const end of files) {
      try {
        copyFileSync(this.path + end, `${this.path}.copy${end}`)
      } catch {
        rmSync(`${this.path}.copy${end}`, { force: true })
      }
    }
    rmSync(`${this.path}.copy-shm`, { force: true })
  }

  /** Loses power: what was not synced is gone. */
  losePower(): void {
    this.crash()
    if (this.#copies === 0) return
    for (const end of files) {
      rmSync(this.path + end, { force: true })
      try {
        copyFileSync(`${this.path}.copy${end}`, this.path + end)
      } catch {}
    }
  }

  /** Reads as clients do. */
  look(): void {
    const { store } = this.#running ?? {}
    if (!store) return
    this.#guard(() => {
      const rows = store.all<{ seq: number; body: string }>('SELECT seq, body FROM events ORDER BY seq DESC LIMIT 20')
      this.#witness.see(rows, this.name)
    })
  }

  #guard(check: () => void): void {
    try {
      check()
    } catch (error) {
      this.#fail(error)
    }
  }

  async #work(store: Store, dead: AbortSignal): Promise<void> {
    const { clock } = this.#world
    while (!dead.aborted && !this.#witness.isOver) {
      const id = this.#witness.newId()
      try {
        const seq = await store.write(clock.random() < 0.5 ? 'synced' : 'written', this.#job(store, id))
        this.#witness.acknowledged.set(id, seq)
        this.look()
      } catch (error) {
        if (!(error instanceof AppError)) return this.#fail(error)
      }
      await clock.sleep(5 + clock.random() * 200, dead)
    }
  }

  /** Returns a write as the controller has them: of an event, and of what goes with it in other tables. */
  #job(store: Store, id: string): () => number {
    const kind = Math.floor(this.#world.clock.random() * 7)
    const event = (body: string) =>
      store.run("INSERT INTO events (time, type, transient, body) VALUES (0, 'x', 0, ?)", body)
    return () => {
      const seq = event(id)
      if (kind === 0) store.run('DELETE FROM events WHERE seq = ?', event('passing'))
      if (kind === 1) {
        const n = store.run(
          "INSERT INTO requests (reqid, type, state, arguments, warnings, results, created_at, expires_at, event_seq, transient) VALUES (?, 'deploy', 'pending', '{}', '[]', '[]', 0, 0, 0, 0)",
          id
        )
        for (const body of ['one', 'two']) store.run('INSERT INTO results (n, body) VALUES (?, ?)', n, body)
      }
      if (kind === 2) store.run('DELETE FROM requests WHERE n IN (SELECT n FROM requests ORDER BY n LIMIT 1)')
      if (kind === 3) {
        store.run(
          "INSERT INTO configurations (state, body) VALUES ('staged', ?) ON CONFLICT DO UPDATE SET body = excluded.body",
          `${id} `.repeat(100)
        )
      }
      if (kind === 4) {
        store.run('INSERT INTO tokens (id, name, role, hash, created_at) VALUES (?, ?, ?, ?, 0)', id, id, 'admin', id)
        store.run(
          'INSERT INTO tokens (id, name, role, hash, created_at, parent) VALUES (?, ?, ?, ?, 0, ?)',
          `${id}-s`,
          id,
          'admin',
          id,
          id
        )
      }
      if (kind === 5) store.run('DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE parent IS NULL LIMIT 1)')
      if (kind === 6 && seq % 3 === 0) throw new AppError('conflict', 'refused')
      return seq
    }
  }
}

/** Makes an empty database that has a position in the log. */
export function makeDatabase(path: string): void {
  const db = openDatabase(path, 1000)
  new ReplicaDatabase(db).move({ log: 'simulated', place: 0, frame: '', term: 0, leader: '' })
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  db.close()
}

/**
 * Runs three replicas for some minutes of virtual time, while machines crash, are cut off and come back. Everything
 * follows from the seed. Throws Violation when a promise is broken.
 */
export async function simulate(seed: number, seconds = 60): Promise<Report> {
  const random = randomOf(seed)
  const clock = new VirtualClock(random)
  const world = new SimulatedWorld(clock, names)
  const witness = new Witness()
  const directory = mkdtempSync(join(tmpdir(), 'simulation-'))
  const found: { violation?: unknown } = {}
  const machines = names.map(name => {
    const path = join(directory, `${name}.sqlite`)
    makeDatabase(path)
    return new Machine(path, name, world, witness, error => (found.violation ??= error))
  })
  const faults: Record<string, number> = {}
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  try {
    for (const machine of machines) machine.start()
    for (let passed = 0; passed < seconds * 1000 && found.violation === undefined;) {
      const step = 500 + random() * 6000
      passed += step
      await clock.pass(step)
      const leader = machines.find(({ status }) => status?.role === 'leader')
      const machine = random() < 0.5 ? (leader ?? pick(machines)) : pick(machines)
      const fault = pick(['kill', 'kill', 'power', 'cut', 'cut', 'down', 'copy', 'copy'])
      faults[fault] = (faults[fault] ?? 0) + 1
      const later = (what: () => void) => {
        void clock.sleep(100 + random() * 8000).then(what)
      }
      if (fault === 'kill' || fault === 'power') {
        if (fault === 'kill') machine.crash()
        else machine.losePower()
        later(() => machine.start())
      } else if (fault === 'cut') {
        world.cut.add(machine.name)
        later(() => world.cut.delete(machine.name))
      } else if (fault === 'down') {
        world.isDown = true
        later(() => {
          world.isDown = false
        })
      } else if (fault === 'copy') for (const each of machines) each.copy()
      for (const each of machines) each.look()
    }
    // All is well again: they come to the same end.
    await clock.pass(10_000)
    world.cut.clear()
    world.isDown = false
    world.isCalm = true
    await clock.pass(20_000)
    witness.isOver = true
    await clock.pass(15_000)
    if (found.violation !== undefined) throw found.violation
    compare(machines, world, witness)
    return {
      seed,
      acknowledged: witness.acknowledged.size,
      shown: witness.shown.size,
      terms: witness.terms.size,
      faults
    }
  } catch (error) {
    throw error instanceof Violation ? new Violation(`seed ${seed}: ${error.message}`) : error
  } finally {
    for (const machine of machines) machine.crash()
    await clock.pass(60_000)
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Compares what all replicas have in the end with each other, and with what clients were told. */
function compare(machines: readonly Machine[], world: SimulatedWorld<VirtualClock>, witness: Witness): void {
  const alive = machines.filter(({ store }) => store !== undefined)
  if (alive.length < 2) throw new Violation(`only ${alive.length} replicas came back`)
  for (const { name, status } of alive) {
    if (status?.diverged !== undefined) throw new Violation(`${name} has diverged: ${status.diverged}`)
  }
  const last = world.entries.findLastIndex(frame => frame !== undefined) + 1
  for (const { name, status } of alive) {
    if (status!.place !== last) throw new Violation(`${name} is at ${status!.place} of ${last}`)
  }
  const [first, ...others] = alive.map(({ name, store }) => ({ name, tables: dump(store!) }))
  for (const { name, tables } of others) {
    for (const [table, rows] of Object.entries(first!.tables)) {
      if (rows !== tables[table]) {
        throw new Violation(
          `${table} differs: ${first!.name} has ${rows.slice(-200)}, ${name} ${tables[table]?.slice(-200)}`
        )
      }
    }
  }
  const kept = new Map(
    alive[0]!
      .store!.all<{ seq: number; body: string }>('SELECT seq, body FROM events')
      .map(({ seq, body }) => [seq, body])
  )
  for (const [id, seq] of witness.acknowledged) {
    if (kept.get(seq) !== id) throw new Violation(`${id} was acknowledged as ${seq}, where ${kept.get(seq)} is`)
  }
  for (const [seq, body] of witness.shown) {
    if (kept.get(seq) !== body) throw new Violation(`${body} was shown as ${seq}, where ${kept.get(seq)} is`)
  }
}

/** Returns the content of all tables but the one that is each machine's own. */
export function dump(store: Store): Record<string, string> {
  const tables = store.all<{ name: string }>(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('local') AND name NOT LIKE 'sqlite_stat%'"
  )
  return Object.fromEntries(
    tables.map(({ name }) => [name, JSON.stringify(store.all(`SELECT * FROM ${name} ORDER BY 1`))])
  )
}
