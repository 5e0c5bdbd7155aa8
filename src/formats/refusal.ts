import type { FieldError } from '../../schemas/api.js'
import { cut } from '../../schemas/cut.js'
import { AppError } from '../errors.js'

/** More errors than anyone reads. */
const maxErrors = 100

/** An error in a file: at a key of a section, in a section as a whole, or in a line outside of any section. */
export interface Fault {
  section?: string
  key?: string
  line?: number | undefined
  message: string
  /** Reported only where nothing else is: a value that could not be read does not fit its schema, either. */
  isMinor?: boolean
}

const placeOf = ({ section, key, line }: Fault) =>
  JSON.stringify([section, key?.toLowerCase(), section === undefined ? line : undefined])

/**
 * Returns a fault as a field by which programs know it, and as a line for people, which says where in the file it is.
 */
function fieldErrorOf({ section = '', key = '', line, message }: Fault): FieldError & { text: string } {
  const place = [section, key].filter(part => part !== '')
  const where = line === undefined || place.length === 0 ? message : `${message} (line ${line})`
  const places = place.length > 0 ? place : [`line ${line}`]
  return { field: places.join('.'), message: where, text: `${places.join(': ')}: ${where}` }
}

/** Throws all faults at once, if there are any, each once, as `invalid_request`. */
export function refuse(found: readonly Fault[]): void {
  if (found.length === 0) return
  // One name of a section, however long, may have many faults.
  const faults = found.map(({ section, key, ...fault }) => ({
    ...fault,
    ...(section !== undefined && { section: shown(section) }),
    ...(key !== undefined && { key: shown(key) })
  }))
  const major = new Set(faults.filter(({ isMinor }) => !isMinor).map(placeOf))
  const distinct = [
    ...new Map(
      faults
        .filter(fault => !fault.isMinor || !major.has(placeOf(fault)))
        .map(fault => fieldErrorOf(fault))
        .map(error => [error.text, error])
    ).values()
  ]
  const rest = distinct.length - maxErrors
  const errors = [
    ...distinct.slice(0, maxErrors),
    ...(rest > 0 ? [{ field: 'and', message: `${rest} more`, text: `and ${rest} more` }] : [])
  ]
  throw new AppError('invalid_request', errors.map(({ text }) => text).join('; '), {
    errors: errors.map(({ field, message }) => ({ field, message }))
  })
}

/** Returns a text of the file as shown in a message: at most 200 characters. */
export const shown = (text: string) => cut(text, 201)
