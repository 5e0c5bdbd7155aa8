/** A value in Broker's JSON format. */
export interface Value { '@data-type': string, data: unknown }

export interface Message { topic: string, value: Value }

export interface Event { name: string, args: Value[] }

export const REQUEST = 'ZeekClusterController::id_value_request'
export const RESPONSE = 'ZeekClusterController::id_value_response'

/** The events that the stand-in's scripts declare, with their arguments' types. */
const EVENTS: Record<string, string[]> = {
  [REQUEST]: ['string', 'string', 'string'],
  [RESPONSE]: ['string', 'string', 'boolean', 'string']
}

const TYPES: Record<string, (data: unknown) => boolean> = {
  none: data => isObject(data),
  boolean: data => typeof data === 'boolean',
  count: data => Number.isInteger(data) && Number(data) >= 0,
  integer: data => Number.isInteger(data),
  real: data => typeof data === 'number',
  vector: data => Array.isArray(data) && data.every(isValue),
  set: data => Array.isArray(data) && data.every(isValue),
  table: data => Array.isArray(data) && data.every(row => isObject(row) && isValue(row['key']) && isValue(row['value'])),
  ...Object.fromEntries(['string', 'address', 'subnet', 'port', 'enum-value', 'timespan', 'timestamp']
    .map(type => [type, (data: unknown) => typeof data === 'string']))
}

export function string (data: string): Value {
  return { '@data-type': 'string', data }
}

export function boolean (data: boolean): Value {
  return { '@data-type': 'boolean', data }
}

export function decode (text: string): Message | undefined {
  const message = parse(text)
  if (!isObject(message) || message['type'] !== 'data-message') return undefined
  if (typeof message['topic'] !== 'string' || !isValue(message)) return undefined
  return { topic: message['topic'], value: message }
}

/** The event in a message, if it is one that the scripts know: its name and its arguments. */
export function toEvent ({ data }: Value): Event | undefined {
  const inner = items(items(data)[2])
  const name = inner[0]?.data
  const args = items(inner[1])
  const types = typeof name === 'string' ? EVENTS[name] : undefined
  if (types === undefined || types.length !== args.length) return undefined
  if (!args.every((arg, index) => arg['@data-type'] === types[index])) return undefined
  return { name: String(name), args }
}

export function encode (topic: string, { name, args }: Event): string {
  const count: Value = { '@data-type': 'count', data: 1 }
  const event = vector([string(name), vector(args)])
  return JSON.stringify({ type: 'data-message', topic, ...vector([count, count, event]) })
}

/** Undefined for what is not JSON. */
export function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function vector (data: Value[]): Value {
  return { '@data-type': 'vector', data }
}

/** The values in a vector, or in its data; none in anything else. */
function items (vector: unknown): Value[] {
  const data = isObject(vector) ? vector['data'] : vector
  return Array.isArray(data) ? data : []
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isValue (value: unknown): value is Record<string, unknown> & Value {
  if (!isObject(value) || typeof value['@data-type'] !== 'string') return false
  return Object.hasOwn(TYPES, value['@data-type']) && TYPES[value['@data-type']]!(value['data'])
}
