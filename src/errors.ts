import type { FieldError } from '../schemas/api.js'
import { refusalOf } from './permission.js'

/** The kinds of failure that a caller can tell apart, and the HTTP status of each. The only place that knows both. */
export const statusOf = {
  invalid_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  not_acceptable: 406,
  request_timeout: 408,
  payload_too_large: 413,
  unsupported_media_type: 415,
  idempotency_key_reused: 422,
  upgrade_required: 426,
  too_many_requests: 429,
  headers_too_large: 431,
  internal: 500,
  unavailable: 503,
  timeout: 504
} as const

export type Code = keyof typeof statusOf

/** What is said of what has not ended in time. zeek-client knows these words. */
export const requestTimedOut = 'request timed out'

/** A failure that was foreseen. Anything else that is thrown is `internal`: logged with its stack, and hidden. */
export class AppError extends Error {
  readonly code: Code
  readonly errors: FieldError[] | undefined

  constructor(code: Code, message: string, options: { cause?: unknown; errors?: FieldError[] } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.errors = options.errors
  }
}

/** What does not fit its schema, as one line that names every field. */
export function invalid(errors: FieldError[]): AppError {
  return new AppError('invalid_request', errors.map(({ field, message }) => `${field} ${message}`).join('; '), {
    errors
  })
}

/** The text of anything that was thrown; of what the system refuses, with whose it is and what to do. */
export function messageOf(error: unknown): string {
  return refusalOf(error) ?? (error instanceof Error ? error.message : String(error))
}

/** Whether this is the system's answer to what we asked of it, and no fault of ours. */
export function isOfSystem(error: unknown): boolean {
  return typeof (error as NodeJS.ErrnoException | undefined)?.syscall === 'string'
}
