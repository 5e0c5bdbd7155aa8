import type { Store } from './store.js'

/** What a token is good for with which hosts join. */
export interface StoredJoinToken {
  id: string
  /** How many agents may still ask with it. */
  uses: number
  /** 1 if they are accepted at once. */
  accepts: 0 | 1
  /** The only name that may be asked for; null for any. */
  agent: string | null
}

export type StoredStatus = 'pending' | 'accepted' | 'denied'

/** What a host has asked for. */
export interface StoredJoin {
  id: string
  name: string
  /** The public key, PEM. */
  key: string
  fingerprint: string
  token: string
  address: string
  created_at: number
  expires_at: number
  status: StoredStatus
  decided_by: string | null
  certificate: string | null
}

/** The tokens with which hosts join. Call writing methods only inside of a `write`. */
export class JoinTokenTable {
  #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  list(): StoredJoinToken[] {
    return this.#store.all<StoredJoinToken>('SELECT * FROM join_tokens')
  }

  get(id: string): StoredJoinToken | undefined {
    return this.#store.get<StoredJoinToken>('SELECT * FROM join_tokens WHERE id = ?', id)
  }

  insert({ id, uses, accepts, agent }: StoredJoinToken): void {
    this.#store.run('INSERT INTO join_tokens (id, uses, accepts, agent) VALUES (?, ?, ?, ?)', id, uses, accepts, agent)
  }

  /** Takes one use of a token. Returns false, and does nothing, when none is left. */
  use(id: string): boolean {
    const used = 'UPDATE join_tokens SET uses = uses - 1 WHERE id = ? AND uses > 0 RETURNING id'
    return this.#store.runReturning(used, id).length > 0
  }
}

/** What hosts have asked for, until their token ends. Call writing methods only inside of a `write`. */
export class JoinTable {
  #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** Returns them, oldest first. */
  list(now: number): StoredJoin[] {
    return this.#store.all<StoredJoin>('SELECT * FROM joins WHERE expires_at > ? ORDER BY created_at, id', now)
  }

  get(id: string, now: number): StoredJoin | undefined {
    return this.#store.get<StoredJoin>('SELECT * FROM joins WHERE id = ? AND expires_at > ?', id, now)
  }

  /** Returns what this key has asked for under this name. */
  find(name: string, fingerprint: string, now: number): StoredJoin | undefined {
    return this.#store.get<StoredJoin>(
      'SELECT * FROM joins WHERE name = ? AND fingerprint = ? AND expires_at > ?',
      name,
      fingerprint,
      now
    )
  }

  countPending(now: number): number {
    const sql = "SELECT count(*) AS count FROM joins WHERE status = 'pending' AND expires_at > ?"
    return this.#store.get<{ count: number }>(sql, now)!.count
  }

  insert(join: StoredJoin): void {
    this.#store.run(
      'INSERT INTO joins (id, name, key, fingerprint, token, address, created_at, expires_at, status, decided_by, certificate) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      join.id,
      join.name,
      join.key,
      join.fingerprint,
      join.token,
      join.address,
      join.created_at,
      join.expires_at,
      join.status,
      join.decided_by,
      join.certificate
    )
  }

  decide(id: string, status: StoredStatus, by: string | null, certificate: string | null): void {
    const sql = 'UPDATE joins SET status = ?, decided_by = ?, certificate = ? WHERE id = ?'
    this.#store.run(sql, status, by, certificate, id)
  }

  deleteOf(name: string): void {
    this.#store.run('DELETE FROM joins WHERE name = ?', name)
  }

  deleteExpired(now: number): void {
    this.#store.run('DELETE FROM joins WHERE expires_at <= ?', now)
  }
}
