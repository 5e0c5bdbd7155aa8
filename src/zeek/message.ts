/** The events of Zeek's WebSocket API (`/v1/messages/json`), as far as agents and our node script exchange them. */

/** A value of Zeek with its type. */
export type Value =
  | { '@data-type': 'string', data: string }
  | { '@data-type': 'boolean', data: boolean }
  | { '@data-type': 'count', data: number }
  | { '@data-type': 'vector', data: Value[] }

export const string = (data: string): Value => ({ '@data-type': 'string', data })
export const count = (data: number): Value => ({ '@data-type': 'count', data })
export const vector = (data: Value[]): Value => ({ '@data-type': 'vector', data })

export interface ZeekEvent {
  name: string
  args: unknown[]
}

export type Message =
  | { type: 'ack' }
  | { type: 'error', context: string }
  | { type: 'event', event: ZeekEvent }

/** An event as a message on a topic: a vector of format number, message type, and name with arguments. */
export function encodeEvent (topic: string, name: string, args: Value[]): string {
  return JSON.stringify({ type: 'data-message', topic, ...vector([count(1), count(1), vector([string(name), vector(args)])]) })
}

function dataOf (value: any, type: string): any {
  if (value?.['@data-type'] !== type) throw new TypeError(`expected a ${type}`)
  return value.data
}

/** What a server sends. Throws a TypeError or SyntaxError on anything else. Arguments come without their types. */
export function decodeMessage (text: string): Message {
  const message = JSON.parse(text)
  switch (message?.type) {
    case 'ack': return { type: 'ack' }
    case 'error': return { type: 'error', context: String(message.context) }
    case 'data-message': {
      const [name, args] = dataOf(dataOf(message, 'vector')[2], 'vector')
      return { type: 'event', event: { name: dataOf(name, 'string'), args: dataOf(args, 'vector').map((arg: any) => arg?.data) } }
    }
    default: throw new TypeError(`unknown message type ${message?.type}`)
  }
}
