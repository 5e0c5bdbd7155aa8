import { AppError, invalid, messageOf } from '../../errors.js'
import { faultAt, type Dialect, type Entry, type Ini, type Section } from './ini.js'
import type { Fault } from '../refusal.js'

/** configparser gives up beyond this depth, too. */
const maxDepth = 10
/** Maximum by which references and [DEFAULT] may make a file grow: each could ask for any amount. */
const maxGrowth = 1 << 23

const wrong = (message: string) => new AppError('invalid_request', message)

export interface Values {
  /** Returns a section's own entry or that of [DEFAULT], by the key in lower case, with every reference replaced. */
  get: (section: Section, key: string) => Entry | undefined
  /** Returns the entries of a section that were never read. */
  unasked: (section: Section) => Entry[]
  /** Returns a fault at a key of a section. */
  fault: (section: Section, key: string, message: string) => Fault
}

/**
 * Replaces `%%` and `%(name)s`, as configparser does. A wrong reference goes to `errors`, and its value is left
 * unchanged. Throws `invalid_request` only when a file would grow without bounds.
 */
export function interpolated({ defaults }: Ini, { sameKey }: Dialect, errors: Fault[]): Values {
  const asked = new Set<Entry>()
  let growth = 0

  function find(section: Section, key: string): Entry | undefined {
    const own = section.entries.get(sameKey(key, section.name))
    const entry = own ?? defaults.entries.get(sameKey(key, defaults.name))
    if (entry) asked.add(entry)
    if (!own) grow(entry?.value, section)
    return entry
  }

  function grow(text: string | undefined, section: Section): void {
    growth += (text?.length ?? 0) + 1
    if (growth > maxGrowth) {
      throw invalid([{ field: section.name, message: 'is too long with references and defaults put in' }])
    }
  }

  function expand(text: string, section: Section, depth: number): string {
    if (depth > maxDepth) throw wrong('refers to itself, or to others more than ten deep')
    let result = ''
    let at = 0
    for (let percent = text.indexOf('%'); percent >= 0; percent = text.indexOf('%', at)) {
      result += text.slice(at, percent)
      at = percent + 2
      if (text[percent + 1] === '%') result += '%'
      else if (text[percent + 1] === '(') {
        const end = text.indexOf(')s', at)
        const name = text.slice(at, end)
        if (end <= at || name.includes(')')) throw wrong('has a "%(" that is no "%(name)s"')
        const value = find(section, name)?.value
        if (value === undefined) throw wrong(`refers to ${name}, which has no value`)
        grow(value, section)
        result += value.includes('%') ? expand(value, section, depth + 1) : value
        at = end + 2
      } else throw wrong('has a "%" that is followed by neither "%" nor "(": a plain "%" is written "%%"')
    }
    return result + text.slice(at)
  }

  return {
    get(section, key) {
      const entry = find(section, key)
      if (entry?.value === undefined) return entry
      try {
        return { ...entry, value: expand(entry.value, section, 1) }
      } catch (error) {
        if (!(error instanceof AppError) || error.errors) throw error
        errors.push(faultAt(section, entry.key, messageOf(error), defaults))
        return entry
      }
    },
    fault: (section, key, message) => faultAt(section, key, message, defaults),
    unasked: ({ entries }) => [...entries.values()].filter(entry => !asked.has(entry))
  }
}
