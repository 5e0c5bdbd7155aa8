import { Type, type TSchema } from '@sinclair/typebox'
import type { NeededRole, Needs } from '../schemas/access.js'
import { Problem } from '../schemas/api.js'
import { openapiKeyword, Ref, type InOpenapi } from '../schemas/types.js'

declare module 'fastify' {
  interface FastifySchema {
    /** The least role that may use the route. A route without one is for admins. */
    'x-role'?: NeededRole
    /** Whether it is for callers who are limited to instances with labels, too: its answer is then of those only. */
    'x-limited'?: boolean
  }
}

/** Returns the part of a route's schema that says what it needs of a caller: it is checked, and OpenAPI shows it. */
export function needs(role: NeededRole, { limited = false }: Omit<Needs, 'role'> = {}) {
  return {
    'x-role': role,
    ...(limited ? { 'x-limited': true } : {}),
    ...(role === 'anyone' ? { security: [] } : {})
  }
}

interface Answer {
  description: string
  headers?: Record<string, TSchema>
  /** The schema of each media type. */
  content: Record<string, TSchema>
  /** An example, where the schema has none. */
  example?: unknown
  /** The name under which routes share the answer. */
  shared?: string
}

/** Returns the content of a body from the schema of each media type. */
export function contentOf(schemas: Record<string, TSchema>, inOpenapi: InOpenapi = {}) {
  return Object.fromEntries(
    Object.entries(schemas).map(([type, schema]) => [type, { schema, [openapiKeyword]: inOpenapi }])
  )
}

/** Returns the schema of a response. */
export function answer({ content, example, shared, ...rest }: Answer) {
  return { ...rest, content: contentOf(content, { example, shared }) }
}

/** Returns the schema of a JSON response. */
export function json(description: string, schema: TSchema, more: Pick<Answer, 'headers' | 'example' | 'shared'> = {}) {
  return answer({ description, content: { 'application/json': schema }, ...more })
}

/** Returns the schema of metrics in Prometheus' text format. */
export function metricsText(example: string) {
  return answer({ description: "Prometheus' text format.", content: { 'text/plain': Type.String() }, example })
}

/** The error response, which every route may send. */
export const problems = {
  default: answer({
    description: 'What went wrong. `code` is for programs, `detail` for people.',
    headers: {
      'Retry-After': Type.Optional(
        Type.Integer({ description: 'Seconds to wait before the next attempt: of 429 and 503.', examples: [5] })
      ),
      Allow: Type.Optional(Type.String({ description: 'The methods that there are: of 405.', examples: ['GET, HEAD'] }))
    },
    content: { 'application/problem+json': Ref(Problem) },
    shared: 'Problem'
  })
}

/** The answer where `If-Match` does not hold. */
export const preconditionFailed = {
  412: answer({
    description:
      '`If-Match` does not hold: nothing is changed, and no request is made. `detail` says what is there now, and who has put it there, and when, where that is known.',
    content: { 'application/problem+json': Ref(Problem) },
    example: {
      type: 'about:blank',
      title: 'Precondition Failed',
      status: 412,
      code: 'precondition_failed',
      detail: 'the deployed configuration is "13" now: revision 13, deployed by ops at 2026-11-29T10:00:00.000Z'
    },
    shared: 'PreconditionFailed'
  })
}

/** The longest that a client may wait for a response, in seconds: proxies in between give up not much later. */
export const maxWaitSeconds = 30
export const Wait = Type.Optional(
  Type.Number({
    minimum: 0,
    maximum: maxWaitSeconds,
    description: 'Answer when the request is finished, or after so many seconds.',
    examples: [10]
  })
)
