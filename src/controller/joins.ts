import { randomBytes } from 'node:crypto'
import type { NotifyJoin } from '../../schemas/events.js'
import type { Join, JoinAnswer, JoinInput } from '../../schemas/joins.js'
import { Allowance } from '../allowance.js'
import { clientAddress } from '../addresses.js'
import { AppError } from '../errors.js'
import { auditEntry, auditKinds } from '../requests/audit-entry.js'
import type { Caller } from '../requests/caller.js'
import type { AppendEntry } from '../requests/journal.js'
import type { IssuedCertificate } from '../security/certificate-authority.js'
import type { AgentCertificateTable } from '../store/agent-certificates.js'
import type { JoinTable, JoinTokenTable, StoredJoin, StoredJoinToken, StoredStatus } from '../store/joins.js'
import type { TokenTable } from '../store/tokens.js'
import { defined } from '../util.js'
import type { Issuing } from './issuing.js'

/** Hosts that may wait for an operator at a time. */
const pendingMax = 1000
/** How often one address may ask: each time a signature is checked. A host that waits asks every few seconds. */
const askRate = { perSecond: 5, burst: 50 }
/** How often one agent may renew its certificate. */
const renewRate = { perSecond: 1 / 60, burst: 5 }

export interface JoinsOptions {
  /** Undefined where the controller has no authority. */
  issuing: Issuing | undefined
  joins: JoinTable
  joinTokens: JoinTokenTable
  tokens: TokenTable
  certificates: AgentCertificateTable
  agentPort: number
  /** Returns whether an agent of that name is connected. */
  isConnected: (name: string) => boolean
  /** Returns the nodes of an instance in what is deployed; undefined where this does not name it. */
  deployed: (name: string) => readonly string[] | undefined
  /** Ends the link of an agent. */
  disconnect: (name: string, why: string) => void
  /** Writes what a job does together with the audit entries that it appends. */
  write: <T>(job: (record: AppendEntry) => T) => Promise<T>
  notify: (event: NotifyJoin) => void
  now: () => number
}

/**
 * What the certificate of an agent is good for: no host has this name (RFC 6761). Without one, its own would be one.
 */
const agentHosts = ['agent.invalid']

/** Who asks to join: the token that was shown, and from where. */
export type Joiner = Caller & { tokenId?: string | undefined }

/** How hosts become agents: what they ask for, who decides, their certificates, and how they are forgotten. */
export class Joins {
  #options: JoinsOptions
  #asking: Allowance
  #renewing: Allowance

  constructor(options: JoinsOptions) {
    this.#options = options
    this.#asking = new Allowance({ ...askRate, now: options.now })
    this.#renewing = new Allowance({ ...renewRate, now: options.now })
  }

  /**
   * Takes down what a host asks for, once for each key and name: who asks again is answered what has become of it.
   * Throws an AppError with the reason: a used up token, a name that is taken, a request that is none.
   */
  async ask({ name, request }: JoinInput, by: Joiner): Promise<JoinAnswer> {
    const { joins, joinTokens, tokens, now, write } = this.#options
    if (!this.#asking.take(clientAddress(by.address))) {
      throw new AppError('too_many_requests', 'this address asks to join too often')
    }
    const { key, fingerprint } = await this.#read(request)
    const before = joins.find(name, fingerprint, now())
    if (before) return this.#answer(before)
    const id = by.tokenId ?? ''
    const grant = joinTokens.get(id)
    // Made beforehand, since nothing may be waited for in a transaction. Nobody gets it if the host is refused.
    const prepared = grant && grant.uses > 0 && this.#isAtOnce(grant, name) ? await this.#issue(name, key) : undefined
    const { join, isNew } = await write(record => {
      const again = joins.find(name, fingerprint, now())
      if (again) return { join: again, isNew: false }
      const token = tokens.get(id)
      const grant = joinTokens.get(id)
      if (!token || !grant) throw new AppError('unauthorized', 'the token is revoked')
      if (grant.agent !== null && grant.agent !== name) {
        throw new AppError('forbidden', `the token is for agent ${grant.agent}, not ${name}`)
      }
      this.#refuseTaken(name, fingerprint)
      if (joins.countPending(now()) >= pendingMax) {
        throw new AppError('unavailable', `${pendingMax} hosts wait already: accept or deny some of them`)
      }
      if (!joinTokens.use(id)) throw new AppError('forbidden', 'the token is used up')
      joins.deleteExpired(now())
      const issued = this.#isAtOnce(grant, name) ? prepared : undefined
      const join: StoredJoin = {
        id: randomBytes(6).toString('hex'),
        name,
        key,
        fingerprint,
        token: id,
        address: by.address,
        created_at: now(),
        // Tokens of this role end.
        expires_at: token.expires_at ?? now(),
        status: issued ? 'accepted' : 'pending',
        decided_by: issued ? 'the token' : null,
        certificate: issued?.certificate ?? null
      }
      joins.insert(join)
      if (issued) this.#keep(name, fingerprint, issued)
      record(auditEntry('join', join.status, by, { detail: describe(join) }), auditKinds.change)
      return { join, isNew: true }
    })
    if (isNew) this.#tell(join)
    return this.#answer(join)
  }

