import type { Store } from './store.js'

/** A bundle as it is stored, without the list of its files. */
export interface StoredBundle {
  n: number
  id: string
  created_at: number
  created_by: string | null
  /** Of all files together, in bytes. */
  size: number
  files: number
  /** The name of the file that holds their contents. */
  pack: string
  pack_size: number
}

const columns = 'n, id, created_at, created_by, size, files, pack, pack_size'

/** The bundles, and the names that point to them. Call writing methods only inside of a `write`. */
export class BundleTable {
  #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  get(id: string): StoredBundle | undefined {
    return this.#store.get<StoredBundle>(`SELECT ${columns} FROM bundles WHERE id = ?`, id)
  }

  /** Returns the id that a name points to. */
  named(name: string): string | undefined {
    return this.#store.get<{ id: string }>('SELECT id FROM bundle_names WHERE name = ?', name)?.id
  }

  /** Returns the names that point to a bundle, sorted. */
  namesOf(id: string): string[] {
    return this.#store
      .all<{ name: string }>('SELECT name FROM bundle_names WHERE id = ? ORDER BY name', id)
      .map(({ name }) => name)
  }

  /** Returns bundles, newest first: those before `n`. */
  list(limit: number, before = Number.MAX_SAFE_INTEGER): StoredBundle[] {
    return this.#store.all<StoredBundle>(
      `SELECT ${columns} FROM bundles WHERE n < ? ORDER BY n DESC LIMIT ?`,
      before,
      limit
    )
  }

  /** Returns the list of a bundle's files, as JSON. */
  content(id: string): string | undefined {
    return this.#store.get<{ content: string }>('SELECT content FROM bundles WHERE id = ?', id)?.content
  }

  /** Returns the names of the files that hold contents. */
  packs(): Set<string> {
    return new Set(this.#store.all<{ pack: string }>('SELECT pack FROM bundles').map(({ pack }) => pack))
  }

  insert(bundle: Omit<StoredBundle, 'n'>, content: string): void {
    const { id, created_at: created, created_by: by, size, files, pack, pack_size: packSize } = bundle
    this.#store.run(
      'INSERT INTO bundles (id, created_at, used_at, created_by, size, files, pack, pack_size, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      ...[id, created, created, by, size, files, pack, packSize, content]
    )
  }

  /** Has a bundle's contents be in another file, in which they may be in another order. */
  repack(id: string, { pack, pack_size: size }: Pick<StoredBundle, 'pack' | 'pack_size'>, content: string): void {
    this.#store.run('UPDATE bundles SET pack = ?, pack_size = ?, content = ? WHERE id = ?', pack, size, content, id)
  }

  /** Has a name point to a bundle from now on. */
  point(name: string, id: string): void {
    this.#store.run('INSERT INTO bundle_names VALUES (?, ?) ON CONFLICT DO UPDATE SET id = excluded.id', name, id)
  }

  /** Notes that bundles are of use now: these, and all that have a name. */
  touch(ids: readonly string[], now: number): void {
    this.#store.run(
      'UPDATE bundles SET used_at = ? WHERE id IN (SELECT value FROM json_each(?)) OR id IN (SELECT id FROM bundle_names)',
      now,
      JSON.stringify(ids)
    )
  }

  /** Returns bundles that have been of no use since. */
  unusedSince(before: number): Pick<StoredBundle, 'id' | 'pack'>[] {
    return this.#store.all<Pick<StoredBundle, 'id' | 'pack'>>('SELECT id, pack FROM bundles WHERE used_at < ?', before)
  }

  /** Deletes a bundle with its names. */
  delete(id: string): void {
    this.#store.run('DELETE FROM bundles WHERE id = ?', id)
  }
}
