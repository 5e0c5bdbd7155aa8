import { renameSync } from 'node:fs'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import type { ReplicaStatus } from '../../schemas/replication.js'
import { Superseded, type Replication } from '../../src/replication/log.js'
import { Replica } from '../../src/replication/replica.js'
import { Store } from '../../src/store/store.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'
import { SimulatedWorld } from './simulated-log.js'
import { makeDatabase } from './simulation.js'
import { randomOf, VirtualClock } from './virtual-clock.js'

type Ends = Pick<Replication, 'log' | 'lease' | 'peers'>

const leaseMs = 4000

/** A replica that is alone, whose ends a test may change, and what it has said. */
function start(t: Test, change: (ends: Ends, world: SimulatedWorld) => Partial<Ends> = () => ({})) {
  const path = `${directoryOf(t)}/a.sqlite`
  makeDatabase(path)
  const clock = new VirtualClock(randomOf(1))
  const world = new SimulatedWorld(clock, ['a'])
  world.isCalm = true
  const store = new Store(path, undefined, undefined, { isReplica: true })
  const dead = new AbortController()
  const stop = new AbortController()
  const ends = world.connect('a', dead.signal)
  const said: string[] = []
  const replica = new Replica({
    name: 'a',
    url: 'http://a',
    version: '1',
    store,
    replication: { ...ends, ...change(ends, world) },
    clock,
    leaseMs,
    log: pino({ enabled: false }),
    applied: () => {},
    leads: term => said.push(`leads in ${term}`),
    ended: why => said.push(why)
  })
  let isOver = false
  void replica.run(stop.signal).then(() => {
    isOver = true
  })
  t.teardown(async () => {
    stop.abort()
    await clock.pass(60_000)
    store.close()
  })
  return { path, store, clock, world, replica, said, stop, ends, isOver: () => isOver }
}

await t.test('a leader that stops gives the lease away, and says that it leads no longer', async t => {
  const { clock, replica, said, stop, ends, isOver } = start(t)
  await clock.pass(5000)
  t.same(said, ['leads in 1'])
  t.equal(replica.status.role, 'leader')
  t.same(replica.leader, { name: 'a', url: 'http://a' })
  stop.abort()
  await clock.pass(1000)
  t.ok(isOver())
  t.equal(replica.status.role, 'follower')
  t.equal(replica.leader, undefined)
  t.same(said, ['leads in 1'], 'nobody is told of the end who has asked for it')
  const lease = ends.lease.read()
  await clock.pass(1000)
  t.equal((await lease)?.holder, '')
})

await t.test('a replica whose disk fails does not try to lead, and leads once it works', async t => {
  const { path, store, clock, world, replica, said } = start(t)
  renameSync(path, `${path}.away`)
  await until(() => store.failure, 'it has found out')
  await clock.pass(20_000)
  t.match(replica.status, { role: 'follower', obstacle: /the database file was removed/ })
  t.equal(world.entries.length, 0)
  renameSync(`${path}.away`, path)
  await until(() => store.failure === undefined, 'it has found out')
  await clock.pass(20_000)
  t.same(said, ['leads in 1'])
})

await t.test('a replica that is to stop while it becomes the leader does not lead', async t => {
  const { clock, world, said, stop, isOver } = start(t, ({ log }) => ({
    log: {
      ...log,
      append: async (...args) => {
        const place = await log.append(...args)
        // It is in the log, and the answer comes late.
        stop.abort('enough')
        return place
      }
    }
  }))
  await clock.pass(20_000)
  t.equal(world.entries.length, 1)
  t.same(said, [])
  t.ok(isOver())
})

await t.test('a leader whose renewal was written, and not answered, leads on', async t => {
  let fails = 0
  const { clock, replica, said } = start(t, ({ lease }) => ({
    lease: {
      read: () => lease.read(),
      write: async (holder, revision) => {
        const written = await lease.write(holder, revision)
        if (revision > 1 && ++fails % 2 === 1) throw new Error('no answer')
        return written
      }
    }
  }))
  await clock.pass(30_000)
  t.ok(fails > 5)
  t.equal(replica.status.role, 'leader')
  t.same(said, ['leads in 1'])
})

await t.test('a leader whose renewal comes late, after it was believed to be lost, leads on', async t => {
  let writes = 0
  let late = () => Promise.resolve(0)
  const { clock, replica, said } = start(t, ({ lease }) => ({
    lease: {
      read: () => lease.read(),
      write: async (holder, revision) => {
        if (++writes === 4) {
          late = () => lease.write(holder, revision)
          throw new Error('no answer')
        }
        // After the lease was read, and just before the next one comes.
        if (writes === 5) await late()
        return await lease.write(holder, revision)
      }
    }
  }))
  await clock.pass(30_000)
  t.ok(writes > 10)
  t.equal(replica.status.role, 'leader')
  t.same(said, ['leads in 1'])
})

