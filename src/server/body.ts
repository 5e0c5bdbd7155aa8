import type { FastifyInstance } from 'fastify'
import { AppError } from '../errors.js'

/** Deepest nesting of a body: no configuration is nested deeper, and such values could not be serialized again. */
const maxDepth = 64

/** Has the server accept JSON bodies only, besides types that a route adds. */
export function acceptJsonOnly(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (depthOf(String(body)) > maxDepth) {
      return done(new AppError('invalid_request', `body is nested more than ${maxDepth} deep`), undefined)
    }
    // An empty body with the JSON type counts as none: clients send that with a POST without arguments.
    if (body.length === 0) return done(null, undefined)
    void parse(request, String(body), done)
  })
}

/** Returns how deep brackets and braces are nested outside of strings. Reads the text once, before it is parsed. */
function depthOf(json: string): number {
  let depth = 0
  let deepest = 0
  let quoted = false
  for (let at = 0; at < json.length; at++) {
    const character = json[at]
    if (quoted) {
      if (character === '\\') at++
      else if (character === '"') quoted = false
    } else if (character === '"') quoted = true
    else if (character === '{' || character === '[') deepest = Math.max(deepest, ++depth)
    else if (character === '}' || character === ']') depth--
  }
  return deepest
}
