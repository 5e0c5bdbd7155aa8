import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Files of one directory, each with what is made of it. A file is read when it is first asked for, and again once it
 * was replaced: an update of the package, or the next build, takes effect without a restart.
 */
export class PageFiles<T> {
  #kept = new Map<string, { version: string; value: T }>()
  #directory: string
  #make: (bytes: Buffer) => T

  constructor(directory: string, make: (bytes: Buffer) => T) {
    this.#directory = directory
    this.#make = make
  }

  /** Returns what is made of a file; undefined when there is none. The name must not lead out of the directory. */
  async get(name: string): Promise<T | undefined> {
    const path = join(this.#directory, name)
    try {
      // npm gives every file of every package one and the same mtime; the ctime is the disk's own.
      const { ino, ctimeMs, size } = await stat(path)
      const version = `${ino} ${ctimeMs} ${size}`
      const kept = this.#kept.get(name)
      if (kept?.version === version) return kept.value
      const value = this.#make(await readFile(path))
      this.#kept.set(name, { version, value })
      return value
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      this.#kept.delete(name)
      return undefined
    }
  }
}
