import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { ConnectionOptions, Server as TlsServer } from 'node:tls'
import { WebSocket, WebSocketServer } from 'ws'
import type { Certificates } from '../security/certificates.js'
import { hasSeveralHosts } from '../authority.js'
import { AppError, messageOf, statusOf } from '../errors.js'
import { hostPort } from '../util.js'
import { maxAnswerBytes } from './link.js'
import type { Receiver, Transport } from './transport.js'

/** Largest frame, in bytes: the share of a large instance fits, a flood does not. */
export const maxFrameBytes = 64 * 1024 * 1024

/** How much of what the other end sends is taken. */
export interface Intake {
  /** Largest frame, in bytes. */
  frameBytes: number
  /** Bytes that are read in a second in the long run: what comes faster waits in the sender. */
  bytesPerSecond?: number
}

/** Intake from a controller, which its agents obey anyway. */
const fromController: Intake = { frameBytes: maxFrameBytes }
/** Intake from an agent: one in the wrong hands must leave the controller its time for all others. */
export const fromAgent: Intake = { frameBytes: maxAnswerBytes + 1024, bytesPerSecond: 4 * 1024 * 1024 }

/** What a frame counts at least, in bytes: small ones cost more than their bytes. */
const leastBytes = 1024
/** For how long a sender may exceed the rate at once, in seconds. */
const burstSeconds = 8

/** Transport over a WebSocket. */
export class WebSocketTransport implements Transport {
  #socket: WebSocket
  #receiver: Receiver | undefined
  #failure: string | undefined
  /** What arrived before there was a receiver: an end may send in the same packet in which the socket opens. */
  #early: (() => void)[] = []
  #bytesPerSecond: number
  /** Seconds of reading, at the rate, that are ahead of the clock. */
  #ahead = { seconds: 0, at: performance.now() }
  #resuming: NodeJS.Timeout | undefined

  constructor(socket: WebSocket, { bytesPerSecond = Infinity }: Intake = fromController) {
    this.#socket = socket
    this.#bytesPerSecond = bytesPerSecond
    socket.on('message', data => {
      this.#pace((data as Buffer).length)
      this.#tell(receiver => receiver.message(String(data)))
    })
    for (const control of ['ping', 'pong'] as const) socket.on(control, () => this.#pace(0))
    socket.on('error', error => {
      this.#failure = error.message
    })
    socket.once('close', (_code, reason) => {
      clearTimeout(this.#resuming)
      this.#tell(receiver => receiver.closed(this.#failure ?? (String(reason) || 'the connection was lost')))
    })
  }

  send(text: string): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return
    this.#socket.send(text)
    // The other end does not read. Cutting it off costs a reconnect, keeping it costs the memory.
    if (this.#socket.bufferedAmount > 2 * maxFrameBytes) this.#socket.terminate()
  }

  async close(reason: string): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return
    const closed = new Promise(resolve => this.#socket.once('close', resolve))
    // At most 123 bytes are allowed; a character that is cut becomes a replacement character of three bytes.
    this.#socket.close(1000, Buffer.from(reason).subarray(0, 120).toString())
    const patience = setTimeout(() => this.#socket.terminate(), 1000)
    await closed
    clearTimeout(patience)
  }

  receive(receiver: Receiver): void {
    this.#receiver = receiver
    for (const tell of this.#early.splice(0)) tell()
  }

  /** Stops reading for as long as the sender is too far ahead of the rate. */
  #pace(bytes: number): void {
    const now = performance.now()
    const { seconds, at } = this.#ahead
    const ahead = Math.max(0, seconds - (now - at) / 1000) + Math.max(bytes, leastBytes) / this.#bytesPerSecond
    this.#ahead = { seconds: ahead, at: now }
    if (ahead <= burstSeconds || this.#socket.isPaused) return
    this.#socket.pause()
    this.#resuming = setTimeout(() => this.#socket.resume(), (ahead - burstSeconds) * 1000)
  }

  #tell(what: (receiver: Receiver) => void): void {
    if (this.#receiver) what(this.#receiver)
    else this.#early.push(() => what(this.#receiver!))
  }
}

interface DialOptions {
  headers?: { authorization?: string }
  tls?: ConnectionOptions | undefined
  intake?: Intake
}

/** Opens a WebSocket. Rejects when that fails or the signal aborts first. */
export async function dial(
  url: string,
  signal: AbortSignal,
  { headers = {}, tls = {}, intake = fromController }: DialOptions = {}
): Promise<WebSocketTransport> {
  const socket = new WebSocket(url, {
    ...tls,
    maxPayload: intake.frameBytes,
    // As a server has it by itself.
    maxFragments: 16 * 1024,
    perMessageDeflate: false,
    handshakeTimeout: 5000,
    headers
  })
  const transport = new WebSocketTransport(socket, intake)
  try {
    await once(socket, 'open', { signal })
    return transport
  } catch (error) {
    socket.terminate()
    throw error
  }
}

export interface ListenOptions<T> {
  host: string
  port: number
  path: string
  certificates?: Certificates | undefined
  intake?: Intake
  /** Throws an AppError to refuse the request. */
  admit: (request: IncomingMessage) => T
  /** Called with each WebSocket, the address that it comes from, and what `admit` returned for its request. */
  onTransport: (transport: WebSocketTransport, peerAddress: string, admitted: T) => void
}

export interface LinkServer {
  server: Server
  close(): Promise<void>
}

/** Accepts WebSockets at a path. Throws `unavailable` when it cannot listen. */
export async function listen<T>({
  host,
  port,
  path,
  certificates,
  intake = fromController,
  admit,
  onTransport
}: ListenOptions<T>): Promise<LinkServer> {
  const admitted = new WeakMap<IncomingMessage, T>()
  const refuse = (request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(hasSeveralHosts(request) ? 400 : 426).end()
  }
  const http = certificates
    ? createTlsServer({ ...certificates.options, rejectUnauthorized: false }, refuse)
    : createServer(refuse)
  if (certificates) certificates.serve(http as TlsServer)
  const server = new WebSocketServer({
    server: http,
    path,
    maxPayload: intake.frameBytes,
    perMessageDeflate: false,
    // Only browsers send an Origin, the page's, and no page is an agent or a controller.
    verifyClient: (
      { req }: { req: IncomingMessage },
      done: (verified: boolean, status?: number, text?: string) => void
    ) => {
      if (req.headers.origin !== undefined) return done(false, 403)
      if (hasSeveralHosts(req)) return done(false, 400)
      try {
        admitted.set(req, admit(req))
        done(true)
      } catch (error) {
        if (error instanceof AppError) done(false, statusOf[error.code], error.message)
        else done(false, statusOf.internal)
      }
    }
  })
  server.on('connection', (socket, request) =>
    onTransport(new WebSocketTransport(socket, intake), request.socket.remoteAddress ?? '', admitted.get(request)!)
  )
  // The WebSocketServer hands on what the HTTP server reports.
  server.on('error', () => {})
  try {
    http.listen(port, host)
    await once(http, 'listening')
  } catch (error) {
    throw new AppError('unavailable', `cannot listen on ${hostPort(host, port)}: ${messageOf(error)}`, { cause: error })
  }
  return {
    server: http,
    close: async () => {
      for (const client of server.clients) client.terminate()
      const closed = new Promise(resolve => http.close(resolve))
      // Also connections that have sent nothing yet.
      http.closeAllConnections()
      await closed
    }
  }
}
