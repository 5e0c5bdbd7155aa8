import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream'
import {
  connect,
  credsAuthenticator,
  errors,
  type NatsConnection,
  type NodeConnectionOptions
} from '@nats-io/transport-node'
import type { Logger } from 'pino'
import { AppError, isOfSystem, messageOf } from '../errors.js'
import { defined } from '../util.js'

/** How NATS is reached. */
export interface NatsOptions {
  /** URLs of servers, nats:// or tls://: some of those that there are. One may have a user and a password. */
  servers: readonly string[]
  /** Path of a credentials file: a JWT and the seed of its key. It is read again for each connection. */
  credentialsFile?: string
  /** Paths: who signs the servers' certificates, and this client's own. */
  tls?: { ca?: string; cert?: string; key?: string }
  log: Logger
}

/** How long one request to JetStream may take, in milliseconds. */
export const requestMs = 2000

/** How often the server is asked for a sign of life. It counts as lost when three in a row have not come. */
const pingMs = 1000

/** Returns the error for what the operator has to change. All of them name the setting. */
export const wrong = (text: string, cause?: unknown) =>
  new AppError('invalid_request', `controller_nats: ${text}`, { cause })

/** Returns the error for servers, or a log, with which acknowledged writes could be lost. */
export const unfit = (text: string) => new AppError('conflict', `controller_nats: ${text}`)

/** Returns the error for what may be all right later. */
export const unavailable = (text: string, cause?: unknown) =>
  new AppError('unavailable', `controller_nats: ${text}`, { cause })

/** A connection to one server at a time, for ever: to another one when that is lost. */
export class Connection {
  readonly nats: NatsConnection
  readonly jetstream: JetStreamClient
  readonly manager: JetStreamManager
  #log: Logger
  #events = new EventEmitter<{ lost: []; regained: [] }>().setMaxListeners(0)
  #isLost = false

  private constructor(nats: NatsConnection, manager: JetStreamManager, log: Logger) {
    this.nats = nats
    this.jetstream = jetstream(nats, { timeout: requestMs })
    this.manager = manager
    this.#log = log
    void this.#watch()
  }

  /** Connects to one of the servers. Throws AppError. */
  static async open(options: NatsOptions, clientName: string): Promise<Connection> {
    const { servers, credentialsFile, tls, log } = options
    try {
      // What cannot be read is told now: the client would say of it only that the servers refuse.
      for (const path of [credentialsFile, tls?.ca, tls?.cert, tls?.key]) if (path !== undefined) readFileSync(path)
      const nats = await connect(connectionOptions(options, clientName))
      return new Connection(nats, await jetstreamManager(nats, { checkAPI: false, timeout: requestMs }), log)
    } catch (error) {
      if (isOfSystem(error) && 'path' in (error as object)) throw wrong(messageOf(error), error)
      if (error instanceof errors.AuthorizationError) throw wrong(`the servers refuse: ${messageOf(error)}`, error)
      // URLs may hold passwords.
      const hosts = servers.map(server => server.replace(/^.*[/@]/, '')).join(', ')
      throw unavailable(`cannot connect to ${hosts}: ${messageOf(error)}`, error)
    }
  }

  /** Calls a listener with each loss, until the function that it returns is called. */
  onLost(listener: () => void): () => void {
    this.#events.on('lost', listener)
    return () => {
      this.#events.off('lost', listener)
    }
  }

  /** Resolves once there is a connection, or the signal aborts. */
  async regained(signal: AbortSignal): Promise<void> {
    if (this.#isLost && !this.nats.isClosed()) await once(this.#events, 'regained', { signal }).catch(() => {})
  }

  /**
   * Makes a request as soon as there is a connection. Rejects when that is lost, for nobody answers then, and when the
   * signal aborts; without one after some seconds.
   */
  async ask<T>(request: () => Promise<T>, signal = AbortSignal.timeout(requestMs)): Promise<T> {
    await this.regained(signal)
    signal.throwIfAborted()
    return await new Promise((resolve, reject) => {
      const abort = () => reject(signal.reason)
      const forget = this.onLost(() => reject(new Error('the connection was lost')))
      signal.addEventListener('abort', abort)
      request()
        .finally(() => {
          forget()
          signal.removeEventListener('abort', abort)
        })
        .then(resolve, reject)
    })
  }

  /** Follows what becomes of the connection, until it is closed. */
  async #watch(): Promise<void> {
    for await (const status of this.nats.status()) {
      if (status.type === 'disconnect') {
        this.#isLost = true
        this.#events.emit('lost')
        if (!this.nats.isClosed()) this.#log.warn(`the connection to NATS at ${status.server} is lost`)
      } else if (status.type === 'reconnect') {
        this.#isLost = false
        this.#events.emit('regained')
        this.#log.info(`connected to NATS at ${status.server} again`)
      } else if (status.type === 'error') this.#log.warn(`NATS: ${messageOf(status.error)}`)
    }
    // Whoever waits for something learns that it is closed.
    this.#events.emit('lost')
    this.#events.emit('regained')
  }
}

function connectionOptions({ servers, credentialsFile, tls }: NatsOptions, name: string): NodeConnectionOptions {
  const isTls = tls !== undefined || servers.some(server => server.startsWith('tls://'))
  // The client knows no users in URLs.
  const user = servers.map(server => URL.parse(server)).find(url => url?.username)
  return {
    servers: servers.map(server => server.replace(/^([a-z]+:\/\/)[^/]*@/, '$1')),
    ...(user && { user: decodeURIComponent(user.username), pass: decodeURIComponent(user.password) }),
    name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    timeout: 5000,
    pingInterval: pingMs,
    // Credentials may be exchanged while the servers do not know them yet.
    ignoreAuthErrorAbort: true,
    ...(credentialsFile !== undefined && {
      authenticator: nonce => credsAuthenticator(readFileSync(credentialsFile))(nonce)
    }),
    ...(isTls && { tls: defined({ caFile: tls?.ca, certFile: tls?.cert, keyFile: tls?.key }) })
  }
}
