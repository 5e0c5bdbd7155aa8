import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Logger } from 'pino'
import { AppError, messageOf } from '../errors.js'
import { headersOf, problemOf } from './problem.js'

const ignore = () => {}

/**
 * Hands connections that ask for a WebSocket to `accept`, which may throw an AppError to refuse them, or do so later by
 * the function that it gets. Upgrades to other protocols (Java's client sends "Upgrade: h2c" by itself) are ignored, as
 * HTTP allows.
 */
export function takeUpgrades(
  server: Server,
  accept: (request: IncomingMessage, socket: Socket, head: Buffer, refuse: (error: unknown) => void) => void,
  log: Logger
): void {
  server.on('upgrade', (request, socket: Socket, head) => {
    // Nothing else handles its errors now, and a broken connection is not an error of the server.
    socket.on('error', ignore)
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
      // Not at once: Node is still processing the data that came with it.
      setImmediate(resume, server, request, socket, head)
      return
    }
    try {
      accept(request, socket, head, error => refuse(socket, error, log))
    } catch (error) {
      refuse(socket, error, log)
    }
  })
}

/** Has the server read the request once more, without its Upgrade header. */
function resume(
  server: Server,
  { method, url, httpVersion, rawHeaders }: IncomingMessage,
  socket: Socket,
  head: Buffer
): void {
  const lines = rawHeaders.flatMap((name, at) => {
    if (at % 2 === 1 || /^(upgrade|http2-settings)$/i.test(name)) return []
    const value = rawHeaders[at + 1]!
    if (!/^connection$/i.test(name)) return [`${name}: ${value}\r\n`]
    return [
      `${name}: ${value
        .split(',')
        .filter(token => !/^\s*(upgrade|http2-settings)\s*$/i.test(token))
        .join(',')}\r\n`
    ]
  })
  socket.unshift(
    Buffer.concat([Buffer.from(`${method} ${url} HTTP/${httpVersion}\r\n${lines.join('')}\r\n`, 'latin1'), head])
  )
  server.emit(socket instanceof TLSSocket ? 'secureConnection' : 'connection', socket)
  socket.off('error', ignore)
}

/** Answers what Node cannot parse as a request, unless a response on the connection was already started. */
export function refuseMessage(
  error: NodeJS.ErrnoException,
  socket: Socket & { _httpMessage?: { headersSent: boolean } },
  log: Logger
): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket._httpMessage?.headersSent) {
    socket.destroy()
    return
  }
  const code =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? 'headers_too_large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 'request_timeout'
        : 'invalid_request'
  refuse(socket, new AppError(code, messageOf(error)), log)
}

function refuse(socket: Socket, error: unknown, log: Logger): void {
  const { problem, foreseen } = problemOf(error)
  if (!foreseen) log.error({ err: error }, 'an upgrade failed')
  const body = JSON.stringify(problem)
  const headers = Object.entries(headersOf(problem)).map(([name, value]) => `${name}: ${value}\r\n`)
  // The server does not close a connection that asked for an upgrade.
  socket.once('finish', () => socket.destroy())
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nconnection: close\r\n${headers.join('')}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
}
