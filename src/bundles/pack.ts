import { createHash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import type { BundleFile } from '../../schemas/bundles.js'
import type { ArchiveFile } from './archive.js'

/** A file of a bundle, and where its content begins in the pack. */
export interface PackedFile extends BundleFile {
  offset: number
}

/** So many bytes of a pack are sent at a time: little enough that others need not wait behind them. */
export const chunkBytes = 32 * 1024

/**
 * Writes a pack: the contents of all files of a bundle, one behind the other, each content once. Where each is, the
 * list of the files says.
 */
export class PackWriter {
  readonly files: PackedFile[] = []
  #handle: FileHandle
  #at = 0
  #contents = new Map<string, number>()
  #paths = new Set<string>()

  private constructor(handle: FileHandle) {
    this.#handle = handle
  }

  /** Creates a file, which must not exist. */
  static async create(path: string): Promise<PackWriter> {
    return new PackWriter(await open(path, 'wx', 0o600))
  }

  /** The size of the pack, in bytes. */
  get size(): number {
    return this.#at
  }

  readonly take = async (file: ArchiveFile, content: AsyncIterable<Buffer>): Promise<BundleFile> => {
    const hash = createHash('sha256')
    let end = this.#at
    // The disk works while the next chunk comes, and is hashed.
    let writing = Promise.resolve()
    for await (const chunk of content) {
      await writing
      writing = this.#write(chunk, end)
      writing.catch(() => {})
      hash.update(chunk)
      end += chunk.length
    }
    await writing
    const sha256 = hash.digest('hex')
    const known = this.#contents.get(sha256)
    // The next one is written over what is there already.
    const packed = { ...file, size: end - this.#at, sha256, offset: known ?? this.#at }
    if (known === undefined) {
      this.#contents.set(sha256, this.#at)
      this.#at = end
    }
    // An archive may have the same file twice.
    if (!this.#paths.has(file.path)) this.files.push(packed)
    this.#paths.add(file.path)
    return packed
  }

  /** Makes what was written last beyond a crash of the machine. */
  async sync(): Promise<void> {
    await this.#handle.truncate(this.#at)
    await this.#handle.sync()
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  async #write(chunk: Buffer, position: number): Promise<void> {
    for (let done = 0; done < chunk.length;) {
      done += (await this.#handle.write(chunk, done, chunk.length - done, position + done)).bytesWritten
    }
  }
}