await t.test('a leader that cannot renew the lease ends once it is over', async t => {
  let isBroken = false
  const { clock, said, replica, isOver } = start(t, ({ lease }) => ({
    lease: {
      read: () => lease.read(),
      write: async (holder, revision) => {
        if (isBroken) throw new Error('no answer')
        return await lease.write(holder, revision)
      }
    }
  }))
  await clock.pass(5000)
  isBroken = true
  await clock.pass(leaseMs * 0.7)
  t.equal(replica.status.role, 'leader')
  await clock.pass(leaseMs)
  t.same(said, ['leads in 1', 'the lease cannot be renewed: no answer'])
  t.equal(replica.status.role, 'follower')
  t.ok(isOver())
})

await t.test('a leader whose lease another one has ends, and leaves it to that one', async t => {
  const { clock, said, replica, ends, isOver } = start(t)
  await clock.pass(5000)
  const taken = (async () => {
    for (;;) {
      const claim = JSON.stringify({ name: 'b', url: 'http://b', term: 1, place: 1 })
      try {
        return await ends.lease.write(claim, (await ends.lease.read())!.revision)
      } catch (error) {
        if (!(error instanceof Superseded)) throw error
      }
    }
  })()
  await clock.pass(3000)
  t.same(said, ['leads in 1', 'another replica has taken the lead'])
  t.equal(replica.status.role, 'follower')
  t.ok(isOver())
  const lease = ends.lease.read()
  await clock.pass(1000)
  t.match(await lease, { holder: /"name":"b"/, revision: await taken })
})

await t.test('a replica that is too far behind gives the lease away, and says so', async t => {
  const { clock, replica, said, ends } = start(t, ({ log }, world) => ({
    log: {
      ...log,
      extent: async () => ({ last: 1_000_000, entries: 1_000_000, bytes: 0 }),
      entries: async function* (_after, { signal }) {
        await world.clock.sleep(1e9, signal)
      }
    }
  }))
  await clock.pass(20_000)
  t.equal(replica.status.obstacle, 'it is too far behind: at 0 of 1000000')
  t.same(said, [])
  let isFree = false
  for (let look = 0; look < 10 && !isFree; look++) {
    const lease = ends.lease.read()
    await clock.pass(500)
    isFree = (await lease)?.holder === ''
  }
  t.ok(isFree, 'another one may try')
})

await t.test('how far a follower lags is told by the lease', async t => {
  let revision = 0
  let place = 0
  const { clock, replica } = start(t, () => ({
    lease: {
      read: async () => ({ holder: JSON.stringify({ name: 'b', url: 'http://b', term: 1, place }), revision }),
      write: async () => {
        throw new Superseded()
      }
    }
  }))
  const renewed = async (times: number) => {
    for (let time = 0; time < times; time++) {
      revision++
      await clock.pass(1000)
    }
  }
  await renewed(10)
  t.equal(replica.leader?.name, 'b')
  t.ok(replica.lagMs <= leaseMs, `${replica.lagMs} ms while it has all`)
  place = 7
  await renewed(10)
  t.ok(replica.lagMs >= 9000, `${replica.lagMs} ms while it lacks what the leader has`)
  await clock.pass(leaseMs + 1000)
  t.equal(replica.leader, undefined, 'a leader that is silent is none')
})

await t.test('a replica of another log is no hindrance, and no help', async t => {
  const foreign = (name: string): ReplicaStatus => ({
    ...{
      name,
      role: 'follower',
      url: 'http://b',
      version: '1',
      schema: 1,
      log: 'another',
      term: 9,
      place: 97,
      frame: 'f'
    }
  })
  const own = (name: string): ReplicaStatus => ({ ...foreign(name), log: 'simulated', term: 0, place: 0, frame: '' })
  let answers = [foreign('b'), foreign('c')]
  const { clock, replica, said } = start(t, (ends, { names }) => {
    ;(names as string[]).push('b', 'c')
    return { peers: { ...ends.peers, ask: async () => answers } }
  })
  await clock.pass(20_000)
  t.same(said, [])
  t.equal(replica.status.obstacle, 'only 1 of 3 replicas answer, and 2 must')
  answers = [own('b'), foreign('c')]
  await clock.pass(20_000)
  t.same(said, ['leads in 1'])
})
