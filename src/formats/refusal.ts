import type { FieldError } from '../../schemas/api.js'
import { invalid } from '../errors.js'

/** More than anyone reads. */
const maxErrors = 100

/** Throws all errors at once, if there are any, each once, as `invalid_request`. */
export function refuse (errors: readonly FieldError[]): void {
  if (errors.length === 0) return
  const distinct = [...new Map(errors.map(error => [`${error.field} ${error.message}`, error])).values()]
  const rest = distinct.length - maxErrors
  throw invalid([...distinct.slice(0, maxErrors), ...(rest > 0 ? [{ field: 'and', message: `${rest} more` }] : [])])
}

/** A text of the file within a message. */
export const shown = (text: string) => text.length <= 200 ? text : `${text.slice(0, 200)}…`
