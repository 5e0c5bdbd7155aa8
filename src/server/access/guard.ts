import type { IncomingMessage } from 'node:http'
import { covers, isRole, whyNotLimited, type NeededRole, type Needs, type Role } from '../../../schemas/access.js'
import { textOfLabels, type Labels } from '../../../schemas/groups.js'
import { bearerOf, labelsIn, type Bearer } from '../../security/certificates.js'
import { labelsOf, withoutSecrets } from '../../security/token.js'
import { clientAddress } from '../../addresses.js'
import { AppError } from '../../errors.js'
import { defined } from '../../util.js'
import type { StoredToken } from '../../store/tokens.js'
import type { Audit } from '../../requests/audit.js'
import type { Forwarded } from './forwarded.js'
import type { Keyring } from './keyring.js'
import type { Limits } from './limits.js'
import type { OriginPolicy } from './origin-policy.js'
import type { Tickets } from './tickets.js'

/** An authenticated caller. */
export interface Principal {
  /** Name of the token or of the certificate; a general one where no authentication is needed. */
  name: string
  role: Role
  address: string
  /** Key under which limits count this caller. */
  client: string
  /** Limits the caller to the instances that have all of these labels; undefined: it is not limited. */
  labels?: Labels | undefined
  tokenId?: string | undefined
  /** When the authentication expires; milliseconds since 1970. */
  expires?: number | undefined
  /** The number of the certificate that was shown. */
  serial?: string | undefined
}

/** The parts of a request that identify the caller. */
export type Asking = Pick<IncomingMessage, 'headers' | 'rawHeaders' | 'socket' | 'method' | 'url'>

/** Interval at which streams whose token was revoked or has expired are found and ended. */
const checkMs = 250
const cookieName = 'zeek-cluster-session'

/** What is open for a caller: a response, or the socket of a WebSocket. */
interface Held {
  destroy: () => unknown
  once: (event: 'close', listener: () => void) => unknown
  writableEnded?: boolean
}

export interface GuardOptions {
  authentication: 'none' | 'token'
  keyring: Keyring
  tickets: Tickets<Principal>
  site: OriginPolicy
  forwarded: Forwarded
  limits: Limits
  audit: Pick<Audit, 'repeated' | 'refused'>
  /** Lifetime of a session. */
  sessionMs: number
  now: () => number
}

/** Authenticates and authorizes callers, and ends streams whose token or certificate is no longer valid. */
export class Guard {
  #options: GuardOptions
  #held = new Map<Held, Principal>()
  #timer: NodeJS.Timeout

  constructor(options: GuardOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#check(), checkMs).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /**
   * Admits a caller whose role covers the needed one, possibly by a ticket. Throws `forbidden`, also for pages of other
   * sites, and where a limited caller would reach what is not limited; `unauthorized`; or `too_many_requests`.
   */
  admit(request: Asking, needs: Needs, ticket?: string): Principal {
    const { role: needed } = needs
    const principal = this.#telling<Principal>(request, needed, () => {
      this.#refuseForeigner(request)
      // Nobody has said who asks, so nothing is kept for it.
      if (needed === 'anyone') return { ...anyoneAt(this.#options.site.addressOf(request)), role: 'viewer' }
      return ticket === undefined ? this.#identify(request) : this.#redeem(ticket, request)
    })
    this.allow(principal, needs, () => actionOf(request))
    return principal
  }

  /**
   * Counts an action of a caller, which is written out only where it is refused. Throws `too_many_requests`, or
   * `forbidden` when the role or the labels are not enough.
   */
  allow(principal: Principal, needs: Needs, action: () => string): void {
    const { audit, limits } = this.#options
    limits.refuseToil(principal)
    limits.spend(principal.client)
    const why = whyForbidden(principal, needs)
    if (why === undefined) return
    audit.refused(action(), principal, why, needs.role)
    throw new AppError('forbidden', why)
  }

  /**
   * Returns the agent that made a request, and the only name that it may use; undefined when it may choose one. Throws
   * `unauthorized`, `forbidden`, or `too_many_requests` when it connects again and again.
   */
  admitAgent(request: Asking): { principal: Principal; name: string | undefined } {
    const isKnown = this.#options.authentication !== 'none'
    const principal = this.#telling(request, 'admin', () => {
      const principal = this.#identify(request)
      if (isKnown && principal.role !== 'agent') throw new AppError('forbidden', `${principal.name} is not an agent`)
      return principal
    })
    if (isKnown) {
      this.#options.limits.connectAgent(principal.client)
      request.socket.once('close', this.#options.limits.links.take(principal))
    }
    this.#options.audit.repeated('connect_agent', principal)
    return { principal, name: isKnown ? principal.name : undefined }
  }

