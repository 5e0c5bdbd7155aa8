import { getSystemErrorMap } from 'node:util'

/** Where libuv says it otherwise than the C library does. */
const OTHERWISE: Record<string, string> = { EXDEV: 'Invalid cross-device link' }

/** What the C library calls an error: "Address already in use". */
export function textOf(error: unknown): string {
  const { errno = 0, code = '', message } = error as NodeJS.ErrnoException
  const text = OTHERWISE[code] ?? getSystemErrorMap().get(errno)?.[1] ?? message
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`
}

/** The same with its number: "Address already in use (98)". */
export function describeError(error: unknown): string {
  return `${textOf(error)} (${-((error as NodeJS.ErrnoException).errno ?? 0)})`
}
