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

  insert ({ id, name, role, hash, created_at: created, expires_at: expires }: StoredToken): void {
    this.#store.run('INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?)', id, name, role, hash, created, expires)
  }

  /** Returns whether there was one. */
  delete (id: string): boolean {
    return this.#store.all('DELETE FROM tokens WHERE id = ? RETURNING id', id).length > 0
  }

  /** Changes whenever another process has changed the database. */
  get version (): number {
    return Number(this.#store.get('PRAGMA data_version')?.data_version)
  }
}
