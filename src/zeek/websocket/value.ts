import { isIP } from 'node:net'
import { cut } from '../../../schemas/cut.js'
import { AppError } from '../../errors.js'

/** The types of the format, and what each holds. Numbers and texts are as in JSON. */
interface Data {
  none: Record<string, never>
  boolean: boolean
  count: number
  integer: number
  real: number
  string: string
  'enum-value': string
  address: string
  subnet: string
  port: string
  timespan: string
  timestamp: string
  vector: Value[]
  set: Value[]
  table: Entry[]
}

export type DataType = keyof Data
export type DataOf<T extends DataType> = Data[T]

/** A typed value of Zeek, as on the wire of the WebSocket API (Broker's manual, "Data Representation"). */
export type Value = { [T in DataType]: { '@data-type': T; data: Data[T] } }[DataType]

export interface Entry {
  key: Value
  value: Value
}

/** A value that is not of the format, or not what was expected. `at` is the path of the value at fault. */
export class FormatError extends AppError {
  constructor(at: string, message: string) {
    super('invalid_request', `${at} ${message}`, { errors: [{ field: at, message }] })
  }
}

/** Returns received text, shortened for a message to people. */
export const excerpt = (text: string) => JSON.stringify(cut(text, 65))

export const none: Value = { '@data-type': 'none', data: {} }
export const string = (data: string): Value => ({ '@data-type': 'string', data })
export const count = (data: number): Value => ({ '@data-type': 'count', data })
export const vector = (data: Value[]): Value => ({ '@data-type': 'vector', data })

/** Returns the members of parsed JSON: none where it is no object. */
export function membersOf(json: unknown): Readonly<Record<string, unknown>> {
  return (json ?? {}) as Record<string, unknown>
}

/** Deeper than any record of ours, and far from overflowing the stack. */
const maxDepth = 64

/** Checks for the text forms that Zeek prints, and those that it also reads. Each takes linear time. */
const texts = {
  string: (_text: string) => true,
  'enum-value': (text: string) => text !== '',
  address: isAddress,
  subnet: (text: string) => {
    const [, address, length] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? []
    return address !== undefined && isAddress(address) && Number(length) <= (address.includes(':') ? 128 : 32)
  },
  port: (text: string) => Number(/^(\d{1,5})\/(?:tcp|udp|icmp|unknown|\?)$/.exec(text)?.[1] ?? NaN) <= 65535,
  timespan: (text: string) => /^-?\d+(?:\.\d+)?(?:ns|us|ms|s|min|h|d)$/.test(text),
  timestamp: (text: string) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?$/.test(text)
}

function isAddress(text: string): boolean {
  // Node accepts zones (fe80::1%eth0), Zeek does not.
  return text.length <= 45 && !text.includes('%') && isIP(text) !== 0
}

/**
 * Returns a checked value from parsed JSON; members that the format does not define are left out. Throws a FormatError.
 * Counts and integers beyond 2^53 - 1 are refused: JSON.parse has rounded them.
 */
// eslint-disable-next-line complexity -- a case for each type of the format, all alike
export function decodeValue(json: unknown, at: string, depth = 0): Value {
  if (depth > maxDepth) throw new FormatError(at, `is nested more than ${maxDepth} deep`)
  const { '@data-type': type, data } = membersOf(json)
  switch (type) {
    case 'none':
      return none
    case 'boolean':
      if (typeof data !== 'boolean') throw new FormatError(at, 'must hold true or false')
      return { '@data-type': type, data }
    case 'count':
    case 'integer':
    case 'real':
      if (!isNumber(type, data)) throw new FormatError(at, `must hold a number of type ${type}`)
      return { '@data-type': type, data } as Value
    case 'string':
    case 'enum-value':
    case 'address':
    case 'subnet':
    case 'port':
    case 'timespan':
    case 'timestamp':
      if (typeof data !== 'string' || !texts[type](data)) {
        throw new FormatError(at, `must hold the text of type ${type}`)
      }
      return { '@data-type': type, data } as Value
    case 'vector':
    case 'set':
      if (!Array.isArray(data)) throw new FormatError(at, 'must hold an array')
      return {
        '@data-type': type,
        data: data.map((item, index) => decodeValue(item, `${at}[${index}]`, depth + 1))
      } as Value
    case 'table':
      if (!Array.isArray(data)) throw new FormatError(at, 'must hold an array')
      return {
        '@data-type': type,
        data: data.map(membersOf).map(({ key, value }, index) => ({
          key: decodeValue(key, `${at}[${index}].key`, depth + 1),
          value: decodeValue(value, `${at}[${index}].value`, depth + 1)
        }))
      }
    default:
      throw new FormatError(at, type === undefined ? 'must have a @data-type' : 'has an unknown @data-type')
  }
}

function isNumber(type: 'count' | 'integer' | 'real', data: unknown): data is number {
  return type === 'real'
    ? Number.isFinite(data)
    : Number.isSafeInteger(data) && (type === 'integer' || (data as number) >= 0)
}

/** Returns the text of a value. Throws a FormatError for a number that the format cannot hold. */
export function encodeValue(value: Value): string {
  return `{${encodeMembers(value)}}`
}

/** Returns the text of a value without the braces: a data message has these members among its own. */
export function encodeMembers(value: Value): string {
  return `"@data-type":"${value['@data-type']}","data":${encodeData(value)}`
}

function encodeData(value: Value): string {
  switch (value['@data-type']) {
    case 'none':
      return '{}'
    case 'boolean':
      return String(value.data)
    case 'count':
    case 'integer':
    case 'real':
      if (!isNumber(value['@data-type'], value.data)) {
        throw new FormatError('value', `${value.data} is not of type ${value['@data-type']}`)
      }
      return value['@data-type'] === 'real' ? encodeReal(value.data) : String(value.data)
    case 'vector':
    case 'set':
      return `[${value.data.map(encodeValue).join(',')}]`
    case 'table':
      return `[${value.data.map(({ key, value }) => `{"key":${encodeValue(key)},"value":${encodeValue(value)}}`).join(',')}]`
    default:
      return JSON.stringify(value.data)
  }
}

/** Returns a real number as text: Broker accepts a number for a real only when it looks like one. */
function encodeReal(data: number): string {
  const text = Object.is(data, -0) ? '-0' : String(data)
  return /[.e]/.test(text) ? text : `${text}.0`
}
