import { STATUS_CODES } from 'node:http'
import type { FastifyError } from 'fastify'
import type { Problem } from '../../schemas/api.js'
import { AppError, statusOf, type Code } from '../errors.js'

/** Fastify's own refusals by their status, in our codes. */
const codeOf = Object.fromEntries(Object.entries(statusOf).map(([code, status]) => [status, code as Code]))

/** What was thrown, as one of our errors; undefined when it was not foreseen. */
function foreseen(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error
  const { statusCode = 500, message } = error as FastifyError
  if (statusCode >= 500) return undefined
  return new AppError(codeOf[statusCode] ?? 'invalid_request', message)
}

/** What goes with a problem: how long to wait, or how to come in. */
export function headersOf({ status }: Problem): Record<string, string> {
  return {
    'content-type': 'application/problem+json',
    ...(status === 429 ? { 'retry-after': '1' } : {}),
    ...(status === 503 ? { 'retry-after': '5' } : {}),
    ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {})
  }
}

/** The body of an error answer (RFC 9457), and whether the error was foreseen. */
export function problemOf(error: unknown): { problem: Problem; foreseen: boolean } {
  const known = foreseen(error)
  const code = known?.code ?? 'internal'
  const status = statusOf[code]
  return {
    problem: {
      type: 'about:blank',
      title: STATUS_CODES[status] ?? 'Error',
      status,
      code,
      detail: known?.message ?? 'internal error',
      ...(known?.errors ? { errors: known.errors } : {})
    },
    foreseen: known !== undefined
  }
}
