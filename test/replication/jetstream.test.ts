import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { headers } from '@nats-io/transport-node'
import { jetstream } from '@nats-io/jetstream'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { Superseded, Trimmed, type Entry } from '../../src/replication/log.js'
import type { ReplicaStatus } from '../../schemas/replication.js'
import { directoryOf } from '../support/directory.js'
import { noNats, startNats, type Nats } from '../support/nats.js'
import { startProxy } from '../support/proxy.js'
import {
  begin,
  bytes,
  gather,
  makeLog,
  never,
  openStranger,
  readAll,
  textOf,
  throws,
  write
} from '../support/replicas.js'
import { until } from '../support/until.js'

const status = (name: string): ReplicaStatus => ({
  name,
  role: 'follower',
  url: 'http://127.0.0.1:2149',
  version: '0.1.0',
  schema: 12,
  term: 3,
  place: 40,
  frame: 'f'.repeat(64)
})

await t.test('replication on one server of NATS', { skip: noNats }, async t => {
  const nats = await startNats(t)

  await t.test('what is appended is read in order, by all, with its place', async t => {
    const { open, identity } = await makeLog(t, nats)
    const [{ log }, { log: other }] = [await open('a'), await open('b')]
    t.same([log.identity, log.replicas], [identity, ['a', 'b', 'c']])
    t.same(await log.extent(), { last: 0, entries: 0, bytes: 0 })
    t.same(await readAll(log), [])
    const places = await write(log, 'one', 'two', '', 'four')
    const read = await readAll(other)
    t.same(read.map(textOf), ['one', 'two', '', 'four'])
    t.same(
      read.map(({ place }) => place),
      places
    )
    t.same((await readAll(other, places[1])).map(textOf), ['', 'four'])
    const { last, entries, bytes } = await other.extent()
    t.same([last, entries, bytes > 11], [places[3], 4, true])
    t.same(await gather(log.entries(last, { until: last, signal: never })), [])
  })

  await t.test('an entry comes as soon as it is written, until the reader has enough', async t => {
    const { open } = await makeLog(t, nats)
    const [{ log }, { log: other }] = [await open('a'), await open('b')]
    const enough = new AbortController()
    const read: string[] = []
    const reading = (async () => {
      for await (const entry of other.entries(0, { signal: enough.signal })) read.push(textOf(entry))
    })()
    for (const text of ['one', 'two', 'three']) {
      await write(log, text)
      await until(() => read.includes(text), `${text} is read`)
    }
    enough.abort()
    await reading
    t.same(read, ['one', 'two', 'three'])
    t.same(await gather(other.entries(0, { signal: enough.signal })), [])
  })

  await t.test('of two who write to one place one is superseded', async t => {
    const { open } = await makeLog(t, nats)
    const logs = [(await open('a')).log, (await open('b')).log]
    const written: string[] = []
    for (let round = 0; round < 50; round++) {
      const { last } = await logs[0]!.extent()
      const results = await Promise.allSettled(
        logs.map((log, index) => log.append(bytes(`${round}-${index}`), last, never))
      )
      const lost = results.filter(result => result.status === 'rejected')
      t.equal(lost.length, 1)
      t.ok(lost[0]?.reason instanceof Superseded)
      written.push(`${round}-${results.findIndex(result => result.status === 'fulfilled')}`)
    }
    t.same((await readAll(logs[0]!)).map(textOf), written)
    await throws(t, logs[0]!.append(bytes('late'), 3, never), Superseded)
  })

  await t.test('frames that are larger than messages may be', async t => {
    const { open } = await makeLog(t, nats)
    const { log } = await open('a')
    const frames = [randomBytes(3_000_000), randomBytes(700_000), randomBytes(700_001)]
    for (const frame of frames) await log.append(frame, (await log.extent()).last, never)
    const read = await readAll(log)
    t.same(
      read.map(({ place }) => place),
      [5, 6, 8]
    )
    for (const [index, { frame }] of read.entries()) t.ok(frames[index]!.equals(frame))
  })

  await t.test('a frame of which a part is missing is not read, and what is no frame is neither', async t => {
    const { open, stream } = await makeLog(t, nats)
    const { log } = await open('a')
    const { nats: connection } = await openStranger(t, nats)
    const publish = async (id: string | undefined, text: string) => {
      await jetstream(connection).publish(`${stream}.log`, text, { headers: headers(), ...(id && { msgID: id }) })
    }
    const [killed, torn, odd] = [randomUUID(), randomUUID(), randomUUID()]
    await write(log, 'one')
    await publish(`${killed}.1.3`, 'part')
    await write(log, 'two')
    await publish(`${killed}.2.3`, 'late')
    await publish(`${killed}.3.3`, 'late')
    await publish(`${torn}.1.3`, 'part')
    await publish(`${torn}.3.3`, 'part')
    await publish(undefined, 'a word of a stranger')
    await publish('a name of a stranger', 'word')
    await publish(`${odd}.2.2`, 'part')
    await write(log, 'three')
    await publish(`${randomUUID()}.1.2`, 'part')
    const { last } = await log.extent()
    t.equal(last, 12)
    t.same((await readAll(log)).map(textOf), ['one', 'two', 'three'])
    t.same(await readAll(log, 11), [])
    t.equal(await log.append(bytes('four'), last, never), 13)
    t.same((await readAll(log, 11)).map(textOf), ['four'])
  })

  await t.test('what was trimmed is not read, what follows it is', async t => {
    const { open } = await makeLog(t, nats)
    const { log } = await open('a')
    const places = await write(log, 'one', 'two', 'three', 'four')
    await log.trim(places[1]!)
    t.same((await readAll(log, places[1])).map(textOf), ['three', 'four'])
    t.equal((await log.extent()).entries, 2)
    await throws(t, readAll(log, places[0]), Trimmed)
    await throws(t, readAll(log), Trimmed)

    const ahead = begin(log, places[1])
    t.equal(textOf((await ahead.next()).value as Entry), 'three')
    await log.trim(places[3]!)
    t.same(await log.extent(), { last: places[3], entries: 0, bytes: 0 })
    await throws(t, begin(log, places[2]).next(), Trimmed)
    t.equal(textOf((await ahead.next()).value as Entry), 'four', 'it was on its way')
    const next = ahead.next()
    await write(log, 'five')
    t.equal(textOf((await next).value as Entry), 'five')
    await ahead.return?.()
  })

  await t.test('a reader takes no more than it goes through', async t => {
    const { open, stream } = await makeLog(t, nats)
    const { log } = await open('a')
    const { manager } = await openStranger(t, nats)
    const frame = randomBytes(700_000)
    const count = 200
    for (let place = 0; place < count; place++) await log.append(frame, place, never)
    const { rss } = process.memoryUsage()
    let [read, most] = [0, 0]
    for await (const entry of log.entries(0, { until: count, signal: never })) {
      if (++read === 1) {
        const [consumer] = await manager.consumers.list(stream).next()
        t.ok(consumer!.delivered.stream_seq <= 10, 'a slow reader gets few')
      }
      t.equal(entry.place, read)
      most = Math.max(most, process.memoryUsage().rss - rss)
    }
    t.equal(read, count)
    t.ok(most < 80_000_000, `${most} bytes more for ${count * frame.length}`)
  })

  await t.test('a write whose acknowledgement is lost is known to be there', async t => {
    const { open } = await makeLog(t, nats)
    const proxy = await startProxy(t, Number(new URL(nats.urls[0]!).port))
    const lines: string[] = []
    const recorder = pino({ level: 'debug' }, { write: (line: string) => lines.push(line) })
    const { log } = await open('a', { servers: [`nats://127.0.0.1:${proxy.port}`], log: recorder })
    let cuts = 0
    proxy.onData = chunk => {
      if (cuts < 2 && /"seq":/.test(chunk.toString('latin1'))) {
        cuts++
        proxy.cut()
      }
    }
    t.equal(await log.append(randomBytes(1_500_000), 0, never), 3)
    t.equal(cuts, 2)
    t.equal((await readAll(log)).length, 1)
    t.equal((await log.extent()).last, 3)
    t.same(
      [lines.filter(line => /looking.*timeout/.test(line)), lines.length > cuts],
      [[], true],
      'nobody waits for what cannot come'
    )
  })

  await t.test('a write that does not arrive is written again; a reader goes on', async t => {
    const { open } = await makeLog(t, nats)
    const proxy = await startProxy(t, Number(new URL(nats.urls[0]!).port))
    const { log } = await open('a', { servers: [`nats://127.0.0.1:${proxy.port}`] })
    const reader = begin(log)
    const first = reader.next()
    await write(log, 'one')
    await first
    const next = reader.next()
    proxy.swallow()
    t.equal(await log.append(bytes('two'), 1, never), 2)
    t.equal(textOf((await next).value as Entry), 'two')
    t.ok(proxy.connections > 1)
    await reader.return?.()
  })

  await t.test('a log that was made anew is neither read nor written', async t => {
    const { open, stream, name } = await makeLog(t, nats)
    const { log } = await open('a')
    const [place] = await write(log, 'one')
    const { manager } = await openStranger(t, nats)
    const { config } = await manager.streams.info(stream)
    await manager.streams.delete(stream)
    await manager.streams.add({ ...config, metadata: { ...config.metadata, identity: randomUUID() } })
    const anew = { code: 'invalid_request', message: new RegExp(`controller_nats: the log zeek-${name} was made anew`) }
    await t.rejects(log.extent(), anew)
    await t.rejects(log.append(bytes('two'), place!, never), anew)
    await t.rejects(begin(log).next(), anew)
    await t.rejects(log.trim(place!), anew)
  })

  await t.test('what was closed ends', async t => {
    const { open } = await makeLog(t, nats)
    const replication = await open('a')
    const closed = { code: 'unavailable', message: /^controller_nats: the connection is closed$/ }
    const reading = t.rejects(begin(replication.log).next(), closed)
    await replication.close()
    await reading
    await t.rejects(replication.log.append(bytes('one'), 0, never), closed)
    await replication.close()
  })

  await t.test('the lease is written by who knows its revision', async t => {
    const { open } = await makeLog(t, nats)
    const [{ lease }, { lease: other }] = [await open('a'), await open('b')]
    t.equal(await lease.read(), undefined)
    const results = await Promise.allSettled([lease.write('a', 0), other.write('b', 0)])
    const winner = results.findIndex(result => result.status === 'fulfilled')
    const loser = results[1 - winner] as PromiseRejectedResult
    t.ok(loser.reason instanceof Superseded)
    const revision = (results[winner] as PromiseFulfilledResult<number>).value
    t.same(await other.read(), { holder: ['a', 'b'][winner], revision })
    const second = await other.write('a b "c"', revision)
    t.not(second, revision)
    t.same(await lease.read(), { holder: 'a b "c"', revision: second })
    await throws(t, lease.write('a', revision), Superseded)
    await throws(t, lease.write('a', 0), Superseded)
  })

  await testPeers(t, nats)
  await testFiles(t, nats)
})

