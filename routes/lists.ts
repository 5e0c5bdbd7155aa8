import { Type } from '@sinclair/typebox'

/**
 * A parameter that names several: with commas, or given several times (see `joinRepeated`). `name` is the pattern of
 * one,
 * and `what` what they are names of, for people.
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

/** The same where each is one of a fixed set. */
export function SeveralOf(values: readonly string[], what: string, example: string) {
  return Several(values.join('|'), `${what}, of ${values.join(', ')}`, example)
}

/** For a route's `preValidation`: makes one text of a parameter that was given several times. */
export function joinRepeated(...names: readonly string[]) {
  return async ({ query }: { query: unknown }) => {
    const values = query as Record<string, unknown>
    for (const name of names) if (Array.isArray(values[name])) values[name] = values[name].join(',')
  }
}

/** The names in the text of a parameter, which its schema has let pass; undefined when it was not given. */
export function namesIn<T extends string>(text: string | undefined): T[] | undefined {
  return text?.split(',').map(name => name.trim() as T)
}
