import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream'
import { connect, credsAuthenticator, errors, type NatsConnection } from '@nats-io/transport-node'
import type { Logger } from 'pino'
import { AppError, isOfSystem, messageOf } from '../errors.js'
import { defined } from '../util.js'

/** How NATS is reached. */
export interface NatsOptions {
  /** URLs of servers, nats:// or tls://: some of those that there are. */
  servers: readonly string[]
  /** Path of a credentials file: a JWT and the seed of its key. It is read again for each connection. */
  credentialsFile?: string
  /** Paths: who signs the servers' certificates, and this client's own. */
  tls?: { ca?: string; cert?: string; key?: string }
  log: Logger
}

/** A connection to one server at a time, for ever: to another one when that is lost. */
export interface Connection {
  nats: NatsConnection
  jetstream: JetStreamClient
  manager: JetStreamManager
  /** Emits `lost` with each lost connection. */
  losses: EventEmitter<{ lost: [] }>
}

/** How long one request to JetStream may take, in milliseconds. */
export const requestMs = 2000

/** How often the server is asked for a sign of life. It counts as lost when three in a row have not come. */
const pingMs = 1000

/** Returns the error for what the operator has to change. All of them name the setting. */
export const wrong = (text: string, cause?: unknown) =>
  new AppError('invalid_request', `controller_nats: ${text}`, { cause })

/** Returns the error for what may be all right later. */
export const unavailable = (text: string, cause?: unknown) =>
  new AppError('unavailable', `controller_nats: ${text}`, { cause })

/** Connects to one of the servers. Throws AppError. */
export async function connectToNats(
  { servers, credentialsFile, tls, log }: NatsOptions,
  clientName: string
): Promise<Connection> {
  try {
    // What cannot be read is told now: the client would say of it only that the servers refuse.
    for (const path of [credentialsFile, tls?.ca, tls?.cert, tls?.key]) if (path !== undefined) readFileSync(path)
    const nats = await connect({
      servers: [...servers],
      name: clientName,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      timeout: 5000,
      pingInterval: pingMs,
      // Credentials may be exchanged while the servers do not know them yet.
      ignoreAuthErrorAbort: true,
      ...(credentialsFile !== undefined && {
        authenticator: nonce => credsAuthenticator(readFileSync(credentialsFile))(nonce)
      }),
      ...(needsTls({ servers, tls }) && { tls: defined({ caFile: tls?.ca, certFile: tls?.cert, keyFile: tls?.key }) })
    })
    const losses = new EventEmitter<{ lost: [] }>().setMaxListeners(0)
    void watch(nats, losses, log)
    const manager = await jetstreamManager(nats, { checkAPI: false, timeout: requestMs })
    return { nats, jetstream: jetstream(nats, { timeout: requestMs }), manager, losses }
  } catch (error) {
    if (isOfSystem(error) && 'path' in (error as object)) throw wrong(messageOf(error), error)
    if (error instanceof errors.AuthorizationError) throw wrong(`the servers refuse: ${messageOf(error)}`, error)
    // URLs may hold passwords.
    const hosts = servers.map(server => server.replace(/^.*[/@]/, '')).join(', ')
    throw unavailable(`cannot connect to ${hosts}: ${messageOf(error)}`, error)
  }
}

const needsTls = ({ servers, tls }: Pick<NatsOptions, 'servers' | 'tls'>) =>
  tls !== undefined || servers.some(server => server.startsWith('tls://'))

/** Writes to the log what becomes of a connection, until it is closed. */
async function watch(nats: NatsConnection, losses: Connection['losses'], log: Logger): Promise<void> {
  for await (const status of nats.status()) {
    if (status.type === 'disconnect') {
      losses.emit('lost')
      if (!nats.isClosed()) log.warn(`the connection to NATS at ${status.server} is lost`)
    } else if (status.type === 'reconnect') log.info(`connected to NATS at ${status.server} again`)
    else if (status.type === 'error') log.warn(`NATS: ${messageOf(status.error)}`)
  }
}
