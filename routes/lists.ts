import { Type } from '@sinclair/typebox'

/**
 * Returns the schema of a parameter with several names: with commas, or given several times (see `joinRepeated`).
 * `name` is the pattern of one name, and `what` says in words what they are names of.
 */
export function Several(name: string, what: string, example: string) {
  return Type.Optional(
    Type.String({
      pattern: `^(?:${name})(?: ?, ?(?:${name}))*$`,
      maxLength: 8192,
      'x-expected': `names of ${what}, with commas between them`,
      description: `Names of ${what}; several with commas, or given several times.`,
      examples: [example]
    })
  )
}

/** Returns the same where each name is one of a fixed set. */
export function SeveralOf(values: readonly string[], what: string, example: string) {
  return Several(values.join('|'), `${what}, of ${values.join(', ')}`, example)
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
