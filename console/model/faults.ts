import type { Schema } from './types.js'

/** Returns what is wrong with what was sent, each as a line; of a file as `Line 3: 'x' is no address`. */
export function faultsOf({
  message,
  errors = []
}: {
  message: string
  errors?: readonly Schema['FieldError'][]
}): string[] {
  if (errors.length === 0) return [message]
  return errors.map(({ field, message }) => {
    const line = /^body\/line (\d+)$/.exec(field)?.[1]
    return line === undefined ? `${field} ${message}` : `Line ${line}: ${message}`
  })
}
