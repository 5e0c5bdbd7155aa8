import { Type, type TSchema } from '@sinclair/typebox'
import { openapiKeyword } from '../schemas/types.js'

interface Names {
  /** The pattern of one name. */
  pattern: string
  /** The schema of one name. */
  items: TSchema
  /** What they are names of. */
  what: string
  examples: string[]
}

/**
 * Returns the schema of a parameter with several names: with commas, or given several times (see `joinRepeated`). In
 * OpenAPI it is a list.
 */
export function Several({ pattern, items, what, examples }: Names) {
  return Type.Optional(
    Type.String({
      pattern: `^(?:${pattern})(?: ?, ?(?:${pattern}))*$`,
      maxLength: 8192,
      'x-expected': `names of ${what}, with commas between them`,
      description: `Only those of these ${what.split(',')[0]}; several with commas, or given several times.`,
      [openapiKeyword]: { schema: Type.Array(items), example: examples }
    })
  )
}

/** Returns the same where each name is one of a fixed set. */
export function SeveralOf(values: readonly string[], { what, ...names }: Omit<Names, 'pattern'>) {
  return Several({ ...names, pattern: values.join('|'), what: `${what}, of ${values.join(', ')}` })
}

/** Returns a `preValidation` hook that joins the values of a parameter which was given several times. */
export function joinRepeated(...names: readonly string[]) {
  return async ({ query }: { query: unknown }) => {
    const values = query as Record<string, unknown>
    for (const name of names) if (Array.isArray(values[name])) values[name] = values[name].join(',')
  }
}

/** Returns the names in a parameter that was validated by its schema; undefined when it was not given. */
export function namesIn<T extends string>(text: string | undefined): T[] | undefined {
  return text?.split(',').map(name => name.trim() as T)
}
