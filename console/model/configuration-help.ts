import { exampleOf, schemaAt, type ConfigurationSchema, type Path } from './configuration-schema.js'
import { itemsOf, textOf, type JsonPart, type Place } from './configuration-text.js'

/** What is being written at a place of a text that need not be whole. */
export interface Writing {
  kind: 'key' | 'value'
  /** Where it is: of a key, the object that has it. */
  path: Path
  /** What is there already of it, with its quotes. */
  place: Place
  /** The keys that the object has besides. */
  siblings: readonly string[]
  /** Whether a key has its value already. */
  hasValue: boolean
}

interface Frame {
  kind: 'object' | 'list'
  /** Of an object the key whose value is read, of a list the index of the item. */
  key: string
  index: number
  keys: string[]
  awaits: 'key' | 'colon' | 'value' | 'comma'
}

/** Reads the tokens of a text that need not be JSON: strings that are open end with their line. */
class Tokens {
  from = 0
  to: number
  #text: string

  constructor(text: string, offset = 0) {
    this.#text = text
    this.to = offset
  }

  /** Goes to the next one. Returns whether there is one. */
  next(): boolean {
    const text = this.#text
    let at = this.to
    while (at < text.length && isSpace(text.charCodeAt(at))) at++
    this.from = at
    if (at === text.length) return false
    const first = text.charCodeAt(at++)
    if (first === quote) at = stringEnd(text, at)
    else if (!isMark(first)) while (at < text.length && !isEnd(text.charCodeAt(at))) at++
    this.to = at
    return true
  }

  get first(): string {
    return this.#text[this.from]!
  }

  /** The token, without quotes. */
  get content(): string {
    return this.#text.slice(this.from, this.to).replace(/^"|"$/g, '')
  }

  /** Whether it is a string with its closing quote. */
  get isClosed(): boolean {
    return this.to - this.from > 1 && this.first === '"' && this.#text[this.to - 1] === '"'
  }
}

const quote = 0x22
const isSpace = (code: number) => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
const marks = new Set([...'{}[],:'].map(mark => mark.charCodeAt(0)))
const isMark = (code: number) => marks.has(code)
const isEnd = (code: number) => isSpace(code) || isMark(code) || code === quote

function stringEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) return at + 1
    if (code === 0x0a) return at
    if (code === 0x5c) at++
  }
  return text.length
}

/** Returns what is being written at an offset; undefined where it can be nothing but punctuation. */
export function writingAt(text: string, offset: number): Writing | undefined {
  const frames: Frame[] = []
  const tokens = new Tokens(text)
  while (tokens.next() && tokens.from < offset) {
    const { from, to } = tokens
    const isOpen = offset < to || (offset === to && !tokens.isClosed)
    if (isOpen && !isMark(text.charCodeAt(from))) return writing(frames, { from, to }, text)
    take(frames, tokens)
  }
  return writing(frames, { from: offset, to: offset }, text)
}

function writing(frames: readonly Frame[], place: Place, text: string): Writing | undefined {
  const frame = frames.at(-1)
  if (frame && isBetween(frame, text.slice(Math.max(0, place.from - 200), place.from))) return undefined
  const hasValue = /^\s*:/.test(text.slice(place.to, place.to + 200))
  if (frame?.kind !== 'object' || frame.awaits === 'value') {
    return { kind: 'value', path: pathOf(frames), place, siblings: [], hasValue }
  }
  const siblings = [...frame.keys, ...keysAfter(text, place.to)]
  return { kind: 'key', path: pathOf(frames.slice(0, -1)), place, siblings, hasValue }
}

/** Whether it is right behind a key or value, where only a colon or comma can come. */
const isBetween = ({ awaits }: Frame, before: string) =>
  awaits === 'colon' || (awaits === 'comma' && !/\n\s*$/.test(before))

/** Returns the keys that an object has after an offset in it. */
function keysAfter(text: string, offset: number): string[] {
  const object = newFrame('object')
  object.awaits = 'colon'
  const frames = [object]
  const tokens = new Tokens(text, offset)
  while (frames[0] === object && tokens.next()) take(frames, tokens)
  return object.keys
}

const newFrame = (kind: Frame['kind']): Frame => ({
  kind,
  key: '',
  index: 0,
  keys: [],
  awaits: kind === 'object' ? 'key' : 'value'
})

/** Takes a token in. What is wrong with the text before is passed over. */
function take(frames: Frame[], token: Tokens): void {
  const frame = frames.at(-1)
  switch (token.first) {
    case '{':
    case '[':
      frames.push(newFrame(token.first === '{' ? 'object' : 'list'))
      return
    case '}':
    case ']': {
      frames.pop()
      const outer = frames.at(-1)
      if (outer) outer.awaits = 'comma'
      return
    }
    case ':':
      if (frame) frame.awaits = 'value'
      return
    case ',':
      if (!frame) return
      frame.index++
      frame.awaits = frame.kind === 'object' ? 'key' : 'value'
      return
    default:
  }
  if (!frame) return
  if (frame.kind === 'list' || frame.awaits === 'value') frame.awaits = 'comma'
  else {
    frame.key = token.content
    frame.keys.push(frame.key)
    frame.awaits = 'colon'
  }
}

function pathOf(frames: readonly Frame[]): Path {
  const path = frames.map(({ kind, key, index }) => (kind === 'object' ? key : index))
  return path[0] === 'config' ? path.slice(1) : path
}

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
