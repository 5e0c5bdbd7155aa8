import type { Section } from './ini/ini.js'
import { shown } from './refusal.js'

// eslint-disable-next-line no-control-regex
const oneLine = (text: string) => shown(text.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim())

/** Returns one line about a key that the configuration cannot hold: what it was, and what to do. */
export function note(section: Section, key: string, value: string, advice: string): string {
  return oneLine(`${section.name === '' ? '' : `[${section.name}] `}${key} = ${value.trim()}`) + `: ${advice}`
}
