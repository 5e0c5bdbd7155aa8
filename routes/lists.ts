import { Type } from '@fastify/type-provider-typebox'
import { AppError } from '../src/errors.js'

/** A parameter that names several: with commas, or given several times (see `joinRepeated`). */
export function Several (description: string, examples: string[]) {
  return Type.Optional(Type.String({ maxLength: 8192, description: `${description}; several with commas, or given several times.`, examples }))
}

/** For a route's `preValidation`: makes one text of a parameter that was given several times. */
export function joinRepeated (...names: readonly string[]) {
  return async ({ query }: { query: unknown }) => {
    const values = query as Record<string, unknown>
    for (const name of names) if (Array.isArray(values[name])) values[name] = values[name].join(',')
  }
}

/** The names in the text of a parameter; undefined when it was not given. */
export function namesIn (text: string | undefined): string[] | undefined {
  return text?.split(',').map(name => name.trim())
}

/** The same of names that are known. Throws `invalid_request` when one is not: `what` says what it is not. */
export function knownIn<T extends string> (
  parameter: string, text: string | undefined, what: string, known: readonly T[]
): T[] | undefined {
  const names = namesIn(text)
  const unknown = names?.find(name => !known.includes(name as T))
  if (unknown === undefined) return names as T[] | undefined
  const message = `there is no ${what} ${unknown}`
  throw new AppError('invalid_request', `querystring/${parameter}: ${message}`, { errors: [{ field: `querystring/${parameter}`, message }] })
}
