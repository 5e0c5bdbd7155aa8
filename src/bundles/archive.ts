import { once } from 'node:events'
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { Parser, type ReadEntry } from 'tar'
import { bundlePath } from '../../schemas/bundles.js'
import { AppError, messageOf } from '../errors.js'
import { entryPath, foldedPath, refusal } from './entry-path.js'

export interface ArchiveLimits {
  /** Of all files together, in bytes. */
  bytes: number
  files: number
}

/** A file of an archive. */
export interface ArchiveFile {
  path: string
  executable: boolean
  size: number
}

/** Takes a file with its content, whose chunks must be read to the end. */
export type TakeFile = (file: ArchiveFile, content: AsyncIterable<Buffer>) => Promise<{ sha256: string }>

/** What an archive has for each file beside its content: a header, one with a long path, and what fills the block. */
const overhead = 2 * (bundlePath.bytes + 2048)
const isFile = /^(File|OldFile|ContiguousFile)$/
const isDirectory = /^(Directory|GNUDumpDir)$/
const gzipped = [0x1f, 0x8b]

/**
 * Reads a tar archive, or one that gzip has compressed, and has each of its files taken, one after the other. Throws an
 * AppError for what no bundle may hold, and for an archive that is broken, too large or without end; it names the
 * entry.
 */
export async function readArchive(input: AsyncIterable<Buffer>, limits: ArchiveLimits, take: TakeFile): Promise<void> {
  const reading = new Reading(limits, take)
  const parser = new Parser({ strict: true, zstd: false, maxMetaEntrySize: 64 * 1024 })
  const failing = new Promise<never>((_resolve, reject) => {
    parser.on('error', error => reject(broken(error)))
    reading.failed = reject
  })
  failing.catch(() => {})
  parser.on('ignoredEntry', (entry: ReadEntry) => reading.failed(unknownKind(entry)))
  parser.on('entry', (entry: ReadEntry) => reading.queue(entry))
  let isOver = false
  parser.on('eof', () => {
    isOver = true
  })
  let bytes = 0
  const most = limits.bytes + limits.files * overhead + 1024 * 1024
  for await (const chunk of decompressed(input)) {
    bytes += chunk.length
    if (bytes > most) throw new AppError('payload_too_large', `the archive has more than ${most} bytes`)
    // What comes behind its end is of no interest: it must not fill the memory.
    if (!isOver && !parser.write(chunk)) await Promise.race([once(parser, 'drain'), failing])
  }
  const ended = once(parser, 'end')
  parser.end()
  await Promise.race([ended, failing])
  await Promise.race([reading.done, failing])
}

/** The entries of an archive, as far as they were read. */
class Reading {
  #limits: ArchiveLimits
  #take: TakeFile
  #bytes = 0
  #files = 0
  /** What was read, by folded path: a digest with the path as it was written, or a directory. */
  #known = new Map<string, { path: string; sha256: string | undefined; executable: boolean }>()
  done: Promise<void> = Promise.resolve()
  failed: (error: Error) => void = () => {}

  constructor(limits: ArchiveLimits, take: TakeFile) {
    this.#limits = limits
    this.#take = take
  }

  queue(entry: ReadEntry): void {
    this.done = this.done.then(async () => {
      try {
        await this.#read(entry)
      } catch (error) {
        this.failed(error as Error)
      }
      entry.resume()
    })
  }

  async #read(entry: ReadEntry): Promise<void> {
    const path = entryPath(entry.path)
    if (isDirectory.test(entry.type)) return path === '' ? undefined : this.#noteParents(`${path}/x`)
    if (!isFile.test(entry.type)) throw unknownKind(entry)
    this.#count(entry, path)
    this.#noteParents(path)
    const before = this.#known.get(foldedPath(path))
    if (before && (before.path !== path || before.sha256 === undefined)) throw clash(path, before.path)
    const file = { path, executable: ((entry.mode ?? 0) & 0o100) !== 0, size: entry.size }
    const { sha256 } = await this.#take(file, entry as unknown as AsyncIterable<Buffer>)
    if (before && (before.sha256 !== sha256 || before.executable !== file.executable)) {
      throw refusal(path, 'it is in the archive twice, and differs')
    }
    this.#known.set(foldedPath(path), { path, sha256, executable: file.executable })
  }

  /** Counts a file before it is read. Throws when it exceeds a limit. */
  #count({ path: written, size }: ReadEntry, path: string): void {
    if (path === '') throw refusal(written, 'a file without a name')
    if (!Number.isSafeInteger(size) || size < 0) throw refusal(written, 'it has no size')
    this.#bytes += size
    if (this.#bytes > this.#limits.bytes) {
      throw new AppError('payload_too_large', `with ${JSON.stringify(path)} it has over ${this.#limits.bytes} bytes`)
    }
    if (++this.#files > this.#limits.files) {
      throw new AppError('payload_too_large', `the archive has more than ${this.#limits.files} files`)
    }
  }

  /** Notes the directories of a path: none of them is a file, or another one for who knows no case. */
  #noteParents(path: string): void {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const directory = path.slice(0, at)
      const before = this.#known.get(foldedPath(directory))
      if (before && (before.path !== directory || before.sha256 !== undefined)) throw clash(directory, before.path)
      this.#known.set(foldedPath(directory), { path: directory, sha256: undefined, executable: false })
    }
  }
}

function clash(path: string, other: string): AppError {
  return path === other
    ? refusal(path, 'it is a file and a directory')
    : refusal(path, `it differs from ${JSON.stringify(other)} only by case, or by Unicode form`)
}

function unknownKind({ path, type }: ReadEntry): AppError {
  const isLink = /Link$/.test(type)
  const hint = isLink ? 'a link; tar --dereference takes what it points to instead' : `of type ${type}`
  return refusal(path, `a bundle holds files and directories only, and this is ${hint}`)
}

const broken = (error: unknown): Error =>
  error instanceof AppError
    ? error
    : new AppError('invalid_request', `the archive is broken: ${messageOf(error)}`, { cause: error })

/** Returns the bytes of an archive as they were before gzip compressed them. */
async function* decompressed(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const chunks = input[Symbol.asyncIterator]()
  try {
    let first = Buffer.alloc(0)
    while (first.length < 2) {
      const { value, done } = await chunks.next()
      if (done === true) break
      first = Buffer.concat([first, value])
    }
    if (first.length === 0) throw new AppError('invalid_request', 'the archive is empty')
    const all = async function* () {
      yield first
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value
    }
    yield* isGzip(first) ? gunzipped(all()) : all()
  } finally {
    // Not waited for: what was asked for last may never come.
    void chunks.return?.()
  }
}

async function* gunzipped(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const plain = createGunzip()
  pipeline(Readable.from(chunks, { objectMode: false }), plain, () => {})
  let isFirst = true
  try {
    for await (const chunk of plain as AsyncIterable<Buffer>) {
      if (isFirst && isGzip(chunk)) throw new AppError('invalid_request', 'the archive is compressed twice')
      isFirst = false
      yield chunk
    }
  } catch (error) {
    // What is wrong with the transfer is not the archive's fault.
    throw /^Z_/.test(String((error as NodeJS.ErrnoException).code)) ? broken(error) : error
  }
}

const isGzip = (bytes: Buffer) => gzipped.every((byte, at) => bytes[at] === byte)
