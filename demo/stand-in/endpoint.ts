import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'

/** "tcp://127.0.0.1:5555" and "tcp://[::1]:5555", as ZeroMQ has them. */
export function parseEndpoint(text: string): { host: string; port: number } | undefined {
  const match = /^tcp:\/\/(?:\[([\da-fA-F:.]+)\]|([^:[\]]+)):(\d+)$/.exec(text)
  if (match === null) return undefined
  const host = match[1] ?? match[2]!
  return { host: host === '*' ? '::' : host, port: Number(match[3]) }
}

/** An address as in a URL. */
export function uriHost(ip: string): string {
  return ip.includes(':') ? `[${ip}]` : ip
}

export async function listen(host: string | undefined, port: number, greet: (socket: Socket) => void): Promise<Server> {
  const server = createServer(socket => {
    // A peer which is gone is no error of ours.
    socket.on('error', () => socket.destroy())
    socket.resume()
    greet(socket)
  })
  server.listen(port, host)
  await once(server, 'listening')
  return server
}
