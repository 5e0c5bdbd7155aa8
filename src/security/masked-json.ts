import type { IsSecret } from './secret-names.js'
import { mask } from './secret-values.js'

/**
 * Of JSON: a string, with its colon where it is a name; a bracket; any other value. A string that does not end is one
 * up to the end: looking for its end again from each quote in it would take for ever.
 */
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$)(\s*:)?|[[{]|[\]}]|[^\s"[\]{},:]+/gs

/**
 * Returns a JSON text with secrets masked: all of a member whose name is secret, at any depth, and what `hide` does to
 * names and values. Everything else stays as it is written, so that large numbers keep their digits.
 */
export function maskedJson(json: string, isSecret: IsSecret, hide: (text: string) => string): string {
  const parts: string[] = []
  /** Up to where the text is dealt with. */
  let done = 0
  /** How many brackets are open in the secret value that is being left out. */
  let open: number | undefined
  const replace = (from: number, to: number, by: string) => {
    parts.push(json.slice(done, from), by)
    done = to
  }
  for (const { 0: token, 1: colon, index } of json.matchAll(tokens)) {
    const end = index + token.length
    if (open !== undefined) {
      if (token === '[' || token === '{') open++
      else if (token === ']' || token === '}') open--
      if (open > 0) continue
      replace(done, end, JSON.stringify(mask))
      open = undefined
      continue
    }
    const text = colon === undefined ? token : token.slice(0, -colon.length)
    const plain = textOf(text)
    const hidden = hide(plain)
    if (hidden !== plain) replace(index, index + text.length, JSON.stringify(hidden))
    if (colon === undefined || !isSecret(plain)) continue
    replace(end, end, '')
    open = 0
  }
  // A value that does not end is none, and is left out all the same.
  return [...parts, open === undefined ? json.slice(done) : JSON.stringify(mask)].join('')
}

/** Returns the text of a string, without quotes and escapes; any other token as it is. */
function textOf(token: string): string {
  if (!token.startsWith('"')) return token
  try {
    return JSON.parse(token) as string
  } catch {
    return token.slice(1, -1)
  }
}
