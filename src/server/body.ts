import type { FastifyInstance } from 'fastify'
import { AppError } from '../errors.js'
import type { Limits } from './access/limits.js'

/** Deepest nesting of a body: no configuration is nested deeper, and such values could not be serialized again. */
const maxDepth = 64
/** Returns how many values a body may hold that may have so many bytes: many small ones are dear to parse and check. */
const maxValues = (bodyLimit: number) => Math.max(32_768, bodyLimit / 32)

/**
 * Has the server accept JSON bodies only, besides types that a route adds. What a client sends counts as work for it.
 */
export function acceptJsonOnly(app: FastifyInstance, limits: Pick<Limits, 'charge' | 'refuseToil'>): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    try {
      limits.refuseToil(request.principal)
      limits.charge(request.principal, { received: body.length })
      refuseMonster(String(body), maxValues(request.routeOptions.bodyLimit))
    } catch (error) {
      return done(error as Error, undefined)
    }
    // An empty body with the JSON type counts as none: clients send that with a POST without arguments.
    if (body.length === 0) return done(null, undefined)
    void parse(request, String(body), done)
  })
}

/** Throws `invalid_request` for a text whose brackets and braces are nested too deep, or that has too many values. */
function refuseMonster(json: string, max: number): void {
  const { depth, values } = shapeOf(json)
  if (depth > maxDepth) throw new AppError('invalid_request', `body is nested more than ${maxDepth} deep`)
  if (values > max) throw new AppError('invalid_request', `body has more than ${Math.floor(max)} values`)
}

const [quote, backslash, comma] = ['"', '\\', ','].map(character => character.charCodeAt(0))
const opening = new Set(['{', '['].map(character => character.charCodeAt(0)))
const closing = new Set(['}', ']'].map(character => character.charCodeAt(0)))

/**
 * Returns how deep brackets and braces are nested outside of strings, and about how many values there are: those that
 * hold others and those that a comma follows. Reads the text once, before it is parsed.
 */
function shapeOf(json: string): { depth: number; values: number } {
  let [depth, deepest, values, quoted] = [0, 0, 1, false]
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at)
    if (quoted) {
      if (code === backslash) at++
      else if (code === quote) quoted = false
    } else if (code === quote) quoted = true
    else if (code === comma) values++
    else if (opening.has(code)) {
      values++
      deepest = Math.max(deepest, ++depth)
    } else if (closing.has(code)) depth--
  }
  return { depth: deepest, values }
}
