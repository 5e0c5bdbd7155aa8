import type { Role } from '../../schemas/access.js'
import type { Store } from './store.js'

/** A token as it is stored: without the text that its bearer knows. */
export interface StoredToken {
  id: string
  name: string
  role: Role
  /** SHA-256 of the secret, in hexadecimal: it is random, so nothing slower is needed. */
  hash: string
  created_at: number
  expires_at: number | null
  /** The token that this is a session of: the session ends with it. */
  parent: string | null
  /** The labels of the instances that it is limited to, as JSON; null where nothing is limited. */
  labels: string | null
}

/** The tokens. Call writing methods only inside of a `write`. */
export class TokenTable {
  #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** Returns the tokens, oldest first. */
  list(): StoredToken[] {
    return this.#store.all<StoredToken>('SELECT * FROM tokens ORDER BY created_at, id')
  }

  get(id: string): StoredToken | undefined {
    return this.#store.get<StoredToken>('SELECT * FROM tokens WHERE id = ?', id)
  }

  insert({ id, name, role, hash, created_at: created, expires_at: expires, parent, labels }: StoredToken): void {
    this.#store.run(
      `INSERT INTO tokens (id, name, role, hash, created_at, expires_at, parent, labels)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      name,
      role,
      hash,
      created,
      expires,
      parent,
      labels
    )
  }

  /**
   * Stores a token that is no session, replacing expired ones. Returns false, and does nothing, when there are `max`
   * that have not expired.
   */
  insertWithin(token: StoredToken, max: number): boolean {
    const { created_at: now } = token
    const count = this.#store.get<{ count: number }>(
      'SELECT count(*) AS count FROM tokens WHERE parent IS NULL AND (expires_at IS NULL OR expires_at > ?)',
      now
    )!.count
    if (count >= max) return false
    this.#store.run('DELETE FROM tokens WHERE expires_at <= ?', now)
    this.insert(token)
    return true
  }

  /**
   * Stores a session, replacing expired ones, and its token's oldest where there are `max` of them. Returns false, and
   * does nothing, when its token is gone.
   */
  insertSession(session: StoredToken, max: number): boolean {
    if (!this.#store.get('SELECT 1 FROM tokens WHERE id = ?', session.parent)) return false
    this.#store.run('DELETE FROM tokens WHERE parent IS NOT NULL AND expires_at <= ?', session.created_at)
    this.#store.run(
      'DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE parent = ? ORDER BY created_at DESC, id LIMIT -1 OFFSET ?)',
      session.parent,
      max - 1
    )
    this.insert(session)
    return true
  }

  /** Whether there ever was a first token, made up by its bearer; it may be gone. */
  get hasHadFirst(): boolean {
    return this.#store.get("SELECT 1 FROM meta WHERE name = 'bootstrapped'") !== undefined
  }

  /** Stores the first token. */
  insertFirst(token: StoredToken): void {
    this.#store.run("INSERT INTO meta VALUES ('bootstrapped', ?)", token.id)
    this.insert(token)
  }

  /** Stores the token of the agent that runs with the controller, replacing its previous one. */
  replaceOwnAgents(token: StoredToken): void {
    const before = this.#store.get<{ value: string }>("SELECT value FROM meta WHERE name = 'own_agent'")?.value
    if (before !== undefined) this.delete(before)
    this.#store.run(
      "INSERT INTO meta VALUES ('own_agent', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
      token.id
    )
    this.insert(token)
  }

  /** Deletes a token with its sessions. Returns whether there was one. */
  delete(id: string): boolean {
    return this.#store.runReturning('DELETE FROM tokens WHERE id = ? RETURNING id', id).length > 0
  }
}
