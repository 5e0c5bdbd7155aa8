import { lineOfFileError, namesIn, placeOfField, placeOfSentence } from './configuration-places.js'
import type { Analysis, Problem } from './configuration-problems.js'
import { placeOfLine } from './configuration-text.js'
import type { ClusterRequest, Schema } from './types.js'

type FieldError = Schema['FieldError']

/** Returns what a request that was to stage a configuration says of it, and how many of that are errors. */
export function problemsOfStaging(
  { results, warnings }: Pick<ClusterRequest, 'results' | 'warnings'>,
  { part }: Analysis
): { said: Problem[]; failed: number } {
  const names = namesIn(part)
  const problem = (level: Problem['level'], message: string): Problem => ({
    level,
    message,
    place: placeOfSentence(message, names)
  })
  const failed = results.flatMap(({ success, error = 'failed' }) => (success ? [] : [error]))
  return {
    said: [...failed.map(error => problem('error', error)), ...warnings.map(warning => problem('warning', warning))],
    failed: failed.length
  }
}

/** Returns what is wrong with a field of a configuration that was sent. */
export function problemOfField({ field, message }: FieldError, { part }: Analysis): Problem {
  const name = field.split('/').at(-1) ?? field
  return {
    level: 'error',
    message: `${name === 'config' ? 'the configuration' : name} ${message}`,
    place: part && placeOfField(part, field, message)
  }
}

/** Returns what is wrong with a file that was to be converted. */
export function problemOfFile(error: FieldError, text: string): Problem {
  const line = lineOfFileError(error)
  const { field, message } = error
  return {
    level: 'error',
    // The line is told before the message.
    message: field === `line ${line}` ? message : `${field}: ${message.replace(` (line ${line})`, '')}`,
    place: line === undefined ? undefined : placeOfLine(text, line)
  }
}
