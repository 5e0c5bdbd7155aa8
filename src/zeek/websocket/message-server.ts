import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import { AppError } from '../../errors.js'
import { encodeError, encodeEvent, messagesPath, type ZeekEvent } from './message.js'
import { endSoon, Subscriber, type SubscriberLimits, type SubscriberOptions } from './subscriber.js'

export interface MessageServerOptions<Owner = undefined> extends SubscriberLimits {
  /** What the IDs of clients start with. */
  name: string
  /** What clients are told in the acknowledgement. */
  version: string
  connectionsMax: number
  /** Bytes of one message. */
  messageMax: number
  onEvent: SubscriberOptions<Owner>['onEvent']
  log: { warn: (message: string) => void }
}

/**
 * The kernel asks silent clients whether they are still there. We do not: zeek-client counts its patience anew with
 * every frame, and would wait for ever for an answer that does not come.
 */
const keepAliveMs = 30_000
/** As Zeek has it (`X-Application-Name`). */
const applicationName = /^[-/_.=:*@a-zA-Z0-9]+$/

/**
 * The serving end of Zeek's WebSocket API: clients subscribe to prefixes of topics, and hear what others publish. Each
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
    // A subscriber answers pings itself: ws ends who sends too many without a word.
    this.#sockets = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      autoPong: false,
      maxPayload: options.messageMax
    })
  }

  /** Clients that are connected. */
  get size(): number {
    return this.#subscribers.size
  }

  /** Makes a WebSocket of a connection. Throws `unavailable` when there are too many, or the server closes. */
  upgrade(request: IncomingMessage, connection: Socket, head: Buffer, owner: Owner): void {
    if (this.#isClosing) throw new AppError('unavailable', 'the controller is stopping')
    if (this.#sockets.clients.size >= this.#options.connectionsMax) {
      throw new AppError('unavailable', 'too many WebSocket clients are connected')
    }
    connection.setKeepAlive(true, keepAliveMs)
    this.#sockets.handleUpgrade(request, connection, head, socket => this.#accept(socket, connection, request, owner))
  }

  /** Whether there is a subscriber of the topic beside that one. */
  isHeard(topic: string, from?: Subscriber<Owner>): boolean {
    for (const subscriber of this.#subscribers) if (subscriber !== from && subscriber.isSubscribedTo(topic)) return true
    return false
  }

  /** Sends an event to every subscriber of the topic, but not to the one that it is from. */
  publish(topic: string, event: ZeekEvent, from?: Subscriber<Owner>): void {
    let frame: string | undefined
    for (const subscriber of this.#subscribers) {
      if (subscriber !== from && subscriber.isSubscribedTo(topic)) {
        subscriber.send((frame ??= encodeEvent(topic, event)))
      }
    }
  }

  /** Says goodbye to all. Resolves when they are gone. */
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
    const { version, unansweredMax, backlogMax, onEvent, log } = this.#options
    const id = `${this.#options.name}-websocket-${++this.#last}`
    const subscriber = new Subscriber(socket, connection, {
      id,
      owner,
      version,
      unansweredMax,
      backlogMax,
      onEvent,
      onCutOff: reason => log.warn(`client ${id} (${name ?? 'no name'}) is cut off: ${reason}`)
    })
    this.#subscribers.add(subscriber)
    socket.once('close', () => this.#subscribers.delete(subscriber))
  }
}

/** The error comes as a message, too: not every client shows why it was closed. */
function reject(socket: WebSocket, code: string, reason: string): void {
  socket.on('error', () => {})
  socket.send(encodeError(code, reason))
  socket.close(1008, reason)
  endSoon(socket)
}
