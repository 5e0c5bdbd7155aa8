import type { FieldError, ProblemCode } from '../schemas/api.js'
import { refusalOf } from './permission.js'

/** The kinds of failure that a caller can distinguish, and the HTTP status of each. The only place that knows both. */
export const statusOf = {
  invalid_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  not_acceptable: 406,
  request_timeout: 408,
  conflict: 409,
  precondition_failed: 412,
  payload_too_large: 413,
  unsupported_media_type: 415,
  idempotency_key_reused: 422,
  upgrade_required: 426,
  too_many_requests: 429,
  headers_too_large: 431,
  internal: 500,
  unavailable: 503,
  not_leader: 503,
  timeout: 504
} as const satisfies Record<ProblemCode, number>

export type Code = ProblemCode

/** The error of what has not ended in time. zeek-client knows these words. */
export const requestTimedOut = 'request timed out'

/**
 * An expected failure. Anything else that is thrown is reported as `internal`: logged with its stack, and hidden from
 * the caller.
 */
export class AppError extends Error {
  readonly code: Code
  readonly errors: FieldError[] | undefined

  constructor(code: Code, message: string, options: { cause?: unknown; errors?: FieldError[] } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.errors = options.errors
  }
}

/** Returns the error for a value that does not fit its schema: one line that names every field. */
export function invalid(errors: FieldError[]): AppError {
  return new AppError('invalid_request', errors.map(({ field, message }) => `${field} ${message}`).join('; '), {
    errors
  })
}

/** Returns the text of anything that was thrown; for what the system refuses, with the owner and the remedy. */
export function messageOf(error: unknown): string {
  return refusalOf(error) ?? (error instanceof Error ? error.message : String(error))
}

/** Returns whether the error is the system's reply to a call of ours, rather than a bug. */
export function isOfSystem(error: unknown): boolean {
  return typeof (error as NodeJS.ErrnoException | undefined)?.syscall === 'string'
}
