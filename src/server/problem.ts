import { STATUS_CODES } from 'node:http'
import type { FastifyError } from 'fastify'
import type { Problem } from '../../schemas/api.js'
import { AppError, statusOf, type Code } from '../errors.js'

/** This project's codes for errors of Fastify, by their status. */
const codeOf = Object.fromEntries(Object.entries(statusOf).map(([code, status]) => [status, code as Code]))

/** Returns what was thrown as an AppError; undefined when it was not foreseen. */
function foreseen(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error
  const { statusCode = 500, message } = error as FastifyError
  if (statusCode >= 500) return undefined
  return new AppError(codeOf[statusCode] ?? 'invalid_request', message)
}

/** Returns the headers of an error response, such as how long to wait or how to authenticate. */
export function headersOf({ status, code }: Problem): Record<string, string> {
  return {
    'content-type': 'application/problem+json',
    ...(status === 429 ? { 'retry-after': '1' } : {}),
    // Another controller leads within seconds.
    ...(status === 503 ? { 'retry-after': code === 'not_leader' ? '1' : '5' } : {}),
    ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {})
  }
}

/** Returns the body of an error response (RFC 9457), and whether the error was foreseen. */
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
