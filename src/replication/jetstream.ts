import { AppError, messageOf } from '../errors.js'
import { Connection, unavailable, unfit, type NatsOptions } from './jetstream-connection.js'
import { JetStreamFiles } from './jetstream-files.js'
import { JetStreamLease } from './jetstream-lease.js'
import { JetStreamLog } from './jetstream-log.js'
import { JetStreamPeers } from './jetstream-peers.js'
import { check, create, destroy, namesOf, syncsAlways, type CreateOptions } from './jetstream-setup.js'
import type { Replication } from './log.js'

/** Which log, and how it is reached. */
export interface LogOptions extends NatsOptions {
  /** What the log is called. Several clusters may share NATS. */
  name: string
}

export interface ReplicationOptions extends LogOptions {
  /** The name of this replica. */
  self: string
  /** http:// URLs of the servers' monitors, which alone tell whether they sync what they write. */
  monitors?: readonly string[]
  /** Called where it cannot be told whether the servers keep what they acknowledge. Default: a warning in the log. */
  warn?: (text: string) => void
  /** How many servers keep the log, at least. Fewer than three are for tests. Default: 3. */
  copies?: number
}

/**
 * Makes the log, the lease and the store of files. Returns the identity of the log. Throws AppError: `conflict` when
 * one of them exists.
 */
export async function createReplicationLog(options: LogOptions, contents: CreateOptions): Promise<string> {
  const names = namesOf(options.name)
  const connection = await Connection.open(options, 'zeek-cluster replication init')
  try {
    return await create(connection, names, contents)
  } finally {
    await connection.nats.close()
  }
}

/** Deletes what `createReplicationLog` has made, as far as it is there. Throws AppError. */
export async function deleteReplicationLog(options: LogOptions): Promise<void> {
  const names = namesOf(options.name)
  const connection = await Connection.open(options, 'zeek-cluster replication')
  try {
    await destroy(connection, names)
  } finally {
    await connection.nats.close()
  }
}

/** Opens what `createReplicationLog` has made. Throws AppError where something is not as it has to be. */
export async function connectReplication(options: ReplicationOptions): Promise<Replication> {
  const { log, self } = options
  const names = namesOf(options.name)
  await checkSyncs(options)
  const connection = await Connection.open(options, `zeek-cluster ${self}`)
  const { nats } = connection
  try {
    const metadata = await check(connection, names, options)
    const others = metadata.replicas.filter(replica => replica !== self)
    return {
      log: new JetStreamLog(connection, names, metadata, log),
      lease: await JetStreamLease.open(connection, names.lease),
      peers: new JetStreamPeers(nats, names.peers, others, log),
      files: await JetStreamFiles.open(connection, names),
      close: () => nats.close()
    }
  } catch (error) {
    await nats.close()
    throw error instanceof AppError ? error : unavailable(`JetStream does not answer: ${messageOf(error)}`, error)
  }
}

/** Checks whether the servers write everything to disk before they acknowledge it, as far as their monitors tell. */
async function checkSyncs({ monitors = [], log, warn = text => log.warn(text) }: ReplicationOptions): Promise<void> {
  const answers = await Promise.all(monitors.map(async monitor => ({ monitor, isSure: await syncsAlways(monitor) })))
  for (const { monitor, isSure } of answers) {
    if (isSure === false) {
      throw unfit(`the server at ${monitor} acknowledges what is not on its disk: set "sync_interval: always"`)
    }
  }
  const silent = answers.filter(({ isSure }) => isSure === undefined).map(({ monitor }) => monitor)
  if (silent.length > 0 || monitors.length === 0) {
    const why = monitors.length === 0 ? 'no monitors of theirs are set' : `${silent.join(', ')} did not tell`
    warn(`whether the servers of NATS have "sync_interval: always" is not known: ${why}`)
  }
}