  /** Identifies a caller, and writes a refusal to the audit log: of what needs such a role. */
  #telling<T>(request: Asking, needed: NeededRole, identify: () => T): T {
    try {
      return identify()
    } catch (error) {
      // A failure of the store is not a refusal.
      if (error instanceof AppError && error.code !== 'unavailable') {
        this.#options.audit.refused(
          actionOf(request),
          { address: this.#options.site.addressOf(request) },
          error.message,
          needed
        )
      }
      throw error
    }
  }

  /** Watches a stream while it is open: it ends when the token or certificate is no longer valid. */
  hold(principal: Principal, stream: Held): void {
    if (principal.tokenId === undefined && principal.expires === undefined) return
    this.#held.set(stream, principal)
    stream.once('close', () => this.#held.delete(stream))
  }

  /** Ends what is open for callers who are no longer good, once the present request is answered. */
  sweep(): void {
    setImmediate(() => this.#check())
  }

  /**
   * Opens a session for the holder of this token: a token of its own, which ends with the other one, and the cookie
   * that holds it. Throws `unauthorized` or `forbidden`.
   */
  async logIn(text: string, request: Asking): Promise<{ principal: Principal; cookie?: string }> {
    const { authentication, keyring, sessionMs, site, audit } = this.#options
    const address = site.addressOf(request)
    if (authentication === 'none') return { principal: anyoneAt(address) }
    const token = this.#telling(request, 'viewer', () => {
      const token = this.#tokenOf(text, address)
      if (covers(token.role, 'viewer')) return token
      throw new AppError('forbidden', `${token.name} is of role ${token.role}: it has no use for a session`)
    })
    const session = await keyring.openSession(token, sessionMs)
    if (!session) return this.#refuse(address, 'the token is revoked')
    const principal = this.#principal(session.kept, address)
    audit.repeated('log_in', principal)
    return { principal, cookie: this.#cookie(session.text, Math.floor(session.lifetimeMs / 1000)) }
  }

  /** Ends a session; the token that it was opened with stays. Returns the cookie that replaces the session's. */
  async logOut(principal: Principal): Promise<string> {
    const { keyring, audit } = this.#options
    if (await keyring.closeSession(principal.tokenId ?? '')) audit.repeated('log_out', principal)
    return this.#cookie('', 0)
  }

  /** Returns a ticket that admits its bearer once, on behalf of the principal. Throws when there are too many. */
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
    const forwarded = this.#options.forwarded.of(request)
    const bearer = forwarded ? forwarded.bearer : bearerOf(request)
    if (bearer) return this.#identifyByCertificate(bearer, address)
    return this.#refuse(address, 'a token is needed: Authorization: Bearer …')
  }

  #identifyBySession(session: string, { method = '', headers }: Asking, address: string): Principal {
    // Browsers send cookies by themselves, but name the page's origin in requests that change something.
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

  #identifyByCertificate({ name, role, units, expires, serial }: Bearer, address: string): Principal {
    // It was valid when this connection, or the one whose TLS session it resumes, began.
    if (expires <= this.#options.now()) return this.#refuse(address, 'the certificate has expired')
    // Who has a certificate has joined.
    if (!isRole(role) || role === 'join') {
      throw new AppError('forbidden', `the certificate of ${name} is of no role (O is ${role})`)
    }
    // What units an agent is of is its owner's business.
    const labels = role === 'agent' ? undefined : labelsIn({ name, ...defined({ units }) })
    const why = labels && whyNotLimited(role, labels)
    if (why !== undefined) throw new AppError('forbidden', `the certificate of ${name} has labels (OU), which ${why}`)
    return { name, role, address, client: `certificate of ${name}`, ...defined({ labels }), expires, serial }
  }

  #refuseForeigner(request: Asking): void {
    const { limits, site } = this.#options
    try {
      site.refuseForeigner(request)
    } catch (error) {
      limits.spend(clientAddress(site.addressOf(request)))
      throw error
    }
  }

  #tokenOf(text: string, address: string): StoredToken {
    return this.#options.keyring.find(text) ?? this.#refuse(address, 'the token is unknown, revoked or expired')
  }

  /** Refuses a caller. Counts against the address, so that guessing is slowed down, too. */
  #refuse(address: string, why: string): never {
    this.#options.limits.spend(clientAddress(address))
    throw new AppError('unauthorized', why)
  }

  #cookie(text: string, seconds: number): string {
    return `${this.#cookieName}=${text}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${this.#options.site.isSecure ? '; Secure' : ''}`
  }

  /** Name of the session cookie; with TLS, one that only this very host can have set. */
  get #cookieName(): string {
    return `${this.#options.site.isSecure ? '__Host-' : ''}${cookieName}`
  }

  /** Returns the session token of the cookies; none if there are two: another server of this host planted one. */
  #sessionOf(cookies = ''): string | undefined {
    const found = [...cookies.matchAll(new RegExp(`(?:^|;)\\s*${this.#cookieName}=([^;\\s]+)`, 'g'))]
    return found.length === 1 ? found[0]![1] : undefined
  }

  /** Returns the principal of a token. The sessions of a token count with it as one client. */
  #principal({ id, name, role, parent, expires_at: expires, ...token }: StoredToken, address: string): Principal {
    return {
      name,
      role,
      address,
      client: parent ?? id,
      ...defined({ labels: labelsOf(token) }),
      tokenId: id,
      ...(expires === null ? {} : { expires })
    }
  }

  #isGood({ tokenId, expires }: Principal): boolean {
    const { keyring, now } = this.#options
    return (expires === undefined || expires > now()) && (tokenId === undefined || keyring.isGood(tokenId))
  }

  #check(): void {
    // While the store cannot be read, the tokens known so far apply.
    try {
      this.#options.keyring.refresh()
    } catch {}
    for (const [stream, principal] of this.#held) {
      // A whole answer goes out: it may be the one to who has revoked a token of their own.
      if (!this.#isGood(principal) && !stream.writableEnded) stream.destroy()
    }
  }
}

/** Returns why a caller may not do what needs this; undefined when it may. */
function whyForbidden({ name, role, labels }: Principal, { role: needed, limited = false }: Needs): string | undefined {
  if (!covers(role, needed)) return `${name} is of role ${role}: this needs ${needed}`
  if (labels === undefined || limited || needed === 'anyone') return undefined
  return `${name} is limited to instances with ${textOfLabels(labels)}: this is of the whole cluster`
}

/**
 * Returns the method and path of a request, as routes see them, without tokens and the query, which may hold secrets.
 */
function actionOf({ method, url = '' }: Asking): string {
  const path = url.split('?')[0]!
  try {
    return withoutSecrets(`${method} ${decodeURI(path)}`)
  } catch {
    return withoutSecrets(`${method} ${path}`)
  }
}

/** Returns the principal for a caller without authentication, who may do everything. */
function anyoneAt(address: string): Principal {
  return { name: 'anyone', role: 'admin', address, client: clientAddress(address) }
}
