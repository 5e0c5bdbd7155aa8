import { lineOf, type JsonPart, type Place } from './configuration-text.js'

export interface JsonText {
  /** Of a text that is wrong: what comes before. */
  root: JsonPart | undefined
  fault: (Place & { message: string }) | undefined
}

/** Reads a JSON text, up to the first place where it is wrong. Takes what `JSON.parse` takes, up to a depth of 100. */
export function readJson(text: string): JsonText {
  const steps = jsonSteps(text)
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

/** Does the same in steps of a millisecond or so. */
export function* jsonSteps(text: string): Generator<void, JsonText, void> {
  const reader = new Reader(text)
  try {
    for (let count = 1; reader.step(); count++) if (count % 1000 === 0) yield
    return { root: reader.root, fault: undefined }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    const { from, to, message } = error
    return { root: reader.root, fault: { from, to, message } }
  }
}

class Fault extends Error {
  readonly from: number
  readonly to: number

  constructor(message: string, from: number, to: number) {
    super(message)
    this.from = from
    this.to = to
  }
}

const depthMax = 100
const space = /[ \t\n\r]*/y
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])/y
const word = /[^\s{}[\],:"]+/y
const literals = new Map<string, boolean | null>([
  ['true', true],
  ['false', false],
  ['null', null]
])
const escapes = /^(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/

type Container = Extract<JsonPart, { kind: 'object' | 'list' }>

const ends = { object: '}', list: ']' } as const
const entries = { object: 'a key in double quotes', list: 'a value' } as const

class Reader {
  root: JsonPart | undefined
  #text: string
  #at = 0
  /** What is open, the innermost last. */
  #open: Container[] = []
  /** What is read next; `first` and `next`: an entry, after the beginning or a comma. */
  #awaits: 'value' | 'first' | 'next' | 'end' = 'value'

  constructor(text: string) {
    this.#text = text
  }

  /** Reads a little more. Returns whether there is more. Throws a Fault. */
  step(): boolean {
    this.#skipSpace()
    const open = this.#open.at(-1)
    if (this.#awaits === 'value') this.#value(open)
    else if (!open) return this.#last()
    else if (this.#awaits === 'end') this.#separator(open)
    else this.#entry(open)
    return true
  }

  #last(): false {
    if (this.#at < this.#text.length) throw this.#fault('nothing may follow the end of the configuration', 1)
    return false
  }

  #value(open: Container | undefined): void {
    const from = this.#at
    const char = this.#text[from]
    if (char === undefined && open === undefined) throw this.#fault('the text is empty')
    if (char === '{' || char === '[') {
      if (this.#open.length === depthMax) throw this.#fault('this is too deep within others', 1)
      const to = this.#text.length
      const part: Container =
        char === '{' ? { kind: 'object', from, to, members: [] } : { kind: 'list', from, to, items: [] }
      this.#hold(open, part)
      this.#open.push(part)
      this.#at++
      this.#awaits = 'first'
      return
    }
    const value = char === '"' ? this.#string() : this.#scalar()
    this.#hold(open, { kind: 'plain', from, to: this.#at, value })
    this.#awaits = 'end'
  }

  /** Puts a value where it belongs when it begins, so that what comes before a fault is kept. */
  #hold(open: Container | undefined, part: JsonPart): void {
    if (open === undefined) this.root = part
    else if (open.kind === 'list') open.items.push(part)
    else open.members.at(-1)!.part = part
  }

  /** Reads the beginning of an entry, or the end of what is open. */
  #entry(open: Container): void {
    const from = this.#at
    const char = this.#text[from]
    if (char === undefined) throw this.#unclosed(open)
    if (char === ends[open.kind] && this.#awaits === 'first') return this.#close(open)
    if (char === ends[open.kind]) {
      const comma = this.#text.lastIndexOf(',', from)
      throw new Fault(`${entries[open.kind]} must follow this comma: the last one has none`, comma, comma + 1)
    }
    if (char === ',') throw this.#fault(`${entries[open.kind]} must come before this comma`, 1)
    this.#awaits = 'value'
    if (open.kind === 'list') return
    if (char !== '"') throw this.#wrongKey()
    const key = this.#string()
    const keyPlace = { from, to: this.#at }
    open.members.push({ key, keyPlace, part: undefined })
    this.#skipSpace()
    if (this.#text[this.#at] !== ':') throw new Fault('a colon must follow this key', from, keyPlace.to)
    this.#at++
  }

  /** Reads what comes after an entry. */
  #separator(open: Container): void {
    const char = this.#text[this.#at]
    if (char === undefined) throw this.#unclosed(open)
    if (char === ends[open.kind]) return this.#close(open)
    if (char === '}' || char === ']') {
      throw this.#fault(`${ends[open.kind]} must come before this: it ends what is open`, 1)
    }
    if (char !== ',') {
      const end = this.#text.slice(0, this.#at).trimEnd().length
      throw new Fault(`a comma, or ${ends[open.kind]}, must follow this`, end - 1, end)
    }
    this.#at++
    this.#awaits = 'next'
  }

  #close(open: Container): void {
    open.to = ++this.#at
    this.#open.pop()
    this.#awaits = 'end'
  }

  #unclosed({ from, kind }: Container): Fault {
    const { length } = this.#text
    const line = lineOf(this.#text, from)
    return new Fault(
      `${ends[kind]} is missing: what begins in line ${line} is not closed`,
      Math.max(from, length - 1),
      length
    )
  }

  #wrongKey(): Fault {
    const found = this.#match(word)
    if (/^(\/\/|\/\*|#)/.test(found)) return this.#fault('JSON has no comments', found.length)
    return this.#fault('a key in double quotes is expected here', Math.max(1, found.length))
  }

  #scalar(): number | boolean | null {
    const from = this.#at
    const digits = this.#match(number)
    if (digits !== '') {
      this.#at += digits.length
      return Number(digits)
    }
    const found = this.#match(word)
    const literal = literals.get(found)
    if (literal !== undefined) {
      this.#at += found.length
      return literal
    }
    if (from === this.#text.length) throw this.#fault('the text ends where a value is expected')
    if (/^(\/\/|\/\*|#)/.test(found)) throw this.#fault('JSON has no comments', found.length)
    if (/^[\d.+-]/.test(found)) throw this.#fault('this is no number as JSON has them', found.length)
    if (found !== '') throw this.#fault('a value is expected here; texts are in double quotes', found.length)
    throw this.#fault('a value is expected here', 1)
  }

  #string(): string {
    const from = this.#at
    const text = this.#text
    let isPlain = true
    for (let at = from + 1; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code === 0x22) {
        this.#at = at + 1
        return isPlain ? text.slice(from + 1, at) : (JSON.parse(text.slice(from, at + 1)) as string)
      }
      if (code === 0x0a || code === 0x0d) throw new Fault('this text has no closing double quote', from, at)
      if (code < 0x20) throw new Fault('a control character must be written as \\u and four digits', at, at + 1)
      if (code === 0x5c) {
        const escape = escapes.exec(text.slice(at + 1, at + 6))
        if (!escape) {
          throw new Fault('there is no such escape; a backslash is written as \\\\', at, Math.min(text.length, at + 2))
        }
        isPlain = false
        at += escape[0].length
      }
    }
    throw new Fault('this text has no closing double quote', from, text.length)
  }

  #fault(message: string, length = 0): Fault {
    return new Fault(message, this.#at, Math.min(this.#text.length, this.#at + length))
  }

  #skipSpace(): void {
    this.#at += this.#match(space).length
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    return pattern.exec(this.#text)?.[0] ?? ''
  }
}
