import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import type { Issued } from '../support/certificates.js'

/** What a receiver has got. */
export interface Received {
  method: string
  path: string
  headers: IncomingMessage['headers']
  body: string
}

type Answer = (received: Received, response: ServerResponse, request: IncomingMessage) => void

const ok: Answer = (_received, response) => response.end('ok')

/** An HTTP server that notifications are sent to, which answers as a test wants. */
export async function startReceiver(t: Test, answer: Answer = ok, tls?: Issued, port = 0) {
  const received: Received[] = []
  const behaviour = { answer }
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url: path = '', headers } = request
    text(request)
      .then(body => {
        const one = { method, path, headers, body }
        received.push(one)
        behaviour.answer(one, response, request)
      })
      // The sender has gone.
      .catch(() => {})
  }
  const server = tls
    ? createSecureServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, handle)
    : createServer(handle)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http${tls ? 's' : ''}://127.0.0.1:${bound}`,
    port: bound,
    received,
    /** The notifications, of the template json. */
    get notifications(): any[] {
      return received.map(({ body }) => JSON.parse(body).data)
    },
    behave: (next: Answer) => {
      behaviour.answer = next
    }
  }
}