  /** Returns what hosts have asked for, oldest first. */
  list(): Join[] {
    return this.#options.joins.list(this.#options.now()).map(shown)
  }

  /** Gives a host its certificate. Throws `not_found`, or `conflict` with the reason. */
  async accept(id: string, by: Caller): Promise<Join> {
    const before = this.#get(id)
    if (before.status === 'accepted') return shown(before)
    const issued = await this.#issue(before.name, before.key)
    return await this.#decide(id, { status: 'accepted', by, certificate: issued.certificate }, join => {
      this.#refuseTaken(join.name, join.fingerprint)
      this.#keep(join.name, join.fingerprint, issued)
    })
  }

  /** Refuses a host. Throws `not_found`, or `conflict` when it was accepted. */
  async deny(id: string, by: Caller): Promise<Join> {
    return await this.#decide(id, { status: 'denied', by, certificate: null })
  }

  /**
   * Has an agent be none any more: its certificates are not taken, its link ends, and its name is free. Throws
   * `not_found` where it has no certificate, and `conflict` while it is part of what is deployed, unless forced.
   */
  async forget(name: string, { force, by }: { force: boolean; by: Caller }): Promise<void> {
    const { certificates, joins, deployed, write, disconnect, notify, now } = this.#options
    await write(record => {
      const last = certificates.goodOf(name, now()).at(-1)
      if (!last) throw new AppError('not_found', `there is no agent ${name} with a certificate of this controller`)
      const nodes = deployed(name)
      if (nodes && !force) {
        throw new AppError(
          'conflict',
          `instance ${name} is part of what is deployed, with ${nodes.length} nodes: deploy without it first, or force it`
        )
      }
      certificates.deleteExpired(now())
      certificates.forget(name)
      joins.deleteOf(name)
      const detail = `${name}: ${last.fingerprint}${nodes ? `, with ${nodes.length} deployed nodes` : ''}`
      record(auditEntry('forget_instance', 'succeeded', by, { detail }), auditKinds.change)
    })
    disconnect(name, 'the controller has forgotten this agent')
    notify({ type: 'notify_join', instance: name, status: 'forgotten' })
  }

  /** Returns a new certificate for an agent whose link was opened with this one. Throws an AppError with the reason. */
  async renew(name: string, serial: string | undefined, request: string): Promise<string> {
    const { certificates, write, now } = this.#options
    if (serial === undefined || certificates.get(serial)?.name !== name) {
      throw new AppError('forbidden', 'only a certificate of this controller is renewed')
    }
    if (!this.#renewing.take(name)) throw new AppError('too_many_requests', 'it is asked for too often')
    const { key, fingerprint } = await this.#read(request)
    const issued = await this.#issue(name, key)
    await write(record => {
      if (this.isForgotten(serial)) throw new AppError('forbidden', `agent ${name} is forgotten`)
      if (certificates.forgottenOwnerOf(fingerprint, now()) !== undefined) {
        throw new AppError('conflict', 'this is the key of an agent that was forgotten')
      }
      const owner = certificates.ownerOf(fingerprint, now())
      if (owner !== undefined && owner !== name) throw new AppError('conflict', `this is the key of agent ${owner}`)
      certificates.deleteExpired(now())
      this.#keep(name, fingerprint, issued)
      record(
        auditEntry('renew_certificate', 'succeeded', { name, role: 'agent' }, { detail: `${name}: ${fingerprint}` }),
        auditKinds.connection
      )
    })
    return issued.certificate
  }

  /** Returns whether the agent with the certificate of that number was forgotten. */
  isForgotten(serial: string): boolean {
    return this.#options.certificates.get(serial)?.forgotten === 1
  }

  /** Returns when the certificates end of the agents that have one; milliseconds since 1970. */
  ends(): Map<string, number> {
    const { certificates, now } = this.#options
    return new Map(certificates.good(now()).map(({ name, expires_at: expires }) => [name, expires]))
  }

  async #decide(
    id: string,
    { status, by, certificate }: { status: StoredStatus; by: Caller; certificate: string | null },
    more: (join: StoredJoin) => void = () => {}
  ): Promise<Join> {
    const { joins, write } = this.#options
    const { join, isNew } = await write(record => {
      const before = this.#get(id)
      if (before.status === status) return { join: before, isNew: false }
      if (before.status !== 'pending') {
        const otherwise = before.status === 'accepted' ? ': forget the agent instead' : ''
        throw new AppError('conflict', `${before.name} was ${before.status} by ${before.decided_by}${otherwise}`)
      }
      more(before)
      joins.decide(id, status, by.name, certificate)
      const join = { ...before, status, decided_by: by.name }
      const action = status === 'accepted' ? 'accept_join' : 'deny_join'
      record(auditEntry(action, 'succeeded', by, { detail: describe(join) }), auditKinds.change)
      return { join, isNew: true }
    })
    if (isNew) this.#tell(join)
    return shown(join)
  }

  #get(id: string): StoredJoin {
    const { joins, now } = this.#options
    const join = joins.get(id, now())
    if (!join) throw new AppError('not_found', `there is no join ${id}, or its token has ended`)
    return join
  }

  /**
   * Whether a token says by itself that a host is accepted. What is deployed is given, with its secrets, to whoever has
   * the name: for a name in it, only a token that names it does.
   */
  #isAtOnce({ accepts, agent }: StoredJoinToken, name: string): boolean {
    return accepts === 1 && (agent === name || this.#options.deployed(name) === undefined)
  }

  /**
   * Throws `conflict` when a name belongs to another key, the key to another name, or to an agent that is forgotten.
   */
  #refuseTaken(name: string, fingerprint: string): void {
    const { certificates, tokens, isConnected, now } = this.#options
    const forgotten = certificates.forgottenOwnerOf(fingerprint, now())
    if (forgotten !== undefined) {
      throw new AppError(
        'conflict',
        `this key is that of agent ${forgotten}, which was forgotten: join with a new one (zeek-cluster join --anew)`
      )
    }
    const owner = certificates.ownerOf(fingerprint, now())
    if (owner !== undefined && owner !== name) {
      throw new AppError(
        'conflict',
        `this is the key of agent ${owner}, which keeps its name: forget it, and join anew`
      )
    }
    const taken = (why: string) => new AppError('conflict', `the name ${name} is taken: ${why}`)
    if (certificates.goodOf(name, now()).some(one => one.fingerprint !== fingerprint)) {
      throw taken('an agent has joined with it; if that is gone, forget it first')
    }
    if (tokens.list().some(one => one.role === 'agent' && one.name === name && (one.expires_at ?? Infinity) > now())) {
      throw taken('there is a token for an agent of that name; revoke it first')
    }
    if (isConnected(name)) throw taken('an agent is connected with it')
  }

  async #read(request: string): Promise<{ key: string; fingerprint: string }> {
    if (!this.#options.issuing) throw noAuthority()
    const { readRequest } = await import('../security/certificate-authority.js')
    const { publicKey: key, fingerprint } = await readRequest(request)
    return { key, fingerprint }
  }

  async #issue(name: string, publicKey: string): Promise<IssuedCertificate> {
    const { issuing, now } = this.#options
    if (!issuing) throw noAuthority()
    const { authority, lifetimeMs } = issuing
    return await authority.issue({
      publicKey,
      subject: { role: 'agent', name },
      names: agentHosts,
      lifetimeMs,
      now: now()
    })
  }

  #keep(name: string, fingerprint: string, { serial, expires }: IssuedCertificate): void {
    const { certificates, now } = this.#options
    certificates.insert({ serial, name, fingerprint, issued_at: now(), expires_at: expires })
  }

  #answer({ id, status, fingerprint, expires_at: expires, certificate }: StoredJoin): JoinAnswer {
    return {
      id,
      status,
      fingerprint,
      expires_at: new Date(expires).toISOString(),
      ...(certificate === null ? {} : { certificate, agent_port: this.#options.agentPort })
    }
  }

  #tell({ id, name, status, fingerprint, address }: StoredJoin): void {
    this.#options.notify({ type: 'notify_join', instance: name, status, join: id, fingerprint, address })
  }
}

const noAuthority = () =>
  new AppError('conflict', 'no host can join: this controller has no authority (controller_authority)')

/** Returns what operators may know of it. */
function shown({ created_at: created, expires_at: expires, decided_by: by, ...join }: StoredJoin): Join {
  const { id, name, status, fingerprint, address, token } = join
  return {
    id,
    name,
    status,
    fingerprint,
    address,
    token,
    created_at: new Date(created).toISOString(),
    expires_at: new Date(expires).toISOString(),
    ...defined({ decided_by: by ?? undefined })
  }
}

const describe = ({ id, name, fingerprint, token }: StoredJoin) => `${id}: ${name}, ${fingerprint}, token ${token}`
