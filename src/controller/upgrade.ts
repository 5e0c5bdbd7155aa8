import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Logger } from 'pino'
import { problemOf } from './problem.js'

/**
 * Has connections that ask for a WebSocket handed to `accept`, which may throw an AppError: that refuses them. Whatever
 * else a client would rather speak (Java's sends "Upgrade: h2c" unasked) is ignored, as HTTP allows.
 */
export function takeUpgrades (server: Server, accept: (request: IncomingMessage, socket: Duplex, head: Buffer) => void, log: Logger): void {
  server.on('upgrade', (request, socket, head) => {
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') return resume(server, request, socket, head)
    const ignore = () => {}
    socket.on('error', ignore)
    try {
      accept(request, socket, head)
    } catch (error) {
      refuse(socket, error, log)
    }
  })
}

/** Has the server read the request once more, without its wish. */
function resume (server: Server, { method, url, httpVersion, rawHeaders }: IncomingMessage, socket: Duplex, head: Buffer): void {
  const headers = rawHeaders.flatMap((name, at) => at % 2 === 1 || /^(upgrade|http2-settings)$/i.test(name) ? [] : [`${name}: ${/^connection$/i.test(name) ? 'close' : rawHeaders[at + 1]}\r\n`])
  socket.unshift(Buffer.concat([Buffer.from(`${method} ${url} HTTP/${httpVersion}\r\n${headers.join('')}\r\n`, 'latin1'), head]))
  server.emit('connection', socket)
}

function refuse (socket: Duplex, error: unknown, log: Logger): void {
  const { problem, foreseen } = problemOf(error)
  if (!foreseen) log.error({ err: error }, 'an upgrade failed')
  const body = JSON.stringify(problem)
  socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nconnection: close\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
}
