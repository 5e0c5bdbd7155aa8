import type { Section } from './ini/ini.js'
import { shown } from './refusal.js'

// eslint-disable-next-line no-control-regex
const oneLine = (text: string) => shown(text.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim())

/** Returns one line about a key that the configuration cannot hold: what it was, and what to do. */
export function note(section: Section, key: string, value: string, advice: string): string {
  // Cut before anything is done with them: one key may have many notes.
  const [name, start] = [shown(section.name), shown(value.trim())]
  return oneLine(`${name === '' ? '' : `[${name}] `}${shown(key)} = ${start}`) + `: ${advice}`
}

/** More notes of one kind than anyone reads. */
const maxNotes = 100

/** Returns what is said of each of the first items, and of how many more the same is to be said. */
export function firstOf<T>(items: readonly T[], say: (item: T) => string, same: string): string[] {
  const rest = items.length - maxNotes
  return [...items.slice(0, maxNotes).map(say), ...(rest > 0 ? [`${rest} more ${same}`] : [])]
}
