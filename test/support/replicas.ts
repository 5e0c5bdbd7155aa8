import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { Test } from 'tap'
import { connectReplication, createReplicationLog, type ReplicationOptions } from '../../src/replication/jetstream.js'
import { Superseded, Trimmed, type Entry, type Log, type Replication } from '../../src/replication/log.js'
import { silent } from './log.js'
import type { Nats } from './nats.js'

let last = 0

/** A log of its own for one test, and what opens it as replica a, b or c. */
export async function makeLog(t: Test, nats: Nats) {
  const servers = nats.servers.length
  const options = { servers: nats.urls, name: `test-${process.pid}-${++last}`, log: silent }
  const identity = await createReplicationLog(options, { replicas: ['a', 'b', 'c'], servers })
  const open = async (self: string, more: Partial<ReplicationOptions> = {}): Promise<Replication> => {
    const opened = await connectReplication({
      ...options,
      self,
      copies: servers,
      monitors: nats.monitors,
      ...more
    })
    t.teardown(() => opened.close())
    return opened
  }
  return { ...options, identity, stream: `zeek-${options.name}`, open }
}

/** What another program in the same account can do. */
export async function openStranger(t: Test, nats: Nats): Promise<{ nats: NatsConnection; manager: JetStreamManager }> {
  const connection = await connect({ servers: nats.urls })
  t.teardown(() => connection.close())
  return { nats: connection, manager: await jetstreamManager(connection) }
}

export const bytes = (text: string) => Buffer.from(text)
export const textOf = ({ frame }: Entry) => Buffer.from(frame).toString()
export const never = new AbortController().signal

/** Appends texts, one after the other. Returns their places. */
export async function write(log: Log, ...texts: string[]): Promise<number[]> {
  const places: number[] = []
  for (const text of texts) places.push(await log.append(bytes(text), (await log.extent()).last, never))
  return places
}

export async function gather<T>(items: AsyncIterable<T>): Promise<T[]> {
  const gathered: T[] = []
  for await (const item of items) gathered.push(item)
  return gathered
}

/** Begins to read a log. */
export const begin = (log: Log, after = 0) => log.entries(after, { signal: never })[Symbol.asyncIterator]()

/** Returns all that a log has after a place. */
export async function readAll(log: Log, after = 0): Promise<Entry[]> {
  const { last } = await log.extent()
  return await gather(log.entries(after, { until: last, signal: never }))
}

/** Asserts that something throws an error of a class. */
export async function throws(t: Test, promise: Promise<unknown>, type: typeof Superseded | typeof Trimmed) {
  const error = await promise.then(
    () => undefined,
    error => error
  )
  t.ok(error instanceof type, `${type.name}: ${error}`)
}
