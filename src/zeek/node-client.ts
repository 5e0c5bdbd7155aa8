import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { AppError } from '../errors.js'
import { decodeServerMessage, encodeEvent, eventOf } from './message.js'
import { bool, record, text } from './record.js'
import { FormatError } from './value.js'

const retryMs = 250
/** The events of our script, `zeek-cluster-controller.zeek`. */
const idValueRequest = record({ reply_topic: text, reqid: text, id: text })
const idValueResponse = record({ reqid: text, node: text, success: bool, value: text })

const maxMessageBytes = 64 * 1024 * 1024

/**
 * The agent's connection to one node, through the listener that our script opens there. The node acknowledges it
 * only when it can publish: that is when it has joined the cluster. Reconnects until it is closed.
 */
export class NodeClient {
  #url: string
  #node: string
  #replyTopic = `zeek/cluster-controller/agent/${randomUUID()}/`
  #closing = new AbortController()
  #dialed: WebSocket | undefined
  /** The one that the node has acknowledged. */
  #socket: WebSocket | undefined
  #asked = new Map<string, (answer: { success: boolean, value: string }) => void>()
  #onJoined: () => void

  /** `onJoined` is called each time that the node acknowledges us. */
  constructor (node: string, port: number, onJoined: () => void) {
    this.#node = node
    this.#url = `ws://127.0.0.1:${port}/v1/messages/json`
    this.#onJoined = onJoined
    void this.#live(this.#closing.signal)
  }

  close (): void {
    this.#closing.abort()
    this.#dialed?.terminate()
  }

  /**
   * The value of a global identifier, as a JSON text. Throws `not_found` with Zeek's "unknown id" or "no ID value",
   * and `unavailable` when the node does not answer before the signal aborts.
   */
  async idValue (id: string, signal: AbortSignal): Promise<string> {
    const reqid = randomUUID()
    const socket = this.#socket
    const notRunning = new AppError('unavailable', `cluster node ${this.#node} not in running state`)
    if (!socket) throw notRunning
    let giveUp = () => {}
    let gone = () => {}
    try {
      return await new Promise<string>((resolve, reject) => {
        giveUp = () => reject(new AppError('unavailable', 'request timed out'))
        gone = () => reject(notRunning)
        if (signal.aborted) return giveUp()
        signal.addEventListener('abort', giveUp)
        socket.once('close', gone)
        this.#asked.set(reqid, ({ success, value }) => success ? resolve(value) : reject(new AppError('not_found', value)))
        socket.send(encodeEvent(`zeek/cluster-controller/node/${this.#node}/`, {
          name: 'ZeekClusterController::id_value_request', args: idValueRequest.encode({ reply_topic: this.#replyTopic, reqid, id })
        }))
      })
    } finally {
      this.#asked.delete(reqid)
      signal.removeEventListener('abort', giveUp)
      socket.off('close', gone)
    }
  }

  async #live (closing: AbortSignal): Promise<void> {
    while (!closing.aborted) {
      const socket = new WebSocket(this.#url, {
        maxPayload: maxMessageBytes, perMessageDeflate: false, handshakeTimeout: 5000, headers: { 'x-application-name': 'zeek-cluster-agent' }
      })
      this.#dialed = socket
      // The node is still starting, or gone: the next attempt, or its exit, tells.
      socket.on('error', () => socket.terminate())
      socket.on('open', () => socket.send(JSON.stringify([this.#replyTopic])))
      socket.on('message', data => this.#receive(socket, String(data)))
      await once(socket, 'close').catch(() => {})
      this.#socket = undefined
      await sleep(retryMs, undefined, { signal: closing }).catch(() => {})
    }
  }

  #receive (socket: WebSocket, frame: string): void {
    try {
      const received = decodeServerMessage(frame)
      if (received.type === 'ack') {
        this.#socket = socket
        this.#onJoined()
      } else if (received.type === 'data') {
        const { name, args } = eventOf(received.message.data)
        if (name !== 'ZeekClusterController::id_value_response') return
        const { reqid, ...answer } = idValueResponse.decode(args, name)
        this.#asked.get(reqid)?.(answer)
      }
    } catch (error) {
      // Not of this conversation.
      if (!(error instanceof FormatError)) throw error
    }
  }
}
