import { rmSync } from 'node:fs'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { Replica } from '../../src/replication/replica.js'
import { Store } from '../../src/store/store.js'
import { directoryOf } from '../support/directory.js'
import { SimulatedWorld } from './simulated-log.js'
import { makeDatabase } from './simulation.js'
import { randomOf, VirtualClock } from './virtual-clock.js'

const names = ['a', 'b', 'c']

/** Three replicas, which come and go, and what they say. */
function start(t: Test) {
  const directory = directoryOf(t)
  const clock = new VirtualClock(randomOf(1))
  const world = new SimulatedWorld(clock, names)
  world.isCalm = true
  const warnings: string[] = []
  const running = new Map<string, { store: Store; replica: Replica; dead: AbortController }>()
  const pathOf = (name: string) => `${directory}/${name}.sqlite`
  const up = (name: string) => {
    const dead = new AbortController()
    const store = new Store(pathOf(name), undefined, undefined, { isReplica: true })
    const replica = new Replica({
      name,
      url: `http://${name}`,
      version: '1',
      store,
      replication: world.connect(name, dead.signal),
      clock,
      leaseMs: 4000,
      log: pino({ level: 'warn' }, { write: line => warnings.push(JSON.parse(line).msg) }),
      applied: () => {},
      leads: () => {},
      ended: () => down(name)
    })
    running.set(name, { store, replica, dead })
    void replica.run(dead.signal)
  }
  const down = (name: string) => {
    const { store, dead } = running.get(name)!
    running.delete(name)
    dead.abort('killed')
    store.close()
  }
  /** Begins with an empty database, as a replica that was set up anew. */
  const empty = (name: string) => {
    for (const end of ['', '-wal', '-shm']) rmSync(pathOf(name) + end, { force: true })
    makeDatabase(pathOf(name))
  }
  const leader = () => [...running.values()].find(({ replica }) => replica.status.role === 'leader')
  t.teardown(async () => {
    for (const name of running.keys()) down(name)
    await clock.pass(60_000)
  })
  for (const name of names) {
    empty(name)
    up(name)
  }
  return { clock, world, running, warnings, up, down, empty, leader }
}

const count = (store: Store) => store.all('SELECT name FROM stopped_nodes').length

/** Has the leader write rows, and waits until all have them. */
async function write({ clock, leader, running }: ReturnType<typeof start>, rows: number): Promise<void> {
  await clock.pass(20_000)
  const { store } = leader()!
  let acknowledged = 0
  for (let n = 0; n < rows; n++) {
    void store
      .write('synced', () => store.run('INSERT INTO stopped_nodes (name) VALUES (?)', `n${n}`))
      .then(() => acknowledged++)
    await clock.pass(1000)
  }
  await clock.pass(5000)
  t.equal(acknowledged, rows)
  for (const each of running.values()) t.equal(count(each.store), rows)
}

for (const [what, kept] of [
  ['all of its data', 0],
  ['its newest data', 3]
] as const) {
  await t.test(`a log that has lost ${what} is led by nobody, the empty replica neither`, async t => {
    const all = start(t)
    const { clock, world, running, warnings, up, down, empty, leader } = all
    await write(all, 6)
    for (const name of names) down(name)
    world.lose(kept)
    empty('a')
    warnings.length = 0
    for (const name of names) up(name)
    for (let passed = 0; passed < 120; passed++) {
      await clock.pass(1000)
      t.equal(leader(), undefined)
    }
    t.equal(world.entries.length, kept, 'nothing is written')
    for (const { replica } of running.values()) t.match(replica.status.obstacle, /^(the log ends at|replica [bc] has) /)
    t.equal(count(running.get('b')!.store), 6)
    t.equal(count(running.get('c')!.store), 6)
    const said = warnings.join('\n')
    t.match(said, /cannot lead: the log ends at \d+, and \d+ was written: it has lost what follows/)
    t.match(said, /cannot lead: replica [bc] has \d+, and the log ends at \d+: it has lost what follows/)
  })
}

await t.test('an empty replica that is alone with a log that has lost its data waits for the others', async t => {
  const all = start(t)
  const { clock, world, warnings, up, down, empty, leader, running } = all
  await write(all, 6)
  for (const name of names) down(name)
  world.lose(0)
  empty('a')
  warnings.length = 0
  up('a')
  await clock.pass(60_000)
  t.equal(leader(), undefined)
  t.match(warnings.join('\n'), /cannot lead: only 1 of 3 replicas answer, and 2 must/)
  up('b')
  await clock.pass(60_000)
  t.equal(leader(), undefined)
  t.equal(world.entries.length, 0)
  t.equal(count(running.get('b')!.store), 6)
})

await t.test('where the log has all, an empty replica gets it, and may lead', async t => {
  const all = start(t)
  const { clock, up, down, empty, leader, running } = all
  await write(all, 6)
  for (const name of names) down(name)
  empty('a')
  up('a')
  up('b')
  await clock.pass(60_000)
  t.ok(leader())
  t.equal(count(running.get('a')!.store), 6)
})
