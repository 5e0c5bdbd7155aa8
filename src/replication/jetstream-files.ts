import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { Base64UrlPaddedCodec as Base64, Objm, setSha256Backend, type ObjectInfo, type ObjectStore } from '@nats-io/obj'
import { syncDirectory } from '../util.js'
import type { Connection } from './jetstream-connection.js'
import type { Names } from './jetstream-setup.js'
import type { Files } from './log.js'

/** How large the pieces are in which files are stored. */
const chunkBytes = 512 * 1024

/** Files in an object store. Other clients of NATS can read them, too. */
export class JetStreamFiles implements Files {
  #connection: Connection
  #names: Names
  #store: ObjectStore

  private constructor(connection: Connection, names: Names, store: ObjectStore) {
    this.#connection = connection
    this.#names = names
    this.#store = store
  }

  static async open(connection: Connection, names: Names): Promise<JetStreamFiles> {
    // Ten times as fast as the one in JavaScript.
    setSha256Backend('native')
    return new JetStreamFiles(connection, names, await new Objm(connection.jetstream).open(names.files, false))
  }

  async put(name: string, path: string): Promise<void> {
    const source = createReadStream(path, { highWaterMark: chunkBytes })
    try {
      await this.#store.put(
        { name, options: { max_chunk_size: chunkBytes } },
        Readable.toWeb(source) as ReadableStream<Uint8Array>
      )
    } finally {
      source.destroy()
    }
  }

  async get(name: string, path: string): Promise<boolean> {
    const info = await this.#store.info(name)
    if (!info || info.deleted) return false
    const temporary = `${path}.part`
    try {
      const file = await open(temporary, 'w', 0o600)
      try {
        const hash = createHash('sha256')
        for await (const chunk of this.#chunks(info)) {
          hash.update(chunk)
          await file.writeFile(chunk)
        }
        const digest = `SHA-256=${hash.digest('base64url')}`
        if (digest !== info.digest.replace(/=+$/, '')) throw new Error(`${name} came damaged: its digest is ${digest}`)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(temporary, path)
      await syncDirectory(dirname(path))
      return true
    } catch (error) {
      await unlink(temporary).catch(() => {})
      throw error
    }
  }

  /**
   * Yields the contents of a file. The client's own way to read has no bound: what the network brings faster than it is
   * written stays in memory.
   */
  async *#chunks({ name, nuid, chunks }: ObjectInfo): AsyncGenerator<Uint8Array, void> {
    const { manager } = this.#connection
    const { files, filesStream } = this.#names
    let seq = 0
    for (let number = 1; number <= chunks; number++) {
      const query = { seq: seq + 1, next_by_subj: `$O.${files}.C.${nuid}` }
      // Any server answers the first; if it is behind, the leader knows.
      const chunk =
        (await manager.direct.getMessage(filesStream, query)) ?? (await manager.streams.getMessage(filesStream, query))
      if (!chunk) throw new Error(`${name} was replaced or deleted while it was read`)
      seq = chunk.seq
      yield chunk.data
    }
  }

  async names(prefix: string): Promise<string[]> {
    const subjects = `$O.${this.#names.files}.M.`
    const { state } = await this.#connection.manager.streams.info(this.#names.filesStream, {
      subjects_filter: `${subjects}>`
    })
    return Object.keys(state.subjects ?? {})
      .map(subject => Base64.decode(subject.slice(subjects.length), false) as string)
      .filter(name => name.startsWith(prefix))
      .sort()
  }

  /** Deletes the file with its name. The client's own way leaves a mark for each name that there was, for ever. */
  async delete(name: string): Promise<void> {
    const info = await this.#store.info(name)
    if (!info) return
    const { files, filesStream } = this.#names
    for (const subject of [`$O.${files}.M.${Base64.encode(name)}`, `$O.${files}.C.${info.nuid}`]) {
      await this.#connection.manager.streams.purge(filesStream, { filter: subject })
    }
  }
}
