import type { IncomingMessage } from 'node:http'
import { covers, isRole, type NeededRole, type Role } from '../../../schemas/access.js'
import { bearerOf, type Bearer } from '../../security/certificates.js'
import { AppError } from '../../errors.js'
import type { StoredToken } from '../../store/tokens.js'
import type { Audit } from '../../requests/audit.js'
import type { Keyring } from './keyring.js'
import type { Limits } from './limits.js'
import type { OriginPolicy } from './origin-policy.js'
import type { Tickets } from './tickets.js'

/** An authenticated caller. */
export interface Principal {
  /** Of the token, or of the certificate; of nobody in particular where none is needed. */
  name: string
  role: Role
  address: string
  /** Whom limits count as one. */
  client: string
  tokenId?: string | undefined
  /** When it is no longer good; milliseconds since 1970. */
  expires?: number | undefined
}

/** What of a request tells who asks. */
export type Asking = Pick<IncomingMessage, 'headers' | 'socket' | 'method' | 'url'>

/** How soon a token that was revoked, or has expired, ends what was opened with it. */
const checkMs = 250
const cookieName = 'zeek-cluster-session'

export interface GuardOptions {
  authentication: 'none' | 'token'
  keyring: Keyring
  tickets: Tickets<Principal>
  site: OriginPolicy
  limits: Limits
  audit: Pick<Audit, 'done' | 'refused'>
  /** Of a session. */
  sessionMs: number
  now: () => number
}

/** Tells who may come in, and ends what was opened with a token that is no longer good. */
export class Guard {
  #options: GuardOptions
  #held = new Map<{ destroy: () => unknown }, Principal>()
  #timer: NodeJS.Timeout

  constructor(options: GuardOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#check(), checkMs).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /**
   * Lets in who may do what needs that role, be it with a ticket. Throws `forbidden`, also of pages of other sites;
   * `unauthorized`; or `too_many_requests`.
   */
  admit(request: Asking, needed: NeededRole, ticket?: string): Principal {
    const principal = this.#telling(request, () => {
      this.#refuseForeigner(request)
      if (needed === 'anyone') return anyoneAt(this.#options.site.addressOf(request))
      return ticket === undefined ? this.#identify(request) : this.#redeem(ticket, request)
    })
    this.allow(principal, needed, actionOf(request))
    return principal
  }

  /** Counts what someone does. Throws `too_many_requests`, or `forbidden` when the role is not enough. */
  allow(principal: Principal, needed: NeededRole, action: string): void {
    const { audit, limits } = this.#options
    const { name, role, client } = principal
    limits.spend(client)
    if (covers(role, needed)) return
    const why = `${name} is of role ${role}: this needs ${needed}`
    audit.refused(action, principal, why)
    throw new AppError('forbidden', why)
  }

