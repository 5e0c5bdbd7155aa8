import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { WebSocket, WebSocketServer } from 'ws'
import { Client, sendError } from './client.js'
import type { Identifiers } from './identifiers.js'
import type { Membership } from './membership.js'
import { boolean, REQUEST, RESPONSE, string, type Event } from './message.js'
import { error, fatal } from './report.js'

const PATH = '/v1/messages/json'
const PING_MS = 5000

/** Zeek's WebSocket API together with what zeek-cluster-controller.zeek does. */
export class Listener {
  readonly #server: WebSocketServer
  readonly #clients = new Set<Client>()
  #connections = 0

  /** `answers` is undefined for a node that is to be mute. */
  static async open (
    port: number, topic: string, node: string, nodeId: string, membership: Membership, answers?: Identifiers
  ): Promise<Listener> {
    // Loaded late: most of the stand-in's failures do not need it.
    const { WebSocketServer } = await import('ws')
    const server = new WebSocketServer({ host: '127.0.0.1', port })
    try {
      await once(server, 'listening')
    } catch (cause) {
      error(`Failed to listen on 127.0.0.1:${port}: ${(cause as Error).message}`)
      fatal(`zeek-cluster-controller: cannot listen on 127.0.0.1:${port}/tcp`)
    }
    return new Listener(server, topic, node, nodeId, membership, answers)
  }

  private constructor (
    server: WebSocketServer, topic: string, node: string, nodeId: string, membership: Membership,
    answers?: Identifiers
  ) {
    this.#server = server
    const publish = (to: string, event: Event, from?: Client): void => {
      for (const client of this.#clients) if (client !== from) client.deliver(to, event)
      if (event.name !== REQUEST || answers === undefined || !to.startsWith(topic)) return
      const [reply, reqid, id] = event.args.map(arg => String(arg.data)) as [string, string, string]
      const { success, value } = answers.lookup(id)
      publish(reply, { name: RESPONSE, args: [string(reqid), string(node), boolean(success), string(value)] })
    }
    server.on('connection', (socket, request) => {
      const endpoint = `${nodeId}-websocket-${this.#connections++}`
      socket.on('error', () => socket.terminate())
      const complaint = complaintAbout(request)
      if (complaint !== undefined) {
        sendError(socket, ...complaint)
        socket.close(1008, complaint[1])
        return
      }
      const client = new Client(socket, endpoint, membership, publish)
      this.#clients.add(client)
      const pings = setInterval(() => socket.ping(), PING_MS)
      socket.on('close', () => {
        clearInterval(pings)
        this.#clients.delete(client)
      })
    })
  }

  /** As a node does which ends. */
  close (): void {
    for (const socket of this.#server.clients) (socket as WebSocket).close(1001, 'Terminating')
    this.#server.close()
  }
}

function complaintAbout ({ url, headers }: IncomingMessage): [code: string, context: string] | undefined {
  if (url !== PATH) return ['invalid_uri', `Invalid URI - use ${PATH}`]
  const application = headers['x-application-name'] ?? 'unknown'
  if (!/^[-/_.=:*@a-zA-Z0-9]*$/.test(String(application))) {
    return ['invalid_application_name', 'Invalid X-Application-Name']
  }
  return undefined
}
