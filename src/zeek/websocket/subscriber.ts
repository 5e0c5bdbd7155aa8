import { isUtf8 } from 'node:buffer'
import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import { Attention, type AttentionLimits } from './attention.js'
import {
  decodeData,
  decodeSubscriptions,
  encodeAck,
  encodeError,
  eventOf,
  type DataMessage,
  type ZeekEvent
} from './message.js'
import { FormatError } from './value.js'

export interface SubscriberLimits extends AttentionLimits {
  /** Maximum number of unanswered messages of one client: more are a flood. */
  unansweredMax: number
  /** Maximum bytes that wait for a client to read them. */
  backlogMax: number
}

export interface SubscriberOptions<Owner = undefined> extends SubscriberLimits {
  /** The client's endpoint ID. */
  id: string
  owner: Owner
  version: string
  /** Handles an event; resolves once it is answered. Throws a FormatError when it cannot be understood. */
  onEvent: (topic: string, event: ZeekEvent, from: Subscriber<Owner>) => Promise<void> | undefined
  /** Returns why a message of so many bytes is not even read; its sender is then cut off. */
  refusal?: ((bytes: number, owner: Owner) => string | undefined) | undefined
  /** Called with the reason when the client is cut off. */
  onCutOff: (reason: string) => void
}

const maxTopics = 100
/** How long a client that is asked to leave may take to say goodbye. */
const closeMs = 1_000
const code = 'deserialization_failed'

/** One client of the WebSocket API, from the moment that its socket is open. */
export class Subscriber<Owner = undefined> {
  readonly id: string
  readonly owner: Owner
  #socket: WebSocket
  #connection: Duplex
  #options: SubscriberOptions<Owner>
  /** Undefined until the client has subscribed. */
  #prefixes: readonly string[] | undefined
  #attention: Attention
  #unanswered = 0
  #isCutOff = false
  #isCorked = false

  /** `connection` is the stream that the socket writes to. */
  constructor(socket: WebSocket, connection: Duplex, options: SubscriberOptions<Owner>) {
    this.id = options.id
    this.owner = options.owner
    this.#socket = socket
    this.#connection = connection
    this.#options = options
    this.#attention = new Attention(options, {
      isWaiting: () => this.#unanswered > 0,
      hasUnread: () => socket.bufferedAmount > 0,
      ping: () => {
        if (socket.readyState === WebSocket.OPEN) socket.ping()
      },
      cutOff: reason => this.#cutOff(reason)
    })
    socket.on('message', (data: Buffer) => {
      this.#attention.heard()
      this.#receive(data)
    })
    socket.on('pong', () => this.#attention.answered())
    socket.on('close', () => this.#attention.stop())
    socket.on('ping', data => {
      this.#attention.heard()
      this.#checkBacklog()
      if (this.#socket.readyState === WebSocket.OPEN) this.#socket.pong(data)
    })
    // The frame is too large or malformed: the socket reports why, and closes.
    socket.on('error', error => this.#leave(error.message))
  }

  isSubscribedTo(topic: string): boolean {
    return this.#prefixes?.some(prefix => topic.startsWith(prefix)) ?? false
  }

  send(frame: string, onSent?: () => void): void {
    // Checked before the frame is added: a frame larger than the limit must be possible, or nobody could ever receive
    // it.
    this.#checkBacklog()
    if (this.#socket.readyState !== WebSocket.OPEN) return
    this.#cork()
    this.#socket.send(frame, onSent)
  }

  #checkBacklog(): void {
    const waiting = this.#socket.bufferedAmount
    if (waiting > this.#options.backlogMax) this.#cutOff(`it does not read: ${waiting} bytes are waiting`)
  }

  #receive(data: Buffer): void {
    if (this.#isCutOff) return
    if (++this.#unanswered > this.#options.unansweredMax) {
      return this.#cutOff(`more than ${this.#options.unansweredMax} messages wait for their answer`)
    }
    const refusal = this.#options.refusal?.(data.length, this.owner)
    if (refusal !== undefined) return this.#cutOff(refusal)
    // Text that is not UTF-8 is not JSON, either.
    const text = isUtf8(data) ? data.toString() : ''
    if (this.#prefixes) this.#serve(text)
    else this.#subscribe(text)
  }

  #subscribe(text: string): void {
    try {
      const prefixes = decodeSubscriptions(text)
      if (prefixes.length > maxTopics) return this.#refuse(`more than ${maxTopics} subscriptions`)
      this.#prefixes = prefixes
      this.#attention.subscribed()
      this.#answer(encodeAck(this.id, this.#options.version))
    } catch (error) {
      this.#refuse(formatErrorOf(error).message)
    }
  }

  #serve(text: string): void {
    let message: DataMessage
    try {
      message = decodeData(text)
    } catch (error) {
      formatErrorOf(error)
      return this.#refuse('failed to decode JSON object')
    }
    if (message.topic === '') return this.#refuse('no topic in top-level JSON object')
    try {
      const served = this.#options.onEvent(message.topic, eventOf(message.data), this)
      if (served) {
        void served.finally(() => {
          this.#unanswered--
        })
      } else this.#unanswered--
    } catch (error) {
      formatErrorOf(error)
      this.#refuse('failed to create Zeek event')
    }
  }

  /** Sends everything written within one turn of the event loop (the responses of one commit) to the kernel at once. */
  #cork(): void {
    if (this.#isCorked) return
    this.#isCorked = true
    this.#connection.cork()
    process.nextTick(() => {
      this.#isCorked = false
      this.#connection.uncork()
    })
  }

  #refuse(context: string): void {
    this.#answer(encodeError(code, context))
  }

  /** Answers a message at once: it counts as answered when the client's machine has received the answer. */
  #answer(frame: string): void {
    this.send(frame, () => {
      this.#unanswered--
    })
  }

  #cutOff(reason: string): void {
    if (this.#isCutOff) return
    this.#socket.close(1008, reason)
    this.#leave(reason)
  }

  #leave(reason: string): void {
    if (this.#isCutOff) return
    this.#isCutOff = true
    this.#attention.stop()
    this.#options.onCutOff(reason)
    endSoon(this.#socket)
  }
}

/**
 * Ends a socket that is being closed, even if the client does not say goodbye: it occupies a place, and holds what the
 * client has not read.
 */
export function endSoon(socket: WebSocket): void {
  const patience = setTimeout(() => socket.terminate(), closeMs)
  socket.once('close', () => clearTimeout(patience))
}

/**
 * Returns a FormatError, which is the client's fault; throws any other error again, since it is ours and must not be
 * reported as the client's.
 */
function formatErrorOf(error: unknown): FormatError {
  if (error instanceof FormatError) return error
  throw error
}
