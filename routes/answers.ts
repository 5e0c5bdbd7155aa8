import { Type, type TSchema } from '@sinclair/typebox'
import type { NeededRole } from '../schemas/access.js'
import { Problem } from '../schemas/api.js'
import { Ref } from '../schemas/types.js'

/** Returns an error response, which every route may send. */
const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: Ref(Problem) } }
})
export const problems = {
  '4xx': problem('The request cannot be taken as it is'),
  '5xx': problem('The server cannot take it now')
}

declare module 'fastify' {
  interface FastifySchema {
    /** The least role that may use the route. A route without one is for admins. */
    'x-role'?: NeededRole
  }
}

/** Returns the part of a route's schema with the role that it needs: it is checked, and OpenAPI shows it. */
export function needs(role: NeededRole) {
  return { 'x-role': role, ...(role === 'anyone' ? { security: [] } : {}) }
}

/** Returns the schema of a JSON response with its headers. */
export function json(description: string, schema: TSchema, headers?: Record<string, TSchema>) {
  return { description, ...(headers ? { headers } : {}), content: { 'application/json': { schema } } }
}

/** The longest that a client may wait for a response, in seconds: proxies in between give up not much later. */
export const maxWaitSeconds = 30
export const Wait = Type.Optional(
  Type.Number({
    minimum: 0,
    maximum: maxWaitSeconds,
    description: 'Answer when the request is finished, or after so many seconds.'
  })
)
