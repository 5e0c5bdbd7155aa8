import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { roles, type Role } from '../../schemas/access.js'
import { namePattern } from '../../schemas/types.js'
import { AppError } from '../errors.js'
import { EventLog } from '../store/events.js'
import { Store } from '../store/store.js'
import { TokenTable, type StoredToken } from '../store/tokens.js'

const pattern = /^zcc_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/
const bootstrapId = 'bootstrap'
const units = { m: 60_000, h: 3_600_000, d: 86_400_000 }

const hashOf = (secret: string) => createHash('sha256').update(secret).digest('hex')

/** A new token: what is kept of it, and its text, which nobody can tell later. */
export function createToken ({ name, role, parent = null, lifetimeMs, now }: { name: string, role: Role, parent?: string | null, lifetimeMs?: number | undefined, now: number }): { kept: StoredToken, text: string } {
  const id = randomBytes(6).toString('hex')
  const secret = randomBytes(32).toString('base64url')
  return { kept: { id, name, role, hash: hashOf(secret), created_at: now, expires_at: lifetimeMs === undefined ? null : now + lifetimeMs, parent }, text: `zcc_${id}_${secret}` }
}

/** The token of the first admin, as whoever set the controller up has made it up. Throws `invalid_request`. */
export function bootstrapToken (text: string, now: number): StoredToken {
  // Other characters do not come through a header as they are.
  if (!/^[!-~]{32,256}$/.test(text)) throw new AppError('invalid_request', 'it must hold one word of 32 to 256 characters of ASCII')
  if (pattern.test(text)) throw new AppError('invalid_request', 'it holds a token that was made for another controller; make one up')
  return { id: bootstrapId, name: bootstrapId, role: 'admin', hash: hashOf(text), created_at: now, expires_at: null, parent: null }
}

/** The token that a text is; undefined when there is none, or no longer. */
export function findToken (tokens: ReadonlyMap<string, StoredToken>, text: string, now: number): StoredToken | undefined {
  // What is not of our making can only be the first one.
  const [, id = bootstrapId, secret = text] = pattern.exec(text) ?? []
  const token = tokens.get(id)
  if (!token || !timingSafeEqual(Buffer.from(token.hash), Buffer.from(hashOf(secret)))) return undefined
  return isExpired(token, now) ? undefined : token
}

export function isExpired ({ expires_at: expires }: StoredToken, now: number): boolean {
  return expires !== null && expires <= now
}

export const tokenFlags = ['role', 'name', 'expires']

/**
 * `token create --role R [--name N] [--expires 30d]`, `token list`, `token revoke ID`: works on the store of a controller,
 * which may run meanwhile and heeds it within a second. Returns what is to be printed. Throws `invalid_request`.
 */
export async function tokenCommand (words: readonly string[], flags: Record<string, string>, stateDir: string): Promise<string> {
  const [verb, ...rest] = words
  const store = new Store(join(stateDir, 'controller.sqlite'))
  const table = new TokenTable(store)
  const audit = new EventLog(store, 'audit')
  const note = (action: string, detail: string) => audit.append({ type: 'audit', action, outcome: 'succeeded', name: userName(), address: 'the command line', detail }, false, Date.now())
  try {
    if (verb === 'create' && rest.length === 0) {
      const { kept, text } = createToken({ ...readFlags(flags), now: Date.now() })
      await store.write('synced', () => {
        table.insert(kept)
        note('create_token', `${kept.id}: ${kept.role} ${kept.name}`)
      })
      return text
    }
    if (verb === 'list' && rest.length === 0) {
      return table.list().map(token => [token.id, token.role, token.name, timeOf(token.created_at), token.expires_at === null ? 'never' : timeOf(token.expires_at), ...(token.parent === null ? [] : [`session of ${token.parent}`])].join('\t')).join('\n')
    }
    if (verb === 'revoke' && rest.length === 1) {
      const isGone = await store.write('synced', () => {
        const isGone = table.delete(rest[0]!)
        if (isGone) note('revoke_token', rest[0]!)
        return isGone
      })
      if (!isGone) throw new AppError('invalid_request', `there is no token ${rest[0]}`)
      return `revoked ${rest[0]}`
    }
    throw new AppError('invalid_request', 'token takes: create --role ROLE [--name NAME] [--expires 30d], list, or revoke ID')
  } finally {
    store.close()
  }
}

/** Who has typed the command. In a container a user may have no name. */
function userName (): string {
  try {
    return userInfo().username
  } catch {
    return `user ${process.getuid?.()}`
  }
}

const timeOf = (ms: number) => new Date(ms).toISOString()

function readFlags ({ role, name, expires }: Record<string, string>): { role: Role, name: string, lifetimeMs: number | undefined } {
  const known = roles.find(each => each === role)
  if (!known) throw new AppError('invalid_request', `--role must be one of ${roles.join(', ')}`)
  if (known === 'agent' && name === undefined) throw new AppError('invalid_request', '--name must be the name of the agent: it can speak for no other')
  if (name !== undefined && !new RegExp(namePattern).test(name)) throw new AppError('invalid_request', '--name must be a name: letters, digits, ".", "_" and "-"')
  const [, count, unit] = /^([1-9]\d{0,4})([mhd])$/.exec(expires ?? '') ?? []
  if (expires !== undefined && count === undefined) throw new AppError('invalid_request', '--expires must be a number of minutes, hours or days: 90m, 12h, 30d')
  return { role: known, name: name ?? known, lifetimeMs: count === undefined ? undefined : Number(count) * units[unit as keyof typeof units] }
}
