import { whyNotLimited, type Role } from '../../../schemas/access.js'
import { textOfLabels, type Labels } from '../../../schemas/groups.js'
import { joinTokenSeconds, tokensMax, type CreatedToken, type Token, type TokenInput } from '../../../schemas/tokens.js'
import { AppError, invalid } from '../../errors.js'
import { auditEntry, auditKinds } from '../../requests/audit-entry.js'
import type { AppendEntry } from '../../requests/journal.js'
import { createToken, labelsOf, withoutSecrets } from '../../security/token.js'
import type { JoinTokenTable, StoredJoinToken } from '../../store/joins.js'
import type { StoredToken, TokenTable } from '../../store/tokens.js'
import { defined } from '../../util.js'
import type { Principal } from './guard.js'
import type { Keyring } from './keyring.js'

/** Writes what a job does together with the audit entries that it appends: both are on the disk, or neither. */
export type WriteAudited = <T>(job: (record: AppendEntry) => T) => Promise<T>

export interface TokensOptions {
  table: TokenTable
  joins: JoinTokenTable
  /**
   * Returns the fingerprint by which hosts that join know this controller; undefined where that is not known here.
   * Throws `conflict` where none can join.
   */
  fingerprint: () => string | undefined
  write: WriteAudited
  /** Returns milliseconds since 1970. */
  now: () => number
  /** What this process knows of tokens: a change of its own is not one that it would notice. */
  keyring?: Pick<Keyring, 'add' | 'drop'>
}

/** The tokens, as the command and the routes list and change them. Every change has its entry in the audit log. */
export class Tokens {
  #options: TokensOptions

  constructor(options: TokensOptions) {
    this.#options = options
  }

  /** Returns all tokens and sessions, oldest first. */
  list(): Token[] {
    const { table, joins } = this.#options
    const granted = new Map(joins.list().map(one => [one.id, one]))
    return table.list().map(token => shown(token, granted.get(token.id)))
  }

  /**
   * Makes a token, and returns it with its text. Throws `conflict` when there are too many, or where no host can join,
   * and `invalid_request` for labels that limit nothing.
   */
  async create(input: TokenInput, by: Partial<Principal>): Promise<CreatedToken> {
    const { table, joins, now, keyring } = this.#options
    const { role, name = role, labels } = input
    if (labels) refuseLabels(role, labels)
    const { expires_in: seconds = role === 'join' ? joinTokenSeconds : undefined } = input
    const lifetimeMs = seconds === undefined ? undefined : seconds * 1000
    const { kept, text } = createToken({ name, role, labels, lifetimeMs, now: now() })
    const grant = grantOf(kept.id, input)
    const fingerprint = grant && this.#options.fingerprint()
    await this.#change('create_token', by, () => {
      if (!table.insertWithin(kept, tokensMax)) {
        throw new AppError('conflict', `there are ${tokensMax} tokens, and may be no more: revoke those of no use`)
      }
      if (grant) joins.insert(grant)
      return describe(kept, grant)
    })
    keyring?.add(kept)
    return { ...shown(kept, grant), token: text, ...(fingerprint === undefined ? {} : { fingerprint }) }
  }

  /** Revokes a token with its sessions. Throws `not_found`. */
  async revoke(id: string, by: Partial<Principal>): Promise<void> {
    const { table, joins, keyring } = this.#options
    await this.#change('revoke_token', by, () => {
      const token = table.get(id)
      if (!token) throw new AppError('not_found', `there is no token ${withoutSecrets(id)}`)
      table.delete(id)
      return describe(token, joins.get(id)) + (id === by.tokenId || id === by.client ? ', its own' : '')
    })
    keyring?.drop(id)
  }

  /** Writes a change, and the entry that it describes. Throws `unauthorized` when the token of who asks is gone. */
  async #change(action: string, by: Partial<Principal>, job: () => string): Promise<void> {
    const { table, write } = this.#options
    await write(record => {
      // It was good when the request began; the revocation may be of this very transaction.
      if (by.tokenId !== undefined && !table.get(by.tokenId)) throw new AppError('unauthorized', 'the token is revoked')
      record(auditEntry(action, 'succeeded', by, { detail: job() }), auditKinds.change)
    })
  }
}

/** Throws `invalid_request` for labels that a token of this role cannot be limited to. */
function refuseLabels(role: Role, labels: Labels): void {
  const why = whyNotLimited(role, labels)
  if (why !== undefined) throw invalid([{ field: 'body/labels', message: why }])
}

const timeOf = (ms: number) => new Date(ms).toISOString()

/** Returns what a new token of role `join` is good for; undefined for one of another role. */
function grantOf(id: string, { role, join = {} }: TokenInput): StoredJoinToken | undefined {
  if (role !== 'join') return undefined
  return { id, uses: join.uses ?? 1, accepts: join.accept === true ? 1 : 0, agent: join.agent ?? null }
}

/** Returns what admins may know of a token. */
function shown(stored: StoredToken, grant: StoredJoinToken | undefined): Token {
  const { id, name, role, created_at: created, expires_at: expires, parent, ...token } = stored
  return {
    id,
    name,
    role,
    ...defined({ labels: labelsOf(token) }),
    created_at: timeOf(created),
    ...(expires === null ? {} : { expires_at: timeOf(expires) }),
    ...(parent === null ? {} : { session_of: parent }),
    ...(grant && {
      join: {
        uses: grant.uses,
        accept: grant.accepts === 1,
        ...(grant.agent === null ? {} : { agent: grant.agent })
      }
    })
  }
}

/** Returns a token in words: later on its id alone would tell nothing. */
function describe({ id, name, role, parent, ...token }: StoredToken, grant: StoredJoinToken | undefined): string {
  const labels = labelsOf(token)
  const limited = labels ? `, limited to ${textOfLabels(labels)}` : ''
  const whom = grant?.agent == null ? 'any agent' : `agent ${grant.agent}`
  const more = grant ? `, for ${whom}, uses left: ${grant.uses}${grant.accepts === 1 ? ', accepts at once' : ''}` : ''
  return `${id}: ${role} ${name}${limited}${parent === null ? '' : `, session of ${parent}`}${more}`
}
