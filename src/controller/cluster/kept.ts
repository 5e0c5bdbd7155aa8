import type { NamedTable } from '../../store/named-table.js'
import type { Store } from '../../store/store.js'

/** What nodes set while they run, and keep through deployments. */
export class Kept<T extends { name: string }> {
  #store: Store
  #table: NamedTable<T>
  #all: readonly T[]

  constructor(store: Store, table: NamedTable<T>) {
    this.#store = store
    this.#table = table
    this.#all = table.list()
  }

  get all(): readonly T[] {
    return this.#all
  }

  /** Reads them again: another replica has changed them. */
  reload(): void {
    this.#all = this.#table.list()
  }

  /** Stores all that there are. Resolves once that is on disk. */
  async replace(all: readonly T[]): Promise<void> {
    await this.#store.write('synced', () => this.#table.replace(this.#all, all))
    this.#all = all
  }
}
