import type { Store } from './store.js'

/** A table of things with names, of which there are few. Call writing methods only inside of a `write`. */
export class NamedTable<T extends { name: string }> {
  #store: Store
  #table: string
  #columns: readonly (keyof T & string)[]

  /** `columns`: those of the table, in their order; the first one is `name`. */
  constructor(store: Store, table: string, columns: readonly (keyof T & string)[]) {
    this.#store = store
    this.#table = table
    this.#columns = columns
  }

  /** Returns all of them, sorted by name. */
  list(): T[] {
    return this.#store.all<T>(`SELECT ${this.#columns.join(', ')} FROM ${this.#table} ORDER BY name`)
  }

  /** Makes these all that there are; `before` is what list() has returned, or was replaced with last. */
  replace(before: readonly T[], after: readonly T[]): void {
    const names = new Set(after.map(({ name }) => name))
    for (const { name } of before) {
      if (!names.has(name)) this.#store.run(`DELETE FROM ${this.#table} WHERE name = ?`, name)
    }
    const values = this.#columns.map(() => '?').join(', ')
    for (const one of after) {
      if (before.includes(one)) continue
      this.#store.run(
        `INSERT OR REPLACE INTO ${this.#table} (${this.#columns.join(', ')}) VALUES (${values})`,
        ...this.#columns.map(column => one[column] as string | number)
      )
    }
  }
}
