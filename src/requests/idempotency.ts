import { createHash } from 'node:crypto'

/** What makes one request of many that say the same: the key, as its caller has it, and a digest of the payload. */
export interface Idempotency {
  key: string
  fingerprint: string
}

/**
 * Keys of different callers are different. Members of objects have no order: payloads that say the same are the same.
 */
export function idempotencyOf(caller: string, key: string, payload: unknown): Idempotency {
  const sorted = (_key: string, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value
  const fingerprint = createHash('sha256').update(JSON.stringify(payload, sorted)).digest('hex')
  return { key: `${caller} ${key}`, fingerprint }
}
