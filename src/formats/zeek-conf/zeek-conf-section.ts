import { parseCpuList } from '../../cpu-list.js'
import { messageOf } from '../../errors.js'
import { adviceOnRest, sortArguments, type ZeekArguments } from '../arguments.js'
import { faultAt, lowerCase, type Dialect, type Section } from '../ini/ini.js'
import { note } from '../notes.js'
import { shown, type Fault } from '../refusal.js'
import { fillIn } from '../ini/template.js'

/**
 * The dialect of Zeek's systemd generator: comments and keys begin in the first column, each continuation line is a
 * value of its own.
 */
export const zeekConfDialect: Dialect = {
  unnamed: true,
  sameKey: lowerCase,
  read(raw) {
    const line = raw.trimEnd()
    if (line === '' || line.startsWith('#')) return { kind: 'nothing' }
    const name = /^\[(.+)\]$/.exec(line)?.[1]
    if (name !== undefined) return { kind: 'section', name }
    if (/^\s/.test(line)) return { kind: 'more', text: line.trim() }
    const equals = line.indexOf('=')
    if (equals < 0 || !/^[_0-9a-z]/.test(line)) {
      return { kind: 'wrong', why: `is no section, key or comment: ${shown(line)}` }
    }
    return { kind: 'key', key: line.slice(0, equals).trim(), value: line.slice(equals + 1).trim() }
  }
}

export type Arguments = Pick<ZeekArguments, 'scripts' | 'options'>
export type Templates = [name: string, template: string][]

/** Typed reading of a section, which records the keys that were read. */
export class SectionReader {
  readonly section: Section
  readonly #errors: Fault[]
  readonly #notes: string[]
  readonly #asked = new Set<string>()

  constructor(section: Section, errors: Fault[], notes: string[]) {
    this.section = section
    this.#errors = errors
    this.#notes = notes
  }

  complain(key: string, message: string): void {
    this.#errors.push(faultAt(this.section, key, message))
  }

  /** Adds an error for a value that a schema refuses. */
  refuse(key: string, message: string): void {
    this.#errors.push({ ...faultAt(this.section, key, message), isMinor: true })
  }

  /** Adds a note about a key. */
  tell(key: string, advice: string): void {
    this.#notes.push(note(this.section, key, this.#value(key) ?? '', advice))
  }

  has(key: string): boolean {
    return this.#value(key) !== undefined
  }

  mentions(key: string, text: string): boolean {
    return this.#value(key)?.includes(text) ?? false
  }

  text(key: string): string {
    const value = this.#value(key) ?? ''
    const [first, ...others] = value.split('\n')
    if (others.length > 0) this.complain(key, 'has more than one value')
    return first!
  }

  /** Returns the value of a key as a count; 0 without the key, and where it is more than the maximum. */
  count(key: string, max: number): number {
    const text = this.text(key)
    if (this.has(key) && !/^\d+$/.test(text)) this.complain(key, `must be a number: '${shown(text)}'`)
    else if (Number(text) > max) this.complain(key, `must be at most ${max}`)
    return Number(text) > max ? 0 : Number(text)
  }

  cpus(key: string): number[] {
    const cpus = parseCpuList(this.text(key))
    if (!cpus) this.complain(key, `is no list of CPUs: '${shown(this.text(key))}'`)
    return cpus ?? []
  }

  /** Returns the words of Zeek's command line. */
  arguments(key: string): Arguments {
    try {
      const { scripts, options, rest } = sortArguments(this.#value(key) ?? '')
      for (const advice of adviceOnRest(rest)) this.tell(key, advice)
      return { scripts, options }
    } catch (error) {
      this.complain(key, `is invalid: ${messageOf(error)}`)
      return { scripts: [], options: {} }
    }
  }

  /** Returns environment variables, one per line; their values are templates. */
  templates(key: string): Templates {
    return (this.#value(key) ?? '')
      .split('\n')
      .filter(line => line !== '')
      .map(line => {
        const equals = line.indexOf('=')
        if (equals <= 0) this.complain(key, `holds a line that is no NAME=VALUE: '${shown(line)}'`)
        return [line.slice(0, equals), line.slice(equals + 1)]
      })
  }

  fill(key: string, template: string, variables: Record<string, string>): string {
    try {
      return fillIn(template, variables)
    } catch (error) {
      this.complain(key, messageOf(error))
      return ''
    }
  }

  /** Returns the keys that were never read, with their values. */
  get unasked(): [key: string, value: string][] {
    return [...this.section.entries]
      .filter(([key]) => !this.#asked.has(key))
      .map(([key, { value }]) => [key, value ?? ''])
  }

  #value(key: string): string | undefined {
    this.#asked.add(key)
    return this.section.entries.get(key)?.value
  }
}
