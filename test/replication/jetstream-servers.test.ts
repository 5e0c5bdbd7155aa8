import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DiscardPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream'
import t from 'tap'
import { connectReplication, createReplicationLog } from '../../src/replication/jetstream.js'
import { Superseded } from '../../src/replication/log.js'
import { directoryOf } from '../support/directory.js'
import { silent } from '../support/log.js'
import { noNats, startNats } from '../support/nats.js'
import { bytes, gather, makeLog, never, openStranger, readAll, textOf, write } from '../support/replicas.js'
import { until } from '../support/until.js'

const refused = (message: RegExp) => ({ code: 'conflict', message })

await t.test('what replication refuses at its start', { skip: noNats }, async t => {
  const nats = await startNats(t)
  const { manager } = await openStranger(t, nats)

  await t.test('there is no log, or too few servers keep it', async t => {
    const options = { servers: nats.urls, name: 'absent', self: 'a', log: silent }
    await t.rejects(connectReplication(options), refused(/zeek-absent.*"zeek-cluster replication init" makes it/))
    await t.rejects(manager.streams.info('zeek-absent'), { code: 10059 })
    const { open } = await makeLog(t, nats)
    await t.rejects(open('a', { copies: 3 }), refused(/is kept by 1 servers: 3 at least are needed/))
    await t.rejects(open('d'), refused(/"d" is none of the replicas of .*: a, b, c/))
  })

  await t.test('a log is not made twice', async t => {
    const { name } = await makeLog(t, nats)
    const contents = { replicas: ['a'], servers: 1 }
    const options = { servers: nats.urls, name, log: silent }
    await t.rejects(createReplicationLog(options, contents), { code: 'conflict', message: /already/ })
    await t.rejects(createReplicationLog({ ...options, name: 'a.b' }, contents), { code: 'invalid_request' })
  })

  await t.test('a stream that loses something', async t => {
    const cases: [Partial<StreamConfig>, RegExp][] = [
      [{ storage: StorageType.Memory }, /is not stored in files/],
      [{ discard: DiscardPolicy.Old }, /it needs discard: new/],
      [{ max_msgs: 5 }, /drops what is old/],
      [{ mirror: { name: 'other' }, subjects: [] }, /copies other streams/],
      [{ sources: [{ name: 'other' }] }, /copies other streams/],
      [{ metadata: {} }, /was not made by/]
    ]
    for (const [change, message] of cases) {
      const { open, stream } = await makeLog(t, nats)
      const { config } = await manager.streams.info(stream)
      await manager.streams.delete(stream)
      await manager.streams.add({ ...config, ...change })
      await t.rejects(open('a'), refused(message))
    }
  })

  await t.test('a server that takes only small messages, and none at all', async t => {
    const small = await startNats(t, { extra: 'max_payload: 900KB' })
    const options = { name: 'log', self: 'a', log: silent }
    await t.rejects(connectReplication({ ...options, servers: small.urls }), refused(/has max_payload 921600/))
    await small.servers[0]!.stop()
    const connecting = connectReplication({ ...options, servers: small.urls })
    await t.rejects(connecting, { code: 'unavailable', message: /cannot connect to 127.0.0.1:\d+: / })
  })
})

await t.test('replication on three servers of NATS', { skip: noNats }, async t => {
  const nats = await startNats(t, { count: 3 })

  await t.test('of two who write to one place one is superseded, in parts too', async t => {
    const { open } = await makeLog(t, nats)
    const logs = [(await open('a')).log, (await open('b')).log]
    const written: string[] = []
    for (let round = 0; round < 20; round++) {
      const { last } = await logs[0]!.extent()
      const size = round % 5 === 0 ? 1_500_000 : 10
      const frames = logs.map(() => randomBytes(size))
      const results = await Promise.allSettled(logs.map((log, index) => log.append(frames[index]!, last, never)))
      const lost = results.filter(result => result.status === 'rejected')
      t.equal(lost.length, 1)
      t.ok(lost[0]?.reason instanceof Superseded)
      written.push(frames[results.findIndex(result => result.status === 'fulfilled')]!.toString('hex'))
    }
    const read = await readAll(logs[1]!)
    t.same(
      read.map(({ frame }) => Buffer.from(frame).toString('hex')),
      written
    )
  })

  await t.test('each server is killed while frames are written: all are there once, in order', async t => {
    const { open, stream } = await makeLog(t, nats)
    const { manager } = await openStranger(t, nats)
    const [{ log }, { log: other, lease }] = [await open('a'), await open('b')]
    const enough = new AbortController()
    const followed: string[] = []
    const following = (async () => {
      for await (const entry of other.entries(0, { signal: enough.signal })) followed.push(textOf(entry))
    })()
    const stop = new AbortController()
    const written: string[] = []
    const writing = (async () => {
      for (let last = 0; !stop.signal.aborted;) {
        const text = String(written.length)
        last = await log.append(bytes(text), last, never)
        written.push(text)
      }
    })()
    const more = async (what: string) => {
      const count = written.length
      await until(() => written.length > count + 20, `frames are written ${what}`)
    }
    await more('at first')
    // The one that leads the stream is among them, wherever it is.
    for (const server of nats.servers) {
      await server.kill()
      await more(`without ${server.name}`)
      server.start()
      await nats.isReady()
    }
    await more('at last')
    stop.abort()
    await writing
    await until(() => followed.length >= written.length, 'the follower has all')
    enough.abort()
    await following
    t.same(followed, written)
    t.same((await readAll(log)).map(textOf), written)
    t.equal((await log.extent()).last, written.length)
    t.equal((await manager.streams.info(stream)).config.num_replicas, 3)
    t.type(await lease.write('b', 0), 'number')
  })

  await t.test('what was written is there after all servers were killed', async t => {
    const { open } = await makeLog(t, nats)
    const { log, lease, files } = await open('a')
    const directory = directoryOf(t)
    writeFileSync(join(directory, 'file'), 'content')
    await files.put('file', join(directory, 'file'))
    const revision = await lease.write('a', 0)
    const frame = randomBytes(3_000_000)
    const place = await log.append(frame, 0, never)
    await Promise.all(nats.servers.map(server => server.kill()))
    const dead = new AbortController()
    const appending = log.append(bytes('nobody knows'), place, dead.signal)
    const reading = gather(log.entries(0, { until: place, signal: never }))
    await t.rejects(lease.read())
    dead.abort(new Error('enough'))
    await t.rejects(appending, /enough/)
    for (const server of nats.servers) server.start()
    await nats.isReady()
    const [entry] = await reading
    t.ok(frame.equals(entry!.frame), 'the reader went on')
    const { last } = await until(() => log.extent().catch(() => undefined), 'the log answers')
    const [second] = await write(log, 'two')
    t.equal(second, last + 1)
    t.same(await until(() => lease.read().catch(() => undefined), 'the lease answers'), { holder: 'a', revision })
    t.ok(await files.get('file', join(directory, 'got')))
  })
})