async function testPeers(t: Test, nats: Nats) {
  await t.test('replicas tell each other how far they are', async t => {
    const { open } = await makeLog(t, nats)
    const [a, b, c] = [await open('a'), await open('b'), await open('c')]
    t.same(await a.peers.ask(50), [], 'nobody answers yet')
    for (const [name, { peers }] of Object.entries({ a, b, c })) peers.answer(() => status(name))
    const longest = 2 ** 31 - 1
    await until(async () => (await a.peers.ask(1000)).length === 2, 'both listen')
    const answers = await a.peers.ask(longest)
    t.same(
      answers.sort((one, other) => (one.name < other.name ? -1 : 1)),
      [status('b'), status('c')]
    )
    b.peers.answer(() => ({ ...status('b'), role: 'leader', diverged: 'another frame' }))
    const [answer] = (await c.peers.ask(longest)).filter(({ name }) => name === 'b')
    t.same([answer!.role, answer!.diverged], ['leader', 'another frame'])
    await b.close()
    t.same(
      (await a.peers.ask(200)).map(({ name }) => name),
      ['c']
    )
    c.peers.answer(() => {
      throw new Error('not now')
    })
    t.same(await a.peers.ask(200), [])
    c.peers.answer(() => status('c'))
    t.equal((await a.peers.ask(200)).length, 1, 'it is still connected')
  })

  await t.test('words of strangers are no answers', async t => {
    const { open, stream } = await makeLog(t, nats)
    const [a, b] = [await open('a'), await open('b')]
    const { nats: stranger } = await openStranger(t, nats)
    const { frame, ...noFrame } = status('c')
    const words = [
      '',
      '{',
      'null',
      '[]',
      '['.repeat(10_000),
      JSON.stringify({ ...status('c'), version: 'v'.repeat(900_000) }),
      JSON.stringify(noFrame),
      JSON.stringify({ ...status('c'), place: -1 }),
      JSON.stringify({ ...status('c'), place: '40' }),
      JSON.stringify({ ...status('c'), role: 'king' }),
      JSON.stringify({ ...status('c'), url: 'javascript:alert(1)' }),
      JSON.stringify({ ...status('c'), name: 'd' }),
      JSON.stringify({ ...status('c'), name: 'a' }),
      Buffer.from([0xff, 0xfe, 0x00])
    ]
    stranger.subscribe(`${stream}.replicas`, {
      callback: (_, question) => {
        for (const word of words) question.respond(word)
      }
    })
    await stranger.flush()
    b.peers.answer(() => status('b'))
    await until(async () => (await a.peers.ask(500)).length > 0, 'b answers')
    t.same(await a.peers.ask(500), [status('b')])
    stranger.subscribe(`${stream}.replicas`, {
      callback: (_, question) => {
        question.respond(JSON.stringify({ ...status('c'), mood: 'new', place: 7 }))
      }
    })
    await stranger.flush()
    const answers = await a.peers.ask(2 ** 31 - 1)
    t.same(
      answers.find(({ name }) => name === 'c'),
      { ...status('c'), place: 7 },
      'what a newer version tells, too, is left out'
    )
  })

  await t.test('a stranger cannot have an answer written to the log', async t => {
    const { open, stream } = await makeLog(t, nats)
    const { log, peers } = await open('b')
    peers.answer(() => status('b'))
    const { nats: stranger } = await openStranger(t, nats)
    stranger.publish(`${stream}.replicas`, undefined, { reply: `${stream}.log` })
    stranger.publish(`${stream}.replicas`)
    t.same(JSON.parse((await stranger.request(`${stream}.replicas`)).string()), status('b'))
    t.equal((await log.extent()).last, 0)
  })
}

