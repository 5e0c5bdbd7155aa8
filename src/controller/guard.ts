import { covers, type NeededRole, type Role } from '../../schemas/access.js'
import { AppError } from '../errors.js'
import type { StoredToken, TokenTable } from '../store/tokens.js'
import { findToken, isExpired } from '../token.js'

/** Who asks. */
export interface Principal {
  /** Of the token; undefined where none is needed. */
  tokenId: string | undefined
  name: string
  role: Role
}

/** Without authentication whoever reaches the controller may do everything. */
const anyone: Principal = { tokenId: undefined, name: 'anyone', role: 'admin' }

/** How soon a token that was revoked, or has expired, ends what was opened with it. */
const checkMs = 250

export interface GuardOptions {
  authentication: 'none' | 'token'
  tokens: TokenTable
  now: () => number
}

/** Tells who may come in, and ends what was opened with a token that is no longer good. */
export class Guard {
  #options: GuardOptions
  #tokens = new Map<string, StoredToken>()
  #version = -1
  #held = new Map<{ destroy: () => unknown }, Principal>()
  #timer: NodeJS.Timeout

  constructor (options: GuardOptions) {
    this.#options = options
    this.#reload()
    this.#timer = setInterval(() => this.#check(), checkMs).unref()
  }

  close (): void {
    clearInterval(this.#timer)
  }

  /** Who has sent these headers. Throws `unauthorized`. */
  identify (headers: { authorization?: string | undefined }): Principal {
    if (this.#options.authentication === 'none') return anyone
    const [, text = ''] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? []
    if (text === '') throw new AppError('unauthorized', 'a token is needed: Authorization: Bearer …')
    this.#reload()
    const token = findToken(this.#tokens, text, this.#options.now())
    if (!token) throw new AppError('unauthorized', 'the token is unknown, revoked or expired')
    return { tokenId: token.id, name: token.name, role: token.role }
  }

  /** Throws `unauthorized` or `forbidden`. */
  admit (headers: { authorization?: string | undefined }, needed: NeededRole): Principal {
    if (needed === 'anyone') return anyone
    const principal = this.identify(headers)
    allow(principal, needed)
    return principal
  }

  /** The name that an agent may speak for; undefined when it may choose. Throws `unauthorized` or `forbidden`. */
  admitAgent (headers: { authorization?: string | undefined }): { principal: Principal, name: string | undefined } {
    const principal = this.identify(headers)
    if (principal.tokenId === undefined) return { principal, name: undefined }
    if (principal.role !== 'agent') throw new AppError('forbidden', `the token of ${principal.name} is not that of an agent`)
    return { principal, name: principal.name }
  }

  /** Keeps an eye on a stream for as long as it is open: it ends with the token. */
  hold (principal: Principal, stream: { destroy: () => unknown, once: (event: 'close', listener: () => void) => unknown }): void {
    if (principal.tokenId === undefined) return
    this.#held.set(stream, principal)
    stream.once('close', () => this.#held.delete(stream))
  }

  #check (): void {
    this.#reload()
    for (const [stream, { tokenId }] of this.#held) {
      const token = this.#tokens.get(tokenId!)
      if (!token || isExpired(token, this.#options.now())) stream.destroy()
    }
  }

  /** Another process may have made or revoked tokens. */
  #reload (): void {
    const { version } = this.#options.tokens
    if (version === this.#version) return
    this.#version = version
    this.#tokens = new Map(this.#options.tokens.list().map(token => [token.id, token]))
  }
}

/** Throws `forbidden` when the role is not enough. */
export function allow ({ name, role }: Principal, needed: NeededRole): void {
  if (!covers(role, needed)) throw new AppError('forbidden', `the token ${name} is of role ${role}: this needs ${needed}`)
}
