import { suggestion } from '../../schemas/nearest.js'
import { memberOf, type JsonMember, type JsonPart, type Place } from './configuration-text.js'

/** What this page uses of JSON Schema: as OpenAPI has it, without references. */
export interface ConfigurationSchema {
  type?: string
  description?: string
  enum?: readonly string[]
  properties?: Readonly<Record<string, ConfigurationSchema>>
  required?: readonly string[]
  items?: ConfigurationSchema
  /** False: no others than `properties`. */
  additionalProperties?: boolean | ConfigurationSchema
  propertyNames?: ConfigurationSchema
  pattern?: string
  minimum?: number
  maximum?: number
  maxLength?: number
  maxItems?: number
  maxProperties?: number
  examples?: readonly unknown[]
}

/** The way from a configuration to one of its parts. */
export type Path = readonly (string | number)[]

/** Returns the schema of a part; undefined where there is none. */
export function schemaAt(schema: ConfigurationSchema, path: Path): ConfigurationSchema | undefined {
  return path.reduce<ConfigurationSchema | undefined>((at, step) => {
    if (typeof step === 'number') return at?.items
    if (at?.properties && Object.hasOwn(at.properties, step)) return at.properties[step]
    return typeof at?.additionalProperties === 'object' ? at.additionalProperties : undefined
  }, schema)
}

/** Returns an example of a value, as JSON. */
export function exampleOf({ examples = [] }: ConfigurationSchema): string | undefined {
  return examples.length === 0 ? undefined : JSON.stringify(examples[0])
}

export interface SchemaFault extends Place {
  message: string
}

/**
 * Returns what does not fit its schema. A null in an object counts as absent, as where it is sent to. `name`: what the
 * part is called.
 */
export function schemaFaults(part: JsonPart, schema: ConfigurationSchema, name: string): SchemaFault[] {
  const found: SchemaFault[] = []
  collect(part, schema, { name, found })
  return found
}

interface Search {
  name: string
  found: SchemaFault[]
}

function collect(part: JsonPart, schema: ConfigurationSchema, { name, found }: Search): void {
  if (part.kind === 'plain') {
    const message = plainFault(part.value, schema)
    if (message !== undefined) found.push(at(part, `${name} ${message}`))
  } else if (schema.type !== (part.kind === 'list' ? 'array' : 'object')) {
    found.push(at(part, `${name} ${mustBe(schema)}`))
  } else if (part.kind === 'object') objectFaults(part, schema, { name, found })
  else listFaults(part, schema, { name, found })
}

/** Of what may have many lines, its beginning. */
const at = ({ from, to, kind }: JsonPart, message: string): SchemaFault => ({
  from,
  to: kind === 'plain' ? to : from + 1,
  message
})

const words: Record<string, string> = {
  array: 'a list',
  object: 'an object',
  integer: 'a whole number',
  string: 'a text'
}
const mustBe = ({ type = 'value' }: ConfigurationSchema) => `must be ${words[type] ?? `a ${type}`}`
const isAbsent = (part: JsonPart | undefined) => !part || (part.kind === 'plain' && part.value === null)

function listFaults(
  part: Extract<JsonPart, { kind: 'list' }>,
  { items, maxItems = Infinity }: ConfigurationSchema,
  { name, found }: Search
): void {
  if (part.items.length > maxItems) found.push(at(part, `${name} must not have more than ${maxItems} items`))
  else if (items) {
    for (const [index, item] of part.items.entries()) collect(item, items, { name: `${name}[${index}]`, found })
  }
}

function objectFaults(
  part: Extract<JsonPart, { kind: 'object' }>,
  schema: ConfigurationSchema,
  { name, found }: Search
): void {
  const { required = [], maxProperties = Infinity } = schema
  for (const member of part.members) if (!isAbsent(member.part)) memberFaults(member, schema, found)
  if (part.members.length > maxProperties) {
    found.push(at(part, `${name} must not have more than ${maxProperties} members`))
  }
  for (const key of required) if (isAbsent(memberOf(part, key)?.part)) found.push(at(part, `${key} is required`))
}

function memberFaults(
  { key, keyPlace, part }: JsonMember,
  { properties = {}, additionalProperties, propertyNames }: ConfigurationSchema,
  found: SchemaFault[]
): void {
  if (Object.hasOwn(properties, key)) collect(part!, properties[key]!, { name: key, found })
  else if (additionalProperties === false) {
    found.push({ ...keyPlace, message: `${key} is not known${suggestion(key, Object.keys(properties))}` })
  } else {
    if (propertyNames && plainFault(key, propertyNames) !== undefined) {
      found.push({ ...keyPlace, message: `${key} is not a valid name` })
    }
    if (typeof additionalProperties === 'object') collect(part!, additionalProperties, { name: key, found })
  }
}

type Plain = Extract<JsonPart, { kind: 'plain' }>

const types: Record<string, (value: unknown) => boolean> = {
  string: value => typeof value === 'string',
  boolean: value => typeof value === 'boolean',
  number: value => typeof value === 'number',
  integer: Number.isInteger
}

function plainFault(value: Plain['value'], schema: ConfigurationSchema): string | undefined {
  const { type, enum: allowed, pattern, minimum = -Infinity, maximum = Infinity, maxLength = Infinity } = schema
  if (type !== undefined && types[type]?.(value) !== true) return mustBe(schema)
  if (allowed && !allowed.includes(value as string)) return `must be one of ${allowed.join(', ')}`
  if (typeof value === 'number') {
    return value < minimum || value > maximum ? `must be ${minimum} to ${maximum}` : undefined
  }
  if (typeof value !== 'string') return undefined
  if (value.length > maxLength) return `must not be longer than ${maxLength} characters`
  if (pattern !== undefined && !fits(value, pattern)) return `has not the form that it must have${example(schema)}`
  return undefined
}

const patterns = new Map<string, RegExp>()
function fits(value: string, pattern: string): boolean {
  let compiled = patterns.get(pattern)
  if (!compiled) patterns.set(pattern, (compiled = new RegExp(pattern, 'u')))
  return compiled.test(value)
}

function example(schema: ConfigurationSchema): string {
  const text = exampleOf(schema)
  return text === undefined ? '' : `, as in ${text}`
}
