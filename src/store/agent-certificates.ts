import type { Store } from './store.js'

/** A certificate that an agent was given. */
export interface StoredCertificate {
  serial: string
  name: string
  /** Of its key. */
  fingerprint: string
  issued_at: number
  expires_at: number
  /** 1 once its agent is to be an agent no more. */
  forgotten: 0 | 1
}

/**
 * The certificates that agents were given, each until it ends: an agent has several while it renews them. Call writing
 * methods only inside of a `write`.
 */
export class AgentCertificateTable {
  #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  get(serial: string): StoredCertificate | undefined {
    return this.#store.get<StoredCertificate>('SELECT * FROM agent_certificates WHERE serial = ?', serial)
  }

  /** Returns those that are good, the last one of each agent last. */
  good(now: number): StoredCertificate[] {
    return this.#store.all<StoredCertificate>(
      'SELECT * FROM agent_certificates WHERE expires_at > ? AND forgotten = 0 ORDER BY name, expires_at, issued_at',
      now
    )
  }

  /** Returns those of an agent that are good, the last one last. */
  goodOf(name: string, now: number): StoredCertificate[] {
    return this.#store.all<StoredCertificate>(
      'SELECT * FROM agent_certificates WHERE name = ? AND expires_at > ? AND forgotten = 0 ORDER BY expires_at, issued_at',
      name,
      now
    )
  }

  /** Returns the agent with this key whose certificate is good. */
  ownerOf(fingerprint: string, now: number): string | undefined {
    return this.#store.get<{ name: string }>(
      'SELECT name FROM agent_certificates WHERE fingerprint = ? AND expires_at > ? AND forgotten = 0',
      fingerprint,
      now
    )?.name
  }

  /** Returns the agent that had this key when it was forgotten, as long as a certificate of its would last. */
  forgottenOwnerOf(fingerprint: string, now: number): string | undefined {
    return this.#store.get<{ name: string }>(
      'SELECT name FROM agent_certificates WHERE fingerprint = ? AND expires_at > ? AND forgotten = 1',
      fingerprint,
      now
    )?.name
  }

  insert({ serial, name, fingerprint, issued_at: issued, expires_at: expires }: Omit<StoredCertificate, 'forgotten'>) {
    this.#store.run(
      'INSERT INTO agent_certificates (serial, name, fingerprint, issued_at, expires_at) VALUES (?, ?, ?, ?, ?)',
      serial,
      name,
      fingerprint,
      issued,
      expires
    )
  }

  forget(name: string): void {
    this.#store.run('UPDATE agent_certificates SET forgotten = 1 WHERE name = ?', name)
  }

  deleteExpired(now: number): void {
    this.#store.run('DELETE FROM agent_certificates WHERE expires_at <= ?', now)
  }
}
