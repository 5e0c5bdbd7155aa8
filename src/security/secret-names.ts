/**
 * Returns whether something of this name is secret: an environment variable, an option, an identifier, a member of it.
 */
export type IsSecret = (name: string) => boolean

/** What names of secrets contain, or end with. */
const looks =
  /pass(word|wd|phrase|code)|secret|token|credential|authorization|(api|private|access|auth)[-_ ]?key|(^|[-_:. ])keys?$|[-_:. ]pwd$/i
/** The same as the last word of a name in camel case. */
const endsLike = /[a-z0-9](Keys?|Pwd)$/

/** Returns whether a name looks like that of a secret. */
export const looksSecret: IsSecret = name => looks.test(name) || endsLike.test(name)

/**
 * Returns what also takes the given names for secret: separated by commas, in any case of letters; `*` at the beginning
 * or the end of one stands for any text.
 */
export function secretNames(list: string): IsSecret {
  const given = list
    .toLowerCase()
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '')
    .map(fitting)
  return name => looksSecret(name) || given.some(fits => fits(name.toLowerCase()))
}

function fitting(pattern: string): IsSecret {
  const [, before, text = '', after] = /^(\*?)(.*?)(\*?)$/s.exec(pattern)!
  if (before && after) return name => name.includes(text)
  if (before) return name => name.endsWith(text)
  return after ? name => name.startsWith(text) : name => name === text
}
