import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import { AppError } from '../../errors.js'
import { encodeError, encodeEvent, messagesPath, type ZeekEvent } from './message.js'
import { endSoon, Subscriber, type SubscriberLimits, type SubscriberOptions } from './subscriber.js'

export interface MessageServerOptions<Owner = undefined> extends SubscriberLimits {
  /** The prefix of client IDs. */
  name: string
  /** The version sent to clients in the acknowledgement. */
  version: string
  /** Maximum bytes of one message. */
  messageMax: number
  onEvent: SubscriberOptions<Owner>['onEvent']
  /** Returns whether an owner hears what others publish; not given: all do. */
  hears?: (owner: Owner) => boolean
  refusal?: SubscriberOptions<Owner>['refusal']
  log: { warn: (message: string) => void }
}

/** As Zeek defines it (`X-Application-Name`). */
const applicationName = /^[-/_.=:*@a-zA-Z0-9]+$/

/**
 * The server of Zeek's WebSocket API: clients subscribe to prefixes of topics, and receive what others publish. Each
 * belongs to an owner, whatever that is.
 */
export class MessageServer<Owner = undefined> {
  #options: MessageServerOptions<Owner>
  #sockets: WebSocketServer
  #subscribers = new Set<Subscriber<Owner>>()
  #last = 0
  #isClosing = false

  constructor(options: MessageServerOptions<Owner>) {
    this.#options = options
    // A subscriber answers pings itself: ws disconnects those who send too many, without giving a reason.
    this.#sockets = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      autoPong: false,
      maxPayload: options.messageMax
    })
  }

  /** Number of connected clients. */
  get size(): number {
    return this.#subscribers.size
  }

  /** Upgrades a connection to a WebSocket. Throws `unavailable` when the server closes. */
  upgrade(request: IncomingMessage, connection: Socket, head: Buffer, owner: Owner): void {
    if (this.#isClosing) throw new AppError('unavailable', 'the controller is stopping')
    this.#sockets.handleUpgrade(request, connection, head, socket => this.#accept(socket, connection, request, owner))
  }

  /** Returns whether the topic has a subscriber other than `from`. */
  isHeard(topic: string, from?: Subscriber<Owner>): boolean {
    return this.#hearing(topic, from).length > 0
  }

  /** Sends an event to every subscriber of the topic except `from`, its sender. */
  publish(topic: string, event: ZeekEvent, from?: Subscriber<Owner>): void {
    let frame: string | undefined
    for (const subscriber of this.#hearing(topic, from)) subscriber.send((frame ??= encodeEvent(topic, event)))
  }

  #hearing(topic: string, from: Subscriber<Owner> | undefined): Subscriber<Owner>[] {
    const { hears = () => true } = this.#options
    return [...this.#subscribers].filter(
      subscriber => subscriber !== from && subscriber.isSubscribedTo(topic) && hears(subscriber.owner)
    )
  }

  /** Closes all connections with a goodbye. Resolves when they are gone. */
  async close(): Promise<void> {
    this.#isClosing = true
    await Promise.all(
      [...this.#sockets.clients].map(async socket => {
        const gone = new Promise(resolve => socket.once('close', resolve))
        socket.close(1001, 'Terminating')
        endSoon(socket)
        await gone
      })
    )
  }

  #accept(socket: WebSocket, connection: Socket, { url, headers }: IncomingMessage, owner: Owner): void {
    const name = headers['x-application-name']
    if (url !== messagesPath) return reject(socket, 'invalid_uri', `Invalid URI - use ${messagesPath}`)
    if (name !== undefined && !applicationName.test(String(name))) {
      return reject(socket, 'invalid_application_name', 'Invalid X-Application-Name')
    }
    const { log } = this.#options
    const id = `${this.#options.name}-websocket-${++this.#last}`
    const subscriber = new Subscriber(socket, connection, {
      ...this.#options,
      id,
      owner,
      onCutOff: reason => log.warn(`client ${id} (${name ?? 'no name'}) is cut off: ${reason}`)
    })
    this.#subscribers.add(subscriber)
    socket.once('close', () => this.#subscribers.delete(subscriber))
  }
}

/** Closes a socket with an error. It is also sent as a message: not every client shows why it was closed. */
function reject(socket: WebSocket, code: string, reason: string): void {
  socket.on('error', () => {})
  socket.send(encodeError(code, reason))
  socket.close(1008, reason)
  endSoon(socket)
}
