/** The messages of Zeek's WebSocket API (`/v1/messages/json`), as both ends read and write them. */
import { count, decodeValue, encodeMembers, FormatError, membersOf, string, vector, type Value } from './value.js'

/** The path of the API. */
export const messagesPath = '/v1/messages/json'

/** An event `Name(args)`. Metadata is neither read nor written. */
export interface ZeekEvent {
  name: string
  args: Value
}

export interface DataMessage {
  topic: string
  data: Value
}

export type ServerMessage =
  { type: 'ack' } | { type: 'error'; context: string } | { type: 'data'; message: DataMessage }

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function parse(text: string): unknown {
  const json = tryParse(text)
  if (json === undefined) throw new FormatError('message', 'is not JSON')
  return json
}

/** Returns an event as a message on a topic: a vector of format number, message type, and name with arguments. */
export function encodeEvent(topic: string, { name, args }: ZeekEvent): string {
  return `{"type":"data-message","topic":${JSON.stringify(topic)},${encodeMembers(vector([count(1), count(1), vector([string(name), args])]))}}`
}

/** Parses a data message; the topic is empty when there is none. Throws a FormatError. */
export function decodeData(text: string): DataMessage {
  return dataMessage(parse(text))
}

function dataMessage(json: unknown): DataMessage {
  const { type, topic = '' } = membersOf(json)
  if (type !== 'data-message') throw new FormatError('message', 'must be of type data-message')
  if (typeof topic !== 'string') throw new FormatError('topic', 'must be a string')
  return { topic, data: decodeValue(json, 'data') }
}

/** Returns the event in a data message. Throws a FormatError when there is none. */
export function eventOf({ '@data-type': type, data }: Value): ZeekEvent {
  const inner = type === 'vector' ? data[2] : undefined
  const [name, args] = inner?.['@data-type'] === 'vector' ? inner.data : []
  if (name?.['@data-type'] !== 'string' || args?.['@data-type'] !== 'vector') {
    throw new FormatError('data', 'must be an event: format, type, and name with arguments')
  }
  return { name: name.data, args }
}

/**
 * Parses the first message of a client: the prefixes of the topics that it wants. Throws a FormatError whose text is
 * Zeek's.
 */
export function decodeSubscriptions(text: string): string[] {
  const topics = tryParse(text)
  if (!Array.isArray(topics)) throw new FormatError('subscriptions', 'not an array')
  if (!topics.every(topic => typeof topic === 'string')) {
    throw new FormatError('individual subscription', 'not a string')
  }
  return topics
}

/** Parses a message of a server. Throws a FormatError on anything else. */
export function decodeServerMessage(text: string): ServerMessage {
  const json = parse(text)
  const { type, context } = membersOf(json)
  switch (type) {
    case 'ack':
      return { type: 'ack' }
    case 'error':
      if (typeof context !== 'string') throw new FormatError('context', 'must be a string')
      return { type: 'error', context }
    default:
      return { type: 'data', message: dataMessage(json) }
  }
}

export function encodeAck(endpoint: string, version: string): string {
  return JSON.stringify({ type: 'ack', endpoint, version })
}

export function encodeError(code: string, context: string): string {
  return JSON.stringify({ type: 'error', code, context })
}
