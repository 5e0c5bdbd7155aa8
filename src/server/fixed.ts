import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** An answer that is the same for everyone, until the file that it comes from is replaced. */
export interface Fixed {
  type: string
  bytes: Buffer
  etag: string
}

/** How a file that is named after its content is sent: who has it need not ask again. */
export const forever = { maxAge: 365 * 24 * 3_600_000, immutable: true }

export function fixed(type: string, bytes: Buffer): Fixed {
  return { type, bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"` }
}

/** Sends the bytes, or 304 to a client that has them. */
export function sendFixed({ type, bytes, etag }: Fixed, { headers }: FastifyRequest, reply: FastifyReply): void {
  reply.headers({ etag, 'cache-control': 'no-cache' })
  if (has(headers['if-none-match'], etag)) void reply.code(304).send()
  else void reply.type(type).send(bytes)
}

/** Returns whether one of the ETags that a client has is this one. A proxy that compresses makes weak ones of them. */
function has(known: string | undefined, etag: string): boolean {
  return known?.split(',').some(one => one.trim().replace(/^W\//, '') === etag) ?? false
}