  /**
   * The agent that a request is of, and the only name that it may speak for; none when it may choose. Throws
   * `unauthorized` or `forbidden`.
   */
  admitAgent(request: Asking): { principal: Principal; name: string | undefined } {
    const isKnown = this.#options.authentication !== 'none'
    const principal = this.#telling(request, () => {
      const principal = this.#identify(request)
      if (isKnown && principal.role !== 'agent') throw new AppError('forbidden', `${principal.name} is not an agent`)
      return principal
    })
    this.#options.audit.done('connect_agent', principal)
    return { principal, name: isKnown ? principal.name : undefined }
  }

  /** Has it written down when somebody is not let in. */
  #telling(request: Asking, identify: () => Principal): Principal {
    try {
      return identify()
    } catch (error) {
      // Not what is the store's fault.
      if (error instanceof AppError && error.code !== 'unavailable') {
        this.#options.audit.refused(
          actionOf(request),
          { address: this.#options.site.addressOf(request) },
          error.message
        )
      }
      throw error
    }
  }

  /** Keeps an eye on a stream for as long as it is open: it ends with what it was opened with. */
  hold(
    principal: Principal,
    stream: { destroy: () => unknown; once: (event: 'close', listener: () => void) => unknown }
  ): void {
    if (principal.tokenId === undefined && principal.expires === undefined) return
    this.#held.set(stream, principal)
    stream.once('close', () => this.#held.delete(stream))
  }

  /**
   * A session for who has this token: a token of its own, which ends with the other, and the cookie that holds it.
   * Throws `unauthorized` or `forbidden`.
   */
  async logIn(text: string, request: Asking): Promise<{ principal: Principal; cookie?: string }> {
    const { authentication, keyring, sessionMs, site, audit } = this.#options
    const address = site.addressOf(request)
    if (authentication === 'none') return { principal: anyoneAt(address) }
    const token = this.#tokenOf(text, address)
    if (token.role === 'agent') {
      throw new AppError('forbidden', `${token.name} is an agent: it has no use for a session`)
    }
    const session = await keyring.openSession(token, sessionMs)
    if (!session) return this.#refuse(address, 'the token is revoked')
    const principal = this.#principal(session.kept, address)
    audit.done('log_in', principal)
    return { principal, cookie: this.#cookie(session.text, Math.floor(session.lifetimeMs / 1000)) }
  }

  /** Ends a session; the token that it is of stays. Returns the cookie that takes its place. */
  async logOut(principal: Principal): Promise<string> {
    const { keyring, audit } = this.#options
    if (await keyring.closeSession(principal.tokenId ?? '')) audit.done('log_out', principal)
    return this.#cookie('', 0)
  }

  /** A ticket with which its bearer is let in once, instead of the principal. */
  giveTicket(principal: Principal): { ticket: string; expires: number } {
    return this.#options.tickets.give(principal)
  }

  #redeem(ticket: string, request: Asking): Principal {
    const address = this.#options.site.addressOf(request)
    const principal = this.#options.tickets.take(ticket)
    if (!principal || !this.#isGood(principal)) return this.#refuse(address, 'the ticket is unknown, used or expired')
    return { ...principal, address }
  }

  #identify(request: Asking): Principal {
    const address = this.#options.site.addressOf(request)
    if (this.#options.authentication === 'none') return anyoneAt(address)
    const { authorization, cookie } = request.headers
    if (authorization !== undefined) {
      return this.#principal(this.#tokenOf(/^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '', address), address)
    }
    const session = this.#sessionOf(cookie)
    if (session !== undefined) return this.#identifyBySession(session, request, address)
    const bearer = bearerOf(request)
    if (bearer) return this.#identifyByCertificate(bearer, address)
    return this.#refuse(address, 'a token is needed: Authorization: Bearer …')
  }

  #identifyBySession(session: string, { method = '', headers }: Asking, address: string): Principal {
    // Browsers send cookies unasked, but with what changes something they say which page it is from.
    if (
      !['GET', 'HEAD'].includes(method) &&
      headers.origin === undefined &&
      headers['sec-fetch-site'] !== 'same-origin'
    ) {
      throw new AppError('forbidden', 'with a session, Origin is needed')
    }
    const token = this.#tokenOf(session, address)
    if (token.parent === null) return this.#refuse(address, 'the cookie holds no session')
    return this.#principal(token, address)
  }

  #identifyByCertificate({ name, role, expires }: Bearer, address: string): Principal {
    // It was good when the connection began, or the one that this one resumes.
    if (expires <= this.#options.now()) return this.#refuse(address, 'the certificate has expired')
    if (!isRole(role)) {
      throw new AppError('forbidden', `the certificate of ${name} is of no role (O is ${role})`)
    }
    return { name, role, address, client: `certificate of ${name}`, expires }
  }

  #refuseForeigner(request: Asking): void {
    const { limits, site } = this.#options
    try {
      site.refuseForeigner(request)
    } catch (error) {
      limits.spend(site.addressOf(request))
      throw error
    }
  }

  #tokenOf(text: string, address: string): StoredToken {
    return this.#options.keyring.find(text) ?? this.#refuse(address, 'the token is unknown, revoked or expired')
  }

  /** Who only guesses is slowed down, too. */
  #refuse(address: string, why: string): never {
    this.#options.limits.spend(address)
    throw new AppError('unauthorized', why)
  }

  #cookie(text: string, seconds: number): string {
    return `${this.#cookieName}=${text}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${this.#options.site.isSecure ? '; Secure' : ''}`
  }

  /** With TLS a name that only this very host can have set. */
  get #cookieName(): string {
    return `${this.#options.site.isSecure ? '__Host-' : ''}${cookieName}`
  }

  /** The token of a session, as a browser sends it. Of two, one was planted by another server of this host. */
  #sessionOf(cookies = ''): string | undefined {
    const found = [...cookies.matchAll(new RegExp(`(?:^|;)\\s*${this.#cookieName}=([^;\\s]+)`, 'g'))]
    return found.length === 1 ? found[0]![1] : undefined
  }

  /** The sessions of a token count as one with it. */
  #principal({ id, name, role, parent, expires_at: expires }: StoredToken, address: string): Principal {
    return { name, role, address, client: parent ?? id, tokenId: id, ...(expires === null ? {} : { expires }) }
  }

  #isGood({ tokenId, expires }: Principal): boolean {
    const { keyring, now } = this.#options
    return (expires === undefined || expires > now()) && (tokenId === undefined || keyring.isGood(tokenId))
  }

  #check(): void {
    // While the store cannot be read, what was known counts.
    try {
      this.#options.keyring.refresh()
    } catch {}
    for (const [stream, principal] of this.#held) if (!this.#isGood(principal)) stream.destroy()
  }
}

/** What was tried, without what may be secret. */
function actionOf({ method, url }: Asking): string {
  return `${method} ${url?.split('?')[0]}`
}

/** Without authentication whoever reaches the controller may do everything. */
function anyoneAt(address: string): Principal {
  return { name: 'anyone', role: 'admin', address, client: address }
}
