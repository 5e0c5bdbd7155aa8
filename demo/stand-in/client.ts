import type { WebSocket } from 'ws'
import type { Membership } from './membership.js'
import { decode, encode, parse, toEvent, type Event } from './message.js'
import { VERSION } from './usage.js'

/** One client of the WebSocket API. `publish` gets what it publishes. */
export class Client {
  readonly #socket: WebSocket
  readonly #endpoint: string
  readonly #membership: Membership
  readonly #publish: (topic: string, event: Event, from: Client) => void
  readonly #early: string[] = []
  #topics: string[] | undefined
  #messages = 0
  #acked = false

  constructor (
    socket: WebSocket, endpoint: string, membership: Membership,
    publish: (topic: string, event: Event, from: Client) => void
  ) {
    this.#socket = socket
    this.#endpoint = endpoint
    this.#membership = membership
    this.#publish = publish
    socket.on('message', data => {
      // The first one says what to subscribe to, and there is no second try.
      if (this.#messages++ === 0) this.#subscribe(String(data))
      else if (this.#acked) this.#receive(String(data))
      else this.#early.push(String(data))
    })
  }

  /** Sends it if the client subscribed to its topic; the topic's beginning is enough. */
  deliver (topic: string, event: Event): void {
    if (!this.#acked || this.#topics?.some(prefix => topic.startsWith(prefix)) !== true) return
    this.#socket.send(encode(topic, event))
  }

  #subscribe (text: string): void {
    const topics = parse(text)
    if (!Array.isArray(topics)) {
      sendError(this.#socket, 'deserialization_failed', 'subscriptions not an array')
    } else if (!topics.every(topic => typeof topic === 'string')) {
      sendError(this.#socket, 'deserialization_failed', 'individual subscription not a string')
    } else {
      this.#topics = topics
      this.#membership.whenJoined(() => this.#ack())
    }
  }

  #ack (): void {
    this.#socket.send(JSON.stringify({ type: 'ack', endpoint: this.#endpoint, version: VERSION }))
    this.#acked = true
    for (const text of this.#early.splice(0)) this.#receive(text)
  }

  #receive (text: string): void {
    const message = decode(text)
    const event = message === undefined ? undefined : toEvent(message.value)
    if (message === undefined) sendError(this.#socket, 'deserialization_failed', 'failed to decode JSON object')
    else if (event === undefined) sendError(this.#socket, 'deserialization_failed', 'failed to create Zeek event')
    else this.#publish(message.topic, event, this)
  }
}

export function sendError (socket: WebSocket, code: string, context: string): void {
  socket.send(JSON.stringify({ type: 'error', code, context }))
}
