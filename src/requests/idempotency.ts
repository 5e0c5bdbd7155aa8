import { createHash } from 'node:crypto'

/** Identifies repetitions of one request: the key, together with its caller, and a digest of the payload. */
export interface Idempotency {
  key: string
  fingerprint: string
}

/**
 * Returns the key and the digest. Equal keys of different callers differ. The order of object members does not matter:
 * payloads with the same members and values are the same.
 */
export function idempotencyOf(caller: string, key: string, payload: unknown): Idempotency {
  const sorted = (_key: string, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value
  const fingerprint = createHash('sha256').update(JSON.stringify(payload, sorted)).digest('hex')
  return { key: `${caller} ${key}`, fingerprint }
}
