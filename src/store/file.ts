import { statSync } from 'node:fs'
import { StoreFault } from './fault.js'

/**
 * The file of an open database, observed from outside: SQLite continues in a file that was removed, and what it then
 * writes is lost with the process. Never opened here, since closing it would release SQLite's locks.
 */
export class DatabaseFile {
  #path: string
  #opened: { ino: bigint; dev: bigint }
  #size = 0n

  constructor(path: string) {
    this.#path = path
    this.#opened = statSync(path, { bigint: true })
  }

  /** Throws when the file is no longer the one that was opened. */
  check(): void {
    const now = statSync(this.#path, { bigint: true, throwIfNoEntry: false })
    if (!now) {
      throw new StoreFault(
        'failing',
        'the database file was removed: put it back, or restart the controller to begin anew'
      )
    }
    if (now.ino !== this.#opened.ino || now.dev !== this.#opened.dev) {
      throw new StoreFault(
        'failing',
        'the database file was replaced: put it back, or restart the controller to go on with the new one'
      )
    }
    // The file never shrinks by itself.
    if (now.size < this.#size) throw new StoreFault('damaged', 'the database file was cut short')
    this.#size = now.size
  }
}
