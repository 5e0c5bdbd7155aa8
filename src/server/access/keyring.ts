import type { Store } from '../../store/store.js'
import { TokenTable, type StoredToken } from '../../store/tokens.js'
import { createToken, findToken, isExpired, labelsOf } from '../../security/token.js'

/** Sessions per token; limited because all tokens are read again whenever one changes. */
const sessionsMax = 100

/**
 * The current tokens: another process may create and revoke them meanwhile. A session is a token of its own, which ends
 * with the token that it was opened with.
 */
export class Keyring {
  #store: Store
  #table: TokenTable
  #now: () => number
  #onChange: () => void
  #tokens = new Map<string, StoredToken>()
  #version = ''

  /** `onChange` is called when another process, or another replica, has changed the store. */
  constructor(store: Store, now: () => number, onChange: () => void) {
    this.#store = store
    this.#table = new TokenTable(store)
    this.#now = now
    this.#onChange = onChange
    this.refresh()
  }

  /** Returns the valid token that has this text. */
  find(text: string): StoredToken | undefined {
    this.refresh()
    return findToken(this.#tokens, text, this.#now())
  }

  /** Returns whether a token is still valid, as of the last refresh. */
  isGood(id: string): boolean {
    const token = this.#tokens.get(id)
    return token !== undefined && !isExpired(token, this.#now())
  }

  /** Opens a session of a token; returns it with its text. Undefined when the token was revoked since it was found. */
  async openSession(
    { id, name, role, parent, expires_at: expires, ...token }: StoredToken,
    longestMs: number
  ): Promise<{ kept: StoredToken; text: string; lifetimeMs: number } | undefined> {
    const now = this.#now()
    const lifetimeMs = Math.min(longestMs, (expires ?? Infinity) - now)
    const session = createToken({ name, role, parent: parent ?? id, labels: labelsOf(token), lifetimeMs, now })
    if (!(await this.#store.write('written', () => this.#table.insertSession(session.kept, sessionsMax)))) {
      return undefined
    }
    this.reload()
    return { ...session, lifetimeMs }
  }

  /** Ends a session. Returns false, and does nothing, when the token is not a session. */
  async closeSession(id: string): Promise<boolean> {
    if (typeof this.#tokens.get(id)?.parent !== 'string') return false
    await this.#store.write('written', () => this.#table.delete(id))
    this.drop(id)
    return true
  }

  /** Takes in a token that this process has stored, in place of those that have expired. */
  add(token: StoredToken): void {
    this.#forget(other => isExpired(other, this.#now()))
    this.#tokens.set(token.id, token)
  }

  /** Drops a token that this process has deleted, with its sessions. */
  drop(id: string): void {
    this.#forget(token => token.id === id || token.parent === id)
  }

  /** Reads the tokens again if others have changed them; this process's own writes do not count. */
  refresh(): void {
    const { version } = this.#store
    if (version === this.#version) return
    this.reload()
    this.#onChange()
    // Not before: what fails is tried again.
    this.#version = version
  }

  #forget(isGone: (token: StoredToken) => boolean): void {
    for (const token of this.#tokens.values()) if (isGone(token)) this.#tokens.delete(token.id)
  }

  /** Reads the tokens again. */
  reload(): void {
    this.#tokens = new Map(this.#table.list().map(token => [token.id, token]))
  }
}
