import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'
import { WebSocket, type ClientOptions } from 'ws'
import { encodeEvent } from '../../src/zeek/websocket/message.js'
import { string, vector, type Value } from '../../src/zeek/websocket/value.js'

/** Where requests and responses are said. */
export const topic = 'zeek/management/controller'
export const path = '/v1/messages/json'

const api = 'Management::Controller::API::'

export const bool = (data: boolean): Value => ({ '@data-type': 'boolean', data })
export const set = (data: Value[]): Value => ({ '@data-type': 'set', data })

/** A request as zeek-client sends it. */
export function requestFrame(type: string, reqid: string, args: Value[] = [], on = topic): string {
  return encodeEvent(on, { name: `${api}${type}_request`, args: vector([string(reqid), ...args]) })
}

/** What a value says, without its types: records and sets are arrays, what is absent is null. */
export function plain({ '@data-type': type, data }: any): any {
  switch (type) {
    case 'none':
      return null
    case 'vector':
    case 'set':
      return data.map(plain)
    case 'table':
      return Object.fromEntries(data.map(({ key, value }: any) => [plain(key), plain(value)]))
    default:
      return data
  }
}

/** A data message as `[event, ...arguments]`, the event without its module; anything else as it is. */
export function read(message: any): any {
  if (message.type !== 'data-message') return message
  const [name, args] = message.data[2].data
  return [name.data.replace(api, ''), ...plain(args)]
}

export interface MessagesClient {
  socket: WebSocket
  /** Every message that has come, as its text. */
  texts: readonly string[]
  send(...frames: (string | Buffer)[]): void
  /** The next message, come or to come; undefined when the socket is closed. */
  next(): Promise<any>
  /** The next message as `read` has it. */
  event(): Promise<any>
  closed: Promise<{ code: number; reason: string }>
}

/** A client over a real socket. With topics it has subscribed to them, and was acknowledged. */
export async function openClient(
  t: Pick<Test, 'teardown'>,
  port: number,
  topics: readonly string[] | null = [topic],
  { at = path, ...options }: ClientOptions & { at?: string } = {}
): Promise<MessagesClient> {
  const socket = new WebSocket(`ws${options.ca ? 's' : ''}://127.0.0.1:${port}${at}`, {
    perMessageDeflate: false,
    ...options
  })
  t.teardown(() => socket.terminate())
  const texts: string[] = []
  const come: any[] = []
  const waiting: ((message: any) => void)[] = []
  let isClosed = false
  socket.on('message', data => {
    texts.push(String(data))
    const message = JSON.parse(String(data))
    const first = waiting.shift()
    if (first) first(message)
    else come.push(message)
  })
  const closed = new Promise<{ code: number; reason: string }>(resolve =>
    socket.on('close', (code, reason) => {
      isClosed = true
      for (const resolve of waiting) resolve(undefined)
      resolve({ code, reason: String(reason) })
    })
  )
  const next = async () =>
    come.length > 0 || isClosed ? come.shift() : await new Promise(resolve => waiting.push(resolve))
  await once(socket, 'open')
  socket.on('error', () => {})
  const client: MessagesClient = {
    socket,
    texts,
    send: (...frames) => {
      for (const frame of frames) socket.send(frame)
    },
    next,
    event: async () => read(await next()),
    closed
  }
  if (topics) {
    client.send(JSON.stringify(topics))
    const ack = await next()
    if (ack?.type !== 'ack') throw new Error(`not acknowledged: ${JSON.stringify(ack)}`)
  }
  return client
}

/** The bytes of a request for a WebSocket. A header that is null is left out. */
export function upgradeText(port: number, { at = path, headers = {} as Record<string, string | null> } = {}): string {
  const all = {
    host: `127.0.0.1:${port}`,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    'sec-websocket-version': '13',
    ...headers
  }
  const lines = Object.entries(all).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}\r\n`]))
  return `GET ${at} HTTP/1.1\r\n${lines.join('')}\r\n`
}

/** A frame of a client, whose mask changes nothing. */
export function frame(payload: string | Buffer, { opcode = 1, fin = true } = {}): Buffer {
  const body = Buffer.from(payload)
  const head = body.length < 126 ? Buffer.from([0, 0x80 | body.length]) : Buffer.alloc(body.length < 65536 ? 4 : 10)
  if (head.length === 4) {
    head[1] = 0x80 | 126
    head.writeUInt16BE(body.length, 2)
  } else if (head.length === 10) {
    head[1] = 0x80 | 127
    head.writeBigUInt64BE(BigInt(body.length), 2)
  }
  head[0] = (fin ? 0x80 : 0) | opcode
  return Buffer.concat([head, Buffer.alloc(4), body])
}

export interface RawClient {
  socket: Socket
  /** What has come so far. */
  text: () => string
  /** Resolves with all that has come, once the other end is done. */
  ended: Promise<string>
}

/** A bare connection: what comes is read, unless one is asked not to. It does not end because the other end does. */
export async function openRaw(t: Test, port: number, text = '', { reads = true } = {}): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  let come = ''
  socket.on('error', () => {})
  const ended = new Promise<string>(resolve => {
    socket.on('end', () => resolve(come))
    socket.on('close', () => resolve(come))
  })
  if (reads) {
    socket.setEncoding('latin1').on('data', chunk => {
      come += chunk
    })
  }
  await once(socket, 'connect')
  socket.write(text)
  return { socket, text: () => come, ended }
}
