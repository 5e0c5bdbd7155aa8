import type { Role } from '../../schemas/access.js'
import type { Store } from './store.js'

/** A token as it is kept: what its bearer knows is not in it. */
export interface StoredToken {
  id: string
  name: string
  role: Role
  /** SHA-256 of the secret, in hexadecimal: it is random, so nothing slower is needed. */
  hash: string
  created_at: number
  expires_at: number | null
  /** The token that it is a session of: it ends with that. */
  parent: string | null
}

/** The tokens. Writing methods only inside of a `write`. */
export class TokenTable {
  #store: Store

  constructor (store: Store) {
    this.#store = store
  }

  /** Oldest first. */
  list (): StoredToken[] {
    return this.#store.all('SELECT * FROM tokens ORDER BY created_at, id') as StoredToken[]
  }

  insert ({ id, name, role, hash, created_at: created, expires_at: expires, parent }: StoredToken): void {
    this.#store.run('INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?)', id, name, role, hash, created, expires, parent)
  }

  /** Drops the sessions that are over. */
  deleteSessions (now: number): void {
    this.#store.run('DELETE FROM tokens WHERE parent IS NOT NULL AND expires_at <= ?', now)
  }

  /** Keeps a token that its bearer has made up, unless that was done before. Returns whether it was done. */
  insertFirst (token: StoredToken): boolean {
    if (this.#store.all("INSERT OR IGNORE INTO meta VALUES ('bootstrapped', ?) RETURNING name", token.id).length === 0) return false
    this.insert(token)
    return true
  }

  /** With its sessions. Returns whether there was one. */
  delete (id: string): boolean {
    return this.#store.all('DELETE FROM tokens WHERE id = ? RETURNING id', id).length > 0
  }

  /** Changes whenever another process has changed the database. */
  get version (): number {
    return Number(this.#store.get('PRAGMA data_version')?.data_version)
  }
}
