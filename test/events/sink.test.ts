import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { chunkOf, contentOf, ResponseSink, type Sink } from '../../src/events/sink.js'
import { createAuthority } from '../support/certificates.js'
import { directoryOf } from '../support/directory.js'

/** As anyone would write it. */
class PlainSink implements Sink {
  #response: ServerResponse
  constructor(response: ServerResponse) {
    this.#response = response
  }
  write(chunk: Buffer): boolean {
    return this.#response.write(contentOf(chunk))
  }
  end(): void {
    this.#response.end()
  }
  destroy(): void {
    this.#response.destroy()
  }
  on(event: 'drain' | 'close', listener: () => void): void {
    this.#response.on(event, listener)
  }
}

interface Case {
  version?: '1.0' | '1.1'
  tls?: boolean
  /** The stream begins while an earlier request of the connection is not answered. */
  pipelined?: boolean
  /** The reader reads nothing until the sink has no room; then the stream ends at once. */
  stalls?: boolean
}

// Of one byte, of more than one, of more than a socket takes at once; and what looks like the frame of a chunk.
const texts = [
  'a',
  'ä\n',
  '5\r\nhello\r\n0\r\n\r\n',
  'x'.repeat(100_000),
  ...Array.from({ length: 300 }, (_, n) => `${n} `.repeat(n + 1))
]
const huge = 'y'.repeat(1_000_000)

/**
 * Writes texts as a follower does: not while there is no room. Ends when all are written, or at the first lack of room.
 */
async function stream(sink: Sink, { stalls = false }: Case): Promise<string> {
  let written = ''
  let drained = () => {}
  sink.on('drain', () => drained())
  for (let n = 0; stalls ? n < 100 : n < texts.length; n++) {
    const text = stalls ? huge : texts[n]!
    written += text
    const room = new Promise<void>(resolve => {
      drained = resolve
    })
    if (sink.write(chunkOf(text))) {
      // Some in the same turn, some in turns of their own.
      if (n % 3 === 0) await new Promise(resolve => setImmediate(resolve))
    } else if (stalls) break
    else await room
  }
  sink.end()
  return written
}

/** What a client got on a connection, whose last response is the stream. */
async function receive(
  t: Test,
  make: (response: ServerResponse) => Sink,
  one: Case,
  certificate: { key: Buffer; cert: Buffer }
): Promise<{ bytes: string; written: string }> {
  let begun: (written: Promise<string>) => void
  const written = new Promise<string>(resolve => {
    begun = resolve
  })
  let answerFirst = () => {}
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/first') {
      answerFirst = () => response.writeHead(200, { 'content-length': 5 }).end('first')
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    const sink = make(response)
    if (one.pipelined) {
      t.equal(response.socket, null)
      sink.write(chunkOf('early'))
      setImmediate(() => answerFirst())
    }
    begun(stream(sink, one).then(text => (one.pipelined ? `early${text}` : text)))
  }
  const server: Server = one.tls ? createTlsServer(certificate, listener) : createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket: Socket = one.tls
    ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    : connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  await once(socket, one.tls ? 'secureConnect' : 'connect')
  const get = (path: string) => `GET ${path} HTTP/${one.version ?? '1.1'}\r\nHost: x\r\n`
  socket.write(`${one.pipelined ? `${get('/first')}\r\n` : ''}${get('/stream')}Connection: close\r\n\r\n`)
  if (one.stalls) {
    socket.pause()
    await written
  }
  socket.on('data', chunk => chunks.push(chunk)).resume()
  await once(socket, 'close')
  server.close()
  return { bytes: Buffer.concat(chunks).toString('latin1'), written: await written }
}

/**
 * The body of the last response in these bytes, as Node's own parser reads it; it throws when the body is not whole.
 */
async function decode(bytes: string): Promise<string> {
  const response = bytes.slice(bytes.lastIndexOf('HTTP/1.1 200 OK'))
  const connection = new Duplex({
    read() {},
    write(_chunk, _encoding, done) {
      done()
    }
  })
  const asked = request({ createConnection: () => connection }).end()
  connection.push(Buffer.from(response, 'latin1'))
  connection.push(null)
  const [message] = (await once(asked, 'response')) as [IncomingMessage]
  let body = ''
  for await (const part of message.setEncoding('utf8')) body += part
  if (!message.complete) throw new Error('the body is not whole')
  return body
}

const cases: [string, Case][] = [
  ['plain', {}],
  ['TLS', { tls: true }],
  ['HTTP/1.0', { version: '1.0' }],
  ['behind another request', { pipelined: true }],
  ['behind another request, with TLS', { pipelined: true, tls: true }],
  ['ends while its reader stalls', { stalls: true }],
  ['ends while its reader stalls, with TLS', { stalls: true, tls: true }],
  ['ends while its reader of HTTP/1.0 stalls', { stalls: true, version: '1.0' }]
]

await t.test('what goes straight to the socket is what the response would have written', async t => {
  const paths = createAuthority(directoryOf(t)).issue('controller', 'c')
  const certificate = { cert: readFileSync(paths.cert), key: readFileSync(paths.key) }
  for (const [name, one] of cases) {
    await t.test(name, async t => {
      const fast = await receive(t, response => new ResponseSink(response), one, certificate)
      const plain = await receive(t, response => new PlainSink(response), one, certificate)
      for (const { bytes, written } of [fast, plain]) {
        t.ok((await decode(bytes)) === written, 'all has come, once and in order')
      }
      const head = ({ bytes }: { bytes: string }) =>
        bytes.slice(0, bytes.indexOf('\r\n\r\n')).replace(/^Date: .*$/m, '')
      t.equal(head(fast), head(plain))
      if (!one.stalls) t.ok(fast.bytes.length === plain.bytes.length, 'framed the same')
    })
  }
})
