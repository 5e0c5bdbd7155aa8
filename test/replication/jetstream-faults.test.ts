import t, { type Test } from 'tap'
import { Superseded, type Entry, type Log } from '../../src/replication/log.js'
import { noNats, startNats, type NatsServer } from '../support/nats.js'
import { begin, bytes, makeLog, never, openStranger, readAll, textOf, write } from '../support/replicas.js'
import { until } from '../support/until.js'

await t.test('replication on three servers of NATS, some of which fail', { skip: noNats }, async t => {
  const nats = await startNats(t, { count: 3 })
  t.afterEach(() => nats.isReady())

  /** A log, two replicas of it, and a stranger who sees what servers do. */
  const openBoth = async (t: Test) => {
    const log = await makeLog(t, nats)
    const [a, b] = [await log.open('a'), await log.open('b')]
    const { manager } = await openStranger(t, nats)
    const leader = async (): Promise<NatsServer> => {
      const { cluster } = await manager.streams.info(log.stream)
      return nats.servers.find(({ name }) => name === cluster!.leader)!
    }
    return { ...log, a, b, leader }
  }

  await t.test('two who write as fast as they can', async t => {
    const { a, b } = await openBoth(t)
    const written = new Map<number, string>()
    const contend = async (log: Log, name: string) => {
      for (let won = 0; won < 25;) {
        const text = `${name}-${won}`
        const { last } = await log.extent()
        try {
          written.set(await log.append(bytes(text), last, never), text)
          won++
        } catch (error) {
          t.ok(error instanceof Superseded)
        }
      }
    }
    await Promise.all([contend(a.log, 'a'), contend(b.log, 'b')])
    t.equal(written.size, 50)
    t.same(
      (await readAll(b.log)).map(entry => [entry.place, textOf(entry)]),
      [...written].sort(([one], [other]) => one - other)
    )
  })

  await t.test('a follower hears of an entry at once', async t => {
    const { a, b } = await openBoth(t)
    const reader = begin(b.log)
    const first = reader.next()
    await write(a.log, 'first')
    await first
    const delays: number[] = []
    for (let n = 0; n < 50; n++) {
      const next = reader.next()
      const [place] = await write(a.log, `${n}`)
      const from = performance.now()
      t.equal(((await next).value as Entry).place, place)
      delays.push(performance.now() - from)
    }
    await reader.return?.()
    const median = delays.sort((one, other) => one - other)[25]!
    t.comment(`median ${median} ms, longest ${delays.at(-1)} ms`)
    t.ok(median < 300, `${median} ms`)
  })

  for (const [what, fail, mend] of [
    ['killed', (server: NatsServer) => server.kill(), (server: NatsServer) => server.start()],
    ['frozen', async (server: NatsServer) => server.freeze(), async (server: NatsServer) => server.thaw()]
  ] as const) {
    await t.test(`the stream's leader is ${what} in the middle of writes`, async t => {
      const { a, b, leader } = await openBoth(t)
      const total = 60
      const reading = gatherUntil(b.log, total)
      const frame = (n: number) => Buffer.alloc(n % 7 === 0 ? 1_500_000 : 100, n)
      const written: number[] = []
      const writing = (async () => {
        let last = 0
        for (let n = 0; n < total; n++) written.push((last = await a.log.append(frame(n), last, never)))
      })()
      await until(() => written.length >= 10, 'some are written')
      const server = await leader()
      await fail(server)
      t.ok(written.length < total)
      await writing
      await mend(server)
      const read = await reading
      t.same(
        read.map(({ place }) => place),
        written
      )
      t.ok(read.every((entry, n) => frame(n).equals(entry.frame)))
      t.equal((await b.log.extent()).last, written.at(-1))
      t.equal((await readAll(a.log)).length, total)
    })
  }

  await t.test('two are killed: nothing is written, and then everything', async t => {
    const { a, b } = await openBoth(t)
    await write(a.log, 'one')
    const killed = nats.servers.slice(0, 2)
    await Promise.all(killed.map(server => server.kill()))
    const impatient = new AbortController()
    const [given, kept] = [a.log.append(bytes('given up'), 1, impatient.signal), b.log.append(bytes('kept'), 1, never)]
    await t.rejects(a.lease.write('a', 0))
    impatient.abort(new Error('out of patience'))
    await t.rejects(given, { message: 'out of patience' })
    for (const server of killed) server.start()
    const texts = await kept.then(
      () => ['one', 'kept'],
      error => {
        // What was given up may yet have been written.
        t.ok(error instanceof Superseded)
        return ['one', 'given up']
      }
    )
    t.same((await readAll(b.log)).map(textOf), texts)
  })
})

/** Reads so many entries. */
async function gatherUntil(log: Log, count: number): Promise<Entry[]> {
  const entries: Entry[] = []
  for await (const entry of log.entries(0, { signal: never })) if (entries.push(entry) === count) break
  return entries
}
