import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Role } from '../../schemas/access.js'
import type { Labels } from '../../schemas/groups.js'
import { AppError } from '../errors.js'
import type { StoredToken } from '../store/tokens.js'

const pattern = /^zcc_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/
const bootstrapId = 'bootstrap'

const hashOf = (secret: string) => createHash('sha256').update(secret).digest('hex')

/** Creates a token: what is stored of it, and its text, which cannot be recovered later. */
export function createToken({
  name,
  role,
  parent = null,
  labels,
  lifetimeMs,
  now
}: {
  name: string
  role: Role
  parent?: string | null
  labels?: Labels | undefined
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
      parent,
      labels: labels ? JSON.stringify(labels) : null
    },
    text: `zcc_${id}_${secret}`
  }
}

/**
 * Returns the token of the first admin from a text made up by the person who sets up the controller. Throws
 * `invalid_request`.
 */
export function bootstrapToken(text: string, now: number): StoredToken {
  // Other characters do not pass through a header unchanged.
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
    parent: null,
    labels: null
  }
}

/** Returns the token that a text stands for; undefined when there is none, or it has expired. */
export function findToken(
  tokens: ReadonlyMap<string, StoredToken>,
  text: string,
  now: number
): StoredToken | undefined {
  // A text that is not of our format can only be the first token.
  const [, id = bootstrapId, secret = text] = pattern.exec(text) ?? []
  const token = tokens.get(id)
  if (!token || !timingSafeEqual(Buffer.from(token.hash), Buffer.from(hashOf(secret)))) return undefined
  return isExpired(token, now) ? undefined : token
}

/** Returns the labels of the instances that a token is limited to; undefined where nothing is limited. */
export function labelsOf({ labels }: Pick<StoredToken, 'labels'>): Labels | undefined {
  return labels === null ? undefined : (JSON.parse(labels) as Labels)
}

/** Returns a text in which no token can be read, with what says which one it was. */
export function withoutSecrets(text: string): string {
  return text.replace(/(zcc_[0-9a-f]{12}_)[\w-]+/g, '$1…')
}

export function isExpired({ expires_at: expires }: StoredToken, now: number): boolean {
  return expires !== null && expires <= now
}
