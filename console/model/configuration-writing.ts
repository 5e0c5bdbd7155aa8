import type { Path } from './configuration-schema.js'
import type { Place } from './configuration-text.js'

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
  /** Of a list, of the item. */
  index: number
  /** Of an object; the last one is that whose value is read. Not yet as texts: of most nobody asks. */
  keys: Place[]
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
    return { kind: 'value', path: pathOf(frames, text), place, siblings: [], hasValue }
  }
  const siblings = [...frame.keys, ...keysAfter(text, place.to)].map(key => unquoted(text, key))
  return { kind: 'key', path: pathOf(frames.slice(0, -1), text), place, siblings, hasValue }
}

/** Whether it is right behind a key or value, where only a colon or comma can come. */
const isBetween = ({ awaits }: Frame, before: string) =>
  awaits === 'colon' || (awaits === 'comma' && !/\n\s*$/.test(before))

/** Returns the keys that an object has after an offset in it. */
function keysAfter(text: string, offset: number): Place[] {
  const object = newFrame('object')
  object.awaits = 'colon'
  const frames = [object]
  const tokens = new Tokens(text, offset)
  while (frames[0] === object && tokens.next()) take(frames, tokens)
  return object.keys
}

const newFrame = (kind: Frame['kind']): Frame => ({
  kind,
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
    frame.keys.push({ from: token.from, to: token.to })
    frame.awaits = 'colon'
  }
}

const nowhere: Place = { from: 0, to: 0 }
const unquoted = (text: string, { from, to }: Place) => text.slice(from, to).replace(/^"|"$/g, '')

function pathOf(frames: readonly Frame[], text: string): Path {
  const path = frames.map(({ kind, keys, index }) =>
    kind === 'object' ? unquoted(text, keys.at(-1) ?? nowhere) : index
  )
  return path[0] === 'config' ? path.slice(1) : path
}
