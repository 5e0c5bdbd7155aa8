import { shown, type Fault } from '../refusal.js'

/** A key, and the line where it is. `value` is undefined for a key without one; continuation lines are joined. */
export interface Entry {
  /** As written. */
  key: string
  value: string | undefined
  line: number
}

/** The entries by key; the dialect defines which keys are equal. */
export interface Section {
  name: string
  line: number
  entries: Map<string, Entry>
}

export interface Ini {
  /** In the order of the file, without [DEFAULT]. */
  sections: Section[]
  /** The entries of [DEFAULT]. */
  defaults: Section
  errors: Fault[]
}

/** The meaning of a line. `more` continues the value of the last key. */
export type Line =
  | { kind: 'nothing' }
  | { kind: 'section'; name: string }
  | { kind: 'key'; key: string; value: string | undefined }
  | { kind: 'more'; text: string }
  | { kind: 'wrong'; why: string }

export interface Dialect {
  /** Parses a line. `deeper`: there is a key above, and the line is indented more than it. */
  read: (line: string, deeper: boolean) => Line
  /** Returns equal texts for keys that are the same. */
  sameKey: (key: string, section: string) => string
  /** Whether keys may come before the first section; they go into one named "". */
  unnamed: boolean
}

/**
 * Returns a fault at a key of a section, or of the defaults: with the line of the key, else that where the section
 * begins.
 */
export function faultAt(section: Section, key: string, message: string, defaults?: Section): Fault {
  const entry = [section, defaults]
    .map(place => place?.entries.get(key) ?? place?.entries.get(lowerCase(key)))
    .find(found => found)
  return { section: section.name, key, message, line: entry?.line ?? (section.line || undefined) }
}

export const lowerCase = (key: string) => key.toLowerCase()

/** Returns the dialect of Python's configparser, with its defaults. `valueless`: a key may have no value. */
export function pythonDialect({
  valueless,
  sameKey = lowerCase
}: {
  valueless: boolean
  sameKey?: Dialect['sameKey']
}): Dialect {
  return {
    unnamed: false,
    sameKey,
    read(line, deeper) {
      const text = line.trim()
      if (/^[#;]/.test(text)) return { kind: 'nothing' }
      // An empty line may be part of a value; at its end it is cut off.
      if (text === '' || deeper) return { kind: 'more', text }
      const name = /^\[(.+)\]/.exec(text)?.[1]
      if (name !== undefined) return { kind: 'section', name }
      const end = text.search(/[=:]/)
      const key = (end < 0 ? text : text.slice(0, end)).trimEnd()
      if (key === '') return { kind: 'wrong', why: 'has no key' }
      if (end < 0 && !valueless) return { kind: 'wrong', why: `is no section, key or comment: ${shown(text)}` }
      return { kind: 'key', key, value: end < 0 ? undefined : text.slice(end + 1).trim() }
    }
  }
}

/** Reads sections and keys. Never throws: errors are in `errors`, by line or by section and key. */
export function readIni(text: string, dialect: Dialect): Ini {
  const reader = new IniReader(dialect)
  for (const [index, line] of text.split(/\r\n|\r|\n/).entries()) reader.take(line, index + 1)
  return reader.end()
}

/** Reads a file line by line: remembers the section and the key of the last line. */
class IniReader {
  readonly #dialect: Dialect
  readonly #defaults: Section = { name: 'DEFAULT', line: 0, entries: new Map() }
  readonly #sections = new Map<string, Section>()
  /** The lines of each value. */
  readonly #values = new Map<Entry, string[]>()
  readonly #errors: Fault[] = []
  #section: Section | undefined
  #entry: Entry | undefined
  /** Indentation of the last line that did not continue a value. */
  #indent = 0

  constructor(dialect: Dialect) {
    this.#dialect = dialect
  }

  take(raw: string, number: number): void {
    const indent = Math.max(0, raw.search(/\S/))
    const line = this.#dialect.read(raw, this.#entry !== undefined && indent > this.#indent)
    if (line.kind !== 'nothing' && line.kind !== 'more') this.#indent = indent
    switch (line.kind) {
      case 'nothing':
        break
      case 'section':
        this.#section = this.#open(line.name, number)
        this.#entry = undefined
        break
      case 'key':
        if (!this.#section && this.#dialect.unnamed) this.#section = this.#open('', number)
        if (this.#section) this.#entry = this.#add(this.#section, { key: line.key, value: line.value, line: number })
        else this.#errors.push({ line: number, message: `is before the first section: ${shown(raw.trim())}` })
        break
      case 'more':
        this.#continue(line.text, number)
        break
      case 'wrong':
        this.#errors.push({ line: number, message: line.why })
    }
  }

  end(): Ini {
    for (const [entry, lines] of this.#values) entry.value = lines.join('\n').trimEnd()
    return { sections: [...this.#sections.values()], defaults: this.#defaults, errors: this.#errors }
  }

  #open(name: string, line: number): Section {
    if (name === this.#defaults.name) return this.#defaults
    const opened: Section = { name, line, entries: new Map() }
    const earlier = this.#sections.get(name)
    if (earlier) {
      this.#errors.push({ section: name, message: `is a section twice (lines ${earlier.line} and ${line})` })
    } else this.#sections.set(name, opened)
    return opened
  }

  #add({ name, entries }: Section, entry: Entry): Entry {
    const { key, value, line } = entry
    if (value !== undefined) this.#values.set(entry, [value])
    const same = this.#dialect.sameKey(key, name)
    const earlier = entries.get(same)
    if (earlier) {
      this.#errors.push({ section: name, key, message: `is given twice (lines ${earlier.line} and ${line})` })
    } else entries.set(same, entry)
    return entry
  }

  /** Continues the value of the last key; an empty line is allowed where there is none. */
  #continue(text: string, number: number): void {
    const lines = this.#entry && this.#values.get(this.#entry)
    if (lines) lines.push(text)
    else if (text !== '') {
      this.#errors.push({ line: number, message: `continues a value, but there is none: ${shown(text)}` })
    }
  }
}
