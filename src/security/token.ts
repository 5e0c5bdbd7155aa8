import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Role } from '../../schemas/access.js'
import { AppError } from '../errors.js'
import type { StoredToken } from '../store/tokens.js'

const pattern = /^zcc_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/
const bootstrapId = 'bootstrap'

const hashOf = (secret: string) => createHash('sha256').update(secret).digest('hex')

/** A new token: what is kept of it, and its text, which nobody can tell later. */
export function createToken({
  name,
  role,
  parent = null,
  lifetimeMs,
  now
}: {
  name: string
  role: Role
  parent?: string | null
  lifetimeMs?: number | undefined
  now: number
}): { kept: StoredToken; text: string } {
  const id = randomBytes(6).toString('hex')
  const secret = randomBytes(32).toString('base64url')
  return {
    kept: {
      id,
      name,
      role,
      hash: hashOf(secret),
      created_at: now,
      expires_at: lifetimeMs === undefined ? null : now + lifetimeMs,
      parent
    },
    text: `zcc_${id}_${secret}`
  }
}

/** The token of the first admin, as whoever set the controller up has made it up. Throws `invalid_request`. */
export function bootstrapToken(text: string, now: number): StoredToken {
  // Other characters do not come through a header as they are.
  if (!/^[!-~]{32,256}$/.test(text)) {
    throw new AppError('invalid_request', 'it must hold one word of 32 to 256 characters of ASCII')
  }
  if (pattern.test(text)) {
    throw new AppError('invalid_request', 'it holds a token that was made for another controller; make one up')
  }
  return {
    id: bootstrapId,
    name: bootstrapId,
    role: 'admin',
    hash: hashOf(text),
    created_at: now,
    expires_at: null,
    parent: null
  }
}

/** The token that a text is; undefined when there is none, or no longer. */
export function findToken(
  tokens: ReadonlyMap<string, StoredToken>,
  text: string,
  now: number
): StoredToken | undefined {
  // What is not of our making can only be the first one.
  const [, id = bootstrapId, secret = text] = pattern.exec(text) ?? []
  const token = tokens.get(id)
  if (!token || !timingSafeEqual(Buffer.from(token.hash), Buffer.from(hashOf(secret)))) return undefined
  return isExpired(token, now) ? undefined : token
}

export function isExpired({ expires_at: expires }: StoredToken, now: number): boolean {
  return expires !== null && expires <= now
}
