import type { Store } from '../../store/store.js'
import { TokenTable, type StoredToken } from '../../store/tokens.js'
import { createToken, findToken, isExpired } from '../../security/token.js'

/** Of one token; each is read again whenever a token changes. */
const sessionsMax = 100

/**
 * The tokens, as they are now: another process may make and revoke them meanwhile. A session is a token of its own,
 * which ends with the other.
 */
export class Keyring {
  #store: Store
  #table: TokenTable
  #now: () => number
  #onChange: () => void
  #tokens = new Map<string, StoredToken>()
  #version = -1

  /** `onChange` is told when another process has changed the store. */
  constructor(store: Store, now: () => number, onChange: () => void) {
    this.#store = store
    this.#table = new TokenTable(store)
    this.#now = now
    this.#onChange = onChange
    this.refresh()
  }

  /** The token that a text is, if it is good. */
  find(text: string): StoredToken | undefined {
    this.refresh()
    return findToken(this.#tokens, text, this.#now())
  }

  /** Whether a token that was good still is, as of the last look. */
  isGood(id: string): boolean {
    const token = this.#tokens.get(id)
    return token !== undefined && !isExpired(token, this.#now())
  }

  /** A session of a token, and its text. Undefined when the token has been revoked since it was found. */
  async openSession(
    { id, name, role, parent, expires_at: expires }: StoredToken,
    longestMs: number
  ): Promise<{ kept: StoredToken; text: string; lifetimeMs: number } | undefined> {
    const now = this.#now()
    const lifetimeMs = Math.min(longestMs, (expires ?? Infinity) - now)
    const session = createToken({ name, role, parent: parent ?? id, lifetimeMs, now })
    if (!(await this.#store.write('written', () => this.#table.insertSession(session.kept, sessionsMax)))) {
      return undefined
    }
    this.#read()
    return { ...session, lifetimeMs }
  }

  /** Ends a session. Returns false, and does nothing, when it is none. */
  async closeSession(id: string): Promise<boolean> {
    if (typeof this.#tokens.get(id)?.parent !== 'string') return false
    await this.#store.write('written', () => this.#table.delete(id))
    this.#read()
    return true
  }

  /** What we do ourselves does not count as a change. */
  refresh(): void {
    const { version } = this.#table
    if (version === this.#version) return
    this.#version = version
    this.#read()
    this.#onChange()
  }

  #read(): void {
    this.#tokens = new Map(this.#table.list().map(token => [token.id, token]))
  }
}
