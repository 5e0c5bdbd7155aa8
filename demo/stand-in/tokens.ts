import { error } from './report.js'

export interface Token {
  text: string
  line: number
  start: number
  end: number
}

const TOKEN = new RegExp(
  [
    /@load[ \t]+[^\s#;]+/,
    /"(?:\\.|[^"\\\n])*"/,
    // An IPv6 address: [::1]
    /\[[\da-fA-F:.]*:[\da-fA-F:.]*\]/,
    /[\w:./-]+/,
    /\+=|-=|[=[\]{}(),;$&?|+]/
  ]
    .map(part => part.source)
    .join('|'),
  'y'
)

/** The words of a Zeek script, taken one by one. */
export class Tokens {
  readonly file: string
  readonly #text: string
  readonly #tokens: Token[] = []
  #at = 0

  constructor(file: string, text: string) {
    this.file = file
    this.#text = text
    let line = 1
    let start = 0
    while (start < text.length) {
      const blank = /(?:\s|#.*)*/y
      blank.lastIndex = start
      const skipped = blank.exec(text)![0]
      line += skipped.split('\n').length - 1
      start += skipped.length
      if (start === text.length) break
      TOKEN.lastIndex = start
      const found = TOKEN.exec(text)?.[0]
      if (found === undefined) this.#fail(text[start]!, line)
      this.#tokens.push({ text: found, line, start, end: start + found.length })
      start += found.length
    }
  }

  get done(): boolean {
    return this.#at === this.#tokens.length
  }

  peek(): string | undefined {
    return this.#tokens[this.#at]?.text
  }

  /** The next word, which must be as told; says where the script is wrong otherwise. */
  take(expected?: string | RegExp): string {
    const token = this.#tokens[this.#at]
    if (token === undefined) this.#fail('end of file', this.#tokens.at(-1)?.line ?? 1)
    const good = typeof expected === 'string' ? token.text === expected : (expected?.test(token.text) ?? true)
    if (!good) this.#fail(token.text, token.line)
    this.#at++
    return token.text
  }

  /** Takes the next word if it is this one. */
  skip(word: string): boolean {
    if (this.peek() !== word) return false
    this.#at++
    return true
  }

  /** Everything before the next semicolon, which goes as well. */
  statement(): string {
    const first = this.#tokens[this.#at]
    let last = first
    while (this.peek() !== ';') {
      last = this.#tokens[this.#at]
      this.take()
    }
    this.take(';')
    return first === undefined || last === undefined ? '' : this.#text.slice(first.start, last.end)
  }

  /** "file, line N" of the word taken last. */
  where(): string {
    return `${this.file}, line ${this.#tokens[this.#at - 1]?.line ?? 1}`
  }

  fail(word: string): never {
    this.#fail(word, this.#tokens[this.#at - 1]?.line ?? 1)
  }

  #fail(word: string, line: number): never {
    error(`syntax error, at or near "${word}"`, `${this.file}, line ${line}`)
    process.exit(1)
  }
}
