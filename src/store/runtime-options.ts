import type { RuntimeOption } from '../../schemas/runtime-options.js'
import type { Store } from './store.js'

/** An option that is set while nodes run, as it is stored. */
export interface StoredOption extends RuntimeOption {
  set_at: number
  /** The request that has set it. */
  reqid: string
}

/** The options that are set while nodes run. Call writing methods only inside of a `write`. */
export class RuntimeOptionTable {
  #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** Returns all of them, sorted by name. */
  list(): StoredOption[] {
    return this.#store.all<StoredOption>('SELECT name, value, set_at, reqid FROM runtime_options ORDER BY name')
  }

  set({ name, value, set_at: at, reqid }: StoredOption): void {
    this.#store.run(
      'INSERT INTO runtime_options VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value, set_at = excluded.set_at, reqid = excluded.reqid',
      ...[name, value, at, reqid]
    )
  }

  unset(name: string): void {
    this.#store.run('DELETE FROM runtime_options WHERE name = ?', name)
  }
}