async function testFiles(t: Test, nats: Nats) {
  await t.test('files are stored, replaced, listed and deleted', async t => {
    const { open, stream } = await makeLog(t, nats)
    const [{ files }, { files: other }] = [await open('a'), await open('b')]
    const directory = directoryOf(t)
    const path = (name: string) => join(directory, name)
    const store = async (name: string, text: string) => {
      writeFileSync(path('source'), text)
      await files.put(name, path('source'))
    }
    t.same(await files.names(''), [])
    t.equal(await other.get('snapshot/1', path('got')), false)
    t.notOk(existsSync(path('got')))
    await store('snapshot/1', 'first')
    await store('snapshot/2 ~?', 'second')
    await store('bundle/1', '')
    t.same(await other.names('snapshot/'), ['snapshot/1', 'snapshot/2 ~?'])
    t.same(await other.names(''), ['bundle/1', 'snapshot/1', 'snapshot/2 ~?'])
    t.ok(await other.get('snapshot/2 ~?', path('got')))
    t.equal(readFileSync(path('got'), 'utf8'), 'second')
    t.ok(await other.get('bundle/1', path('got')))
    t.equal(readFileSync(path('got'), 'utf8'), '')
    await store('snapshot/1', 'newer')
    t.ok(await other.get('snapshot/1', path('got')))
    t.equal(readFileSync(path('got'), 'utf8'), 'newer')
    for (const name of ['snapshot/1', 'snapshot/1', 'snapshot/2 ~?', 'bundle/1', 'none']) await other.delete(name)
    t.same(await files.names(''), [])
    t.equal(await files.get('snapshot/1', path('got')), false)
    const { manager } = await openStranger(t, nats)
    t.equal((await manager.streams.info(`OBJ_${stream}-files`)).state.messages, 0, 'nothing is left of them')
    await t.rejects(files.put('none', path('none')), { code: 'ENOENT' })
    t.same(readdirSync(directory).sort(), ['got', 'source'])
  })

  await t.test('a file of 50 MB', async t => {
    const { open } = await makeLog(t, nats)
    const { files } = await open('a')
    const directory = directoryOf(t)
    const content = randomBytes(50_000_000)
    writeFileSync(join(directory, 'source'), content)
    const { rss } = process.memoryUsage()
    let most = 0
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss - rss)), 5)
    await files.put('large', join(directory, 'source'))
    t.ok(await files.get('large', join(directory, 'got')))
    clearInterval(watch)
    t.ok(content.equals(readFileSync(join(directory, 'got'))))
    t.ok(most < 60_000_000, `${most} bytes more`)
  })

  await t.test('a file that comes damaged is not kept', async t => {
    const { open, stream } = await makeLog(t, nats)
    const { files } = await open('a')
    const directory = directoryOf(t)
    writeFileSync(join(directory, 'source'), randomBytes(600_000))
    await files.put('large', join(directory, 'source'))
    const { nats: stranger, manager } = await openStranger(t, nats)
    const filesStream = `OBJ_${stream}-files`
    const first = await manager.streams.getMessage(filesStream, { seq: 1 })
    await jetstream(stranger).publish(first!.subject, randomBytes(600_000 - 524_288))
    await manager.streams.deleteMessage(filesStream, 2)
    await t.rejects(files.get('large', join(directory, 'got')), /came damaged/)
    await manager.streams.purge(filesStream, { filter: first!.subject })
    await t.rejects(files.get('large', join(directory, 'got')), /was replaced or deleted/)
    t.same(readdirSync(directory), ['source'])
  })
}
