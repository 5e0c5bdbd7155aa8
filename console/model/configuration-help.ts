import { exampleOf, schemaAt, type ConfigurationSchema, type Path } from './configuration-schema.js'
import { itemsOf, textOf, type JsonPart, type Place } from './configuration-text.js'
import type { Writing } from './configuration-writing.js'

/** What may be written. */
export interface Suggestion {
  /** As it is shown: a key or value, without quotes. */
  label: string
  /** What kind of thing it is, in a word or two. */
  detail: string
  info: string
  /** What is put in. */
  text: string
  /** Where in it writing goes on, from its beginning. */
  cursor: number
}

/** What is known besides the schema. */
export interface Known {
  configuration: JsonPart | undefined
  /** Names of the instances that are connected. */
  connected: readonly string[]
}

/** Returns what may be written at a place. */
export function suggestionsFor(writing: Writing, schema: ConfigurationSchema, known: Known): Suggestion[] {
  return writing.kind === 'key' ? keysFor(writing, schema) : valuesFor(writing, schema, known)
}

function keysFor({ path, siblings, hasValue }: Writing, schema: ConfigurationSchema): Suggestion[] {
  const { properties = {}, required = [] } = schemaAt(schema, path) ?? {}
  const isOptional = ([key]: [string, unknown]) => Number(!required.includes(key))
  return Object.entries(properties)
    .filter(([key]) => !siblings.includes(key))
    .sort((a, b) => isOptional(a) - isOptional(b))
    .map(([key, of]) => {
      const [before, after] = hasValue ? ['', ''] : around(of)
      const start = hasValue ? JSON.stringify(key) : `${JSON.stringify(key)}: ${before}`
      return {
        label: key,
        detail: required.includes(key) ? `${kindOf(of)}, required` : kindOf(of),
        info: descriptionOf(of),
        text: start + after,
        cursor: start.length
      }
    })
}

/** Of a list without a description, what its items are. */
const descriptionOf = ({ description, items }: ConfigurationSchema): string => description ?? items?.description ?? ''

/** What stands around a value of a type. */
function around({ type }: ConfigurationSchema): [string, string] {
  return ({ string: ['"', '"'], array: ['[', ']'], object: ['{', '}'] }[type ?? ''] as [string, string]) ?? ['', '']
}

/** Returns what a value is, in a word. */
export function kindOf({ type = 'value', enum: allowed }: ConfigurationSchema): string {
  if (allowed) return 'choice'
  return { array: 'list', object: 'map', integer: 'number', string: 'text' }[type] ?? type
}

/** More than anyone looks through. */
const valuesMax = 100

function valuesFor({ path }: Writing, schema: ConfigurationSchema, known: Known): Suggestion[] {
  const at = schemaAt(schema, path)
  if (!at) return []
  if (at.type === 'object') return skeletonOf(at)
  if (at.type !== 'string') return []
  const value = (label: string, detail: string): Suggestion => {
    const text = JSON.stringify(label)
    return { label, detail, info: descriptionOf(at), text, cursor: text.length }
  }
  if (at.enum) return at.enum.map(one => value(one, ''))
  return namesFor(path, known)
    .slice(0, valuesMax)
    .map(([name, detail]) => value(name, detail))
}

/** Returns an object with what it must have. */
function skeletonOf({ properties = {}, required = [] }: ConfigurationSchema): Suggestion[] {
  if (required.length === 0) return []
  const members = required.map(key => {
    const [before, after] = around(properties[key] ?? {})
    return `${JSON.stringify(key)}: ${before}${after}`
  })
  const text = `{ ${members.join(', ')} }`
  return [
    {
      label: `{ ${required.join(', ')} }`,
      detail: 'with what it must have',
      info: '',
      text,
      cursor: text.indexOf('""') + 1
    }
  ]
}

/** Returns names that fit a place, each with where it is from. */
function namesFor(path: Path, { configuration, connected }: Known): [string, string][] {
  const declared = itemsOf(configuration, 'instances').flatMap(item => textOf(item, 'name') ?? [])
  const names = new Map<string, string>()
  const add = (name: string, from: string) => {
    if (name !== '' && !names.has(name)) names.set(name, from)
  }
  const [list, , field] = path
  if (list === 'nodes' && field === 'instance') {
    for (const name of declared) add(name, 'declared')
    for (const name of connected) add(name, 'connected')
  } else if (list === 'instances' && field === 'name') {
    for (const name of connected) if (!declared.includes(name)) add(name, 'connected')
  } else if (list === 'nodes' && (field === 'interface' || field === 'scripts')) {
    for (const node of itemsOf(configuration, 'nodes')) {
      add(textOf(node, field) ?? '', 'of another node')
      for (const item of itemsOf(node, field)) {
        if (item.kind === 'plain' && typeof item.value === 'string') add(item.value, 'of another node')
      }
    }
  }
  return [...names]
}

/** What a key is for. */
export interface KeyHelp {
  key: string
  place: Place
  kind: string
  description: string
  allowed: readonly string[]
  example: string | undefined
}

/** Returns what the key at an offset is for; undefined where there is none that is known. */
export function helpAt(
  configuration: JsonPart | undefined,
  offset: number,
  schema: ConfigurationSchema
): KeyHelp | undefined {
  const [path, place] = keyAt(configuration, offset) ?? []
  const of = path && schemaAt(schema, path)
  if (!of || !place) return undefined
  return {
    key: String(path.at(-1)),
    place,
    kind: kindOf(of),
    description: descriptionOf(of),
    allowed: of.enum ?? [],
    example: of.enum ? undefined : exampleOf(of)
  }
}

function keyAt(part: JsonPart | undefined, offset: number): [Path, Place] | undefined {
  if (!part || offset < part.from || offset > part.to || part.kind === 'plain') return undefined
  if (part.kind === 'list') {
    const index = part.items.findIndex(({ from, to }) => from <= offset && offset <= to)
    const inside = keyAt(part.items[index], offset)
    return inside && [[index, ...inside[0]], inside[1]]
  }
  for (const { key, keyPlace, part: of } of part.members) {
    if (keyPlace.from <= offset && offset <= keyPlace.to) return [[key], keyPlace]
    const inside = keyAt(of, offset)
    if (inside) return [[key, ...inside[0]], inside[1]]
  }
  return undefined
}
