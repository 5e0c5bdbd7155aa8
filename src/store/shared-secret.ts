import { randomBytes } from 'node:crypto'
import type { Store } from './store.js'

const name = 'shared_secret'

/** What all controllers of a group know, and nobody else: with it they recognize each other. */
export class SharedSecret {
  #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** Undefined until a controller has led for the first time. */
  get text(): string | undefined {
    return this.#store.get<{ value: string }>('SELECT value FROM meta WHERE name = ?', name)?.value
  }

  /** Makes the secret, if there is none. Only the controller that leads can. */
  async open(): Promise<void> {
    const made = randomBytes(32).toString('base64url')
    await this.#store.write('synced', () => {
      this.#store.run('INSERT INTO meta VALUES (?, ?) ON CONFLICT DO NOTHING', name, made)
    })
  }
}
