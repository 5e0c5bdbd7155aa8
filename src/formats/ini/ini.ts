import { shown, type Fault } from '../refusal.js'

/** A key, and the line where it is. `value` is undefined for a key without one; the lines of a longer one are joined. */
export interface Entry {
  /** As written. */
  key: string
  value: string | undefined
  line: number
}

/** The entries by key, as the dialect compares keys. */
export interface Section {
  name: string
  line: number
  entries: Map<string, Entry>
}

export interface Ini {
  /** In the order of the file, without [DEFAULT]. */
  sections: Section[]
  /** What [DEFAULT] holds. */
  defaults: Section
  errors: Fault[]
}

/** What a line says. `more` goes on with the value of the last key. */
export type Line =
  | { kind: 'nothing' }
  | { kind: 'section'; name: string }
  | { kind: 'key'; key: string; value: string | undefined }
  | { kind: 'more'; text: string }
  | { kind: 'wrong'; why: string }

export interface Dialect {
  /** `deeper`: there is a key above, and the line is indented more than it. */
  read: (line: string, deeper: boolean) => Line
  /** Equal texts for keys that are the same. */
  sameKey: (key: string, section: string) => string
  /** Whether keys may come before the first section, into one named "". */
  unnamed: boolean
}

/** What is wrong at a key of a section, or of the defaults: told where that is, else where the section begins. */
export function faultAt(section: Section, key: string, message: string, defaults?: Section): Fault {
  const entry = [section, defaults]
    .map(place => place?.entries.get(key) ?? place?.entries.get(lowerCase(key)))
    .find(found => found)
  return { section: section.name, key, message, line: entry?.line ?? (section.line || undefined) }
}

export const lowerCase = (key: string) => key.toLowerCase()

/** The dialect of Python's configparser, with its defaults. `valueless`: a key may come without a value. */
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
      // An empty line may stand within a value; at its end it is cut off.
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

/** Reads sections and keys. Never throws: what is wrong is in `errors`, by line or by section and key. */
export function readIni(text: string, { read, sameKey, unnamed }: Dialect): Ini {
  const defaults: Section = { name: 'DEFAULT', line: 0, entries: new Map() }
  const sections = new Map<string, Section>()
  const values = new Map<Entry, string[]>()
  const errors: Fault[] = []
  let section: Section | undefined
  let entry: Entry | undefined
  let indent = 0

  function open(name: string, line: number): Section {
    if (name === defaults.name) return defaults
    const opened: Section = { name, line, entries: new Map() }
    const earlier = sections.get(name)
    if (earlier) errors.push({ section: name, message: `is a section twice (lines ${earlier.line} and ${line})` })
    else sections.set(name, opened)
    return opened
  }

  function add(section: Section, key: string, value: string | undefined, line: number): Entry {
    const { name, entries } = section
    const added: Entry = { key, value, line }
    if (value !== undefined) values.set(added, [value])
    const earlier = entries.get(sameKey(key, name))
    if (earlier) {
      errors.push({ section: section.name, key, message: `is given twice (lines ${earlier.line} and ${line})` })
    } else entries.set(sameKey(key, name), added)
    return added
  }

  for (const [index, raw] of text.split(/\r\n|\r|\n/).entries()) {
    const number = index + 1
    const depth = Math.max(0, raw.search(/\S/))
    const line = read(raw, entry !== undefined && depth > indent)
    if (line.kind === 'section' || line.kind === 'key' || line.kind === 'wrong') indent = depth
    if (line.kind === 'section') [section, entry] = [open(line.name, number), undefined]
    else if (line.kind === 'key') {
      if (!section && unnamed) section = open('', number)
      if (section) entry = add(section, line.key, line.value, number)
      else errors.push({ line: number, message: `is before the first section: ${shown(raw.trim())}` })
    } else if (line.kind === 'more') {
      const lines = entry && values.get(entry)
      if (lines) lines.push(line.text)
      else if (line.text !== '') {
        errors.push({ line: number, message: `continues a value, but there is none: ${shown(line.text)}` })
      }
    } else if (line.kind === 'wrong') errors.push({ line: number, message: line.why })
  }
  for (const [entry, lines] of values) entry.value = lines.join('\n').trimEnd()
  return { sections: [...sections.values()], defaults, errors }
}
