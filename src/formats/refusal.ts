import type { FieldError } from '../../schemas/api.js'
import { AppError } from '../errors.js'

/** More than anyone reads. */
const maxErrors = 100

/** What is wrong in a file: at a key of a section, in a section as a whole, or in a line that is in none. */
export interface Fault {
  section?: string
  key?: string
  line?: number | undefined
  message: string
  /** Told only where nothing else is: a value that could not be read is not what its schema wants, either. */
  isMinor?: boolean
}

const placeOf = ({ section, key, line }: Fault) =>
  JSON.stringify([section, key?.toLowerCase(), section === undefined ? line : undefined])

/** A fault as a field that programs know it by, and as a line for people, which says where in the file it is. */
function fieldErrorOf({ section = '', key = '', line, message }: Fault): FieldError & { text: string } {
  const place = [section, key].filter(part => part !== '')
  const where = line === undefined || place.length === 0 ? message : `${message} (line ${line})`
  const places = place.length > 0 ? place : [`line ${line}`]
  return { field: places.join('.'), message: where, text: `${places.join(': ')}: ${where}` }
}

/** Throws all faults at once, if there are any, each once, as `invalid_request`. */
export function refuse(faults: readonly Fault[]): void {
  if (faults.length === 0) return
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

/** A text of the file within a message. */
export const shown = (text: string) => (text.length <= 200 ? text : `${text.slice(0, 200)}…`)
