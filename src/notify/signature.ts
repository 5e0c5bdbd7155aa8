import { createHmac } from 'node:crypto'
import { AppError } from '../errors.js'

const form = /^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/

/** Returns the key of a secret. Throws an AppError that names the field, and not the secret. */
export function keyOf(secret: string, field: string): Buffer {
  const key = form.test(secret) ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.alloc(0)
  if (key.length >= 24 && key.length <= 64) return key
  throw new AppError(
    'invalid_request',
    `${field} must be whsec_ and 24 to 64 bytes in base64: echo "whsec_$(openssl rand -base64 32)"`
  )
}

/**
 * Returns the headers by which a receiver knows a message: its id, when it is sent, and, with a key, who has sent it
 * (Standard Webhooks).
 */
export function signatureHeaders(id: string, body: string, now: number, key?: Buffer): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000))
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    ...(key && {
      'webhook-signature': `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
    })
  }
}
