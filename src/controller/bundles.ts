import { createReadStream } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { Logger } from 'pino'
import type {
  Bundle,
  BundleContent,
  BundleDifference,
  BundleFile,
  BundleList,
  BundleUser
} from '../../schemas/bundles.js'
import type { ArchiveLimits } from '../bundles/archive.js'
import { differenceOf, idOf, inOrder } from '../bundles/manifest.js'
import { chunkBytes, PackWriter, type PackedFile } from '../bundles/pack.js'
import type { Packs } from '../bundles/packs.js'
import { AppError, isOfSystem, messageOf } from '../errors.js'
import { auditEntry, auditKinds } from '../requests/audit-entry.js'
import type { Caller } from '../requests/caller.js'
import type { AppendEntry } from '../requests/journal.js'
import type { BundleTable, StoredBundle } from '../store/bundles.js'
import { syncDirectory } from '../util.js'

export interface BundlesOptions {
  /** Where the contents are, a file for each bundle. */
  packs: Packs
  table: BundleTable
  limits: ArchiveLimits
  /** Writes what a job does together with the audit entries that it appends. */
  write: <T>(job: (record: AppendEntry) => T) => Promise<T>
  log: Logger
  /** Returns milliseconds since 1970. */
  now: () => number
  /** Returns what names a bundle: configurations, feeds, revisions. */
  usedBy: (id: string) => BundleUser[]
}

/** Archives that are read at a time: each of them writes as much as a bundle may have. */
const uploadsMax = 4
/** An upload that pauses for so long is given up. */
const pauseMs = 30_000
/** Chunks that are kept in memory for the other agents that ask for the same, and for how long: 11 MB. */
const chunksKept = 256
const chunkMs = 2_000

/**
 * The bundles that were uploaded. What a bundle holds is in the store, its contents in one file beside it, which is
 * there before the store tells of it. Each upload has a file of its own: of two with the same content one is kept.
 */
export class Bundles {
  #options: BundlesOptions
  #uploads = 0
  /** Chunks that were read last, or are being read: many agents want the same at the same time. */
  #chunks = new Map<string, Promise<string>>()

  constructor(options: BundlesOptions) {
    this.#options = options
  }

  /** Removes what an upload has left that did not end. */
  async open(): Promise<void> {
    const { packs, table, log } = this.#options
    const kept = table.packs()
    await packs.keepOnly(kept)
    // Nothing waits for it: a controller that has just begun to lead has more urgent things to do.
    packs
      .shareOnly(kept)
      .catch(error => log.debug(`files of bundles that are gone are still shared: ${messageOf(error)}`))
  }

  /** Has what another controller has brought, and drops what it has dropped. Never rejects. */
  async follow(): Promise<void> {
    const { packs, table, log } = this.#options
    try {
      const kept = table.packs()
      await packs.keepOnly(kept)
      for (const pack of kept) await packs.path(pack)
    } catch (error) {
      log.warn(messageOf(error))
    }
  }

  /**
   * Keeps what a tar archive holds, and has a name point to it. Returns the bundle, and whether it is new: the same
   * content is kept once. Throws an AppError for an archive that is none, or too large; then nothing is kept.
   */
  async receive(archive: AsyncIterable<Buffer>, as: Ownership): Promise<{ bundle: Bundle; isNew: boolean }> {
    // With the package that reads archives: most controllers never have one to read.
    const { readArchive } = await import('../bundles/archive.js')
    return await this.#receive(as, async writer => {
      await readArchive(withoutPause(archive), this.#options.limits, writer.take)
      if (writer.files.length === 0) throw new AppError('invalid_request', 'the archive holds no file')
    })
  }

  /** Keeps one file as a bundle. Returns the bundle. Throws an AppError when it is too large; then nothing is kept. */
  async receiveFile(path: string, content: AsyncIterable<Buffer>, as: Ownership): Promise<Bundle> {
    const { limits } = this.#options
    const { bundle } = await this.#receive(as, async writer => {
      await writer.take({ path, executable: false, size: 0 }, limited(withoutPause(content), limits.bytes))
    })
    return bundle
  }

  /** Keeps what `fill` writes. */
  async #receive(
    { name, by }: Ownership,
    fill: (writer: PackWriter) => Promise<void>
  ): Promise<{ bundle: Bundle; isNew: boolean }> {
    const { packs } = this.#options
    if (this.#uploads >= uploadsMax) {
      throw new AppError('too_many_requests', `${uploadsMax} bundles are being uploaded: try again when one is done`)
    }
    this.#uploads++
    const { pack, path } = packs.create()
    let isKept = false
    try {
      const writer = await PackWriter.create(path)
      try {
        await fill(writer)
        await writer.sync()
      } finally {
        await writer.close()
      }
      await syncDirectory(packs.directory)
      const { isKept: kept, ...answer } = await this.#keep(pack, writer, { name, by })
      isKept = kept
      return answer
    } catch (error) {
      throw isNoRoom(error) ? new AppError('unavailable', `the bundle cannot be kept: ${messageOf(error)}`) : error
    } finally {
      this.#uploads--
      if (!isKept) await packs.remove(pack)
    }
  }

  /** Returns a page of the bundles, newest first: those after a place, which the page before has told. */
  list({ limit, after }: { limit: number; after?: number | undefined }): BundleList {
    const found = this.#options.table.list(limit + 1, after)
    const page = found.slice(0, limit)
    return {
      bundles: page.map(one => this.#shown(one)),
      ...(found.length > limit ? { next: String(page.at(-1)!.n) } : {})
    }
  }

  /** Returns a bundle with its files. Throws `not_found`. */
  get(ref: string): BundleContent {
    const stored = this.#stored(ref)
    return { ...this.#shown(stored), content: this.files(stored.id).map(shownFile) }
  }

  /** Returns what is different in a bundle since an earlier one, and in the texts of both. Throws `not_found`. */
  async difference(from: string, to: string): Promise<BundleDifference> {
    const [before, after] = [this.#stored(from), this.#stored(to)]
    const { added, removed, changed } = differenceOf(this.files(before.id), this.files(after.id))
    const opened = { before: await this.#open(before), after: await this.#open(after) }
    try {
      const { textDifferences } = await import('../bundles/text-difference.js')
      const texts = await textDifferences(changed, async (side, { offset, size }) => {
        const pack = opened[side]
        return pack && (await readPart(pack, offset, size))
      })
      return {
        from: before.id,
        to: after.id,
        added: added.map(shownFile),
        removed: removed.map(shownFile),
        changed: changed.map(({ before, after }, n) => ({
          before: shownFile(before),
          after: shownFile(after),
          ...texts[n]
        }))
      }
    } finally {
      await opened.before?.close()
      await opened.after?.close()
    }
  }

  /** Opens the pack of a bundle; undefined where that is gone. */
  async #open({ pack }: StoredBundle): Promise<FileHandle | undefined> {
    return await this.#options.packs
      .path(pack)
      .then(open)
      .catch(() => undefined)
  }

  /** Deletes a bundle. Throws `not_found`, and `conflict` while something names it. */
  async remove(ref: string, by: Partial<Caller>): Promise<void> {
    const { packs, write, table, usedBy } = this.#options
    const pack = await write(record => {
      const { id, pack } = this.#stored(ref)
      const [user] = usedBy(id)
      if (user === 'intel') throw new AppError('conflict', 'a feed of intelligence is this bundle')
      if (user === 'revision') throw new AppError('conflict', 'a revision that is kept names this bundle')
      if (user === 'upgrade') throw new AppError('conflict', 'agents are being upgraded to this bundle')
      if (user !== undefined) throw new AppError('conflict', `the ${user} configuration names this bundle`)
      const names = table.namesOf(id)
      table.delete(id)
      record(auditEntry('delete_bundle', 'succeeded', by, { detail: [id, ...names].join(' ') }), auditKinds.change)
      return pack
    })
    await packs.remove(pack)
  }

  /** Deletes a bundle, unless it has a name, or something names it. */
  async deleteUnused(id: string): Promise<void> {
    const { packs, table, write, usedBy } = this.#options
    const pack = await write(() => {
      const stored = table.get(id)
      if (!stored || table.namesOf(id).length > 0 || usedBy(id).length > 0) return undefined
      table.delete(id)
      return stored.pack
    })
    if (pack !== undefined) await packs.remove(pack)
  }

  /**
   * Deletes bundles that no name has pointed to for so long, in milliseconds, and nothing has named. Only what was
   * looked at before can have been of use: call it often in that time.
   */
  async prune(maxAgeMs: number): Promise<void> {
    const { packs, write, table, usedBy, now } = this.#options
    const unused = await write(record => {
      const used = table.list(Number.MAX_SAFE_INTEGER).filter(({ id }) => usedBy(id).length > 0)
      table.touch(
        used.map(({ id }) => id),
        now()
      )
      return table.unusedSince(now() - maxAgeMs).map(({ id, pack }) => {
        table.delete(id)
        record(auditEntry('delete_bundle', 'succeeded', {}, { detail: `${id} unused` }), auditKinds.change)
        return pack
      })
    })
    for (const pack of unused) await packs.remove(pack)
  }

  /** Returns the id of a bundle by its name or id; undefined when there is none. */
  resolve(ref: string): string | undefined {
    const { table } = this.#options
    return table.get(ref)?.id ?? table.named(ref)
  }

  /** Returns the files of a bundle, and where they are in its pack. Throws `not_found`. */
  files(id: string): PackedFile[] {
    const content = this.#options.table.content(id)
    if (content === undefined) throw noBundle(id)
    return JSON.parse(content) as PackedFile[]
  }

  /** Returns the content of a file of a bundle. Throws `not_found`. */
  async read(id: string, path: string): Promise<Readable> {
    const file = this.files(id).find(one => one.path === path)
    if (!file) throw new AppError('not_found', `there is no ${path} in bundle ${id}`)
    if (file.size === 0) return Readable.from([])
    const { offset, size } = file
    return createReadStream(await this.#options.packs.path(this.#stored(id).pack), {
      start: offset,
      end: offset + size - 1
    })
  }

  /** Returns a chunk of a bundle's pack, in base64. Throws `not_found`. */
  async chunk(id: string, offset: number): Promise<string> {
    const { pack, pack_size: size } = this.#stored(id)
    const length = Math.max(0, Math.min(chunkBytes, size - offset))
    const key = `${pack} ${offset}`
    const known = this.#chunks.get(key)
    if (known) return await known
    const reading = this.#options.packs.path(pack).then(path => readChunk(path, offset, length))
    this.#chunks.set(key, reading)
    const forget = () => this.#chunks.delete(key)
    reading.then(() => setTimeout(forget, chunkMs).unref(), forget)
    if (this.#chunks.size > chunksKept) this.#chunks.delete(this.#chunks.keys().next().value!)
    return await reading
  }

  /** Has the store tell of a pack, unless it tells of the same content already. */
  async #keep(
    pack: string,
    { files, size: packSize }: PackWriter,
    { name, by }: { name?: string | undefined; by: Partial<Caller> }
  ): Promise<{ bundle: Bundle; isNew: boolean; isKept: boolean }> {
    const { packs, table, write, now } = this.#options
    const content = inOrder(files)
    const id = idOf(content)
    const packed = { pack, pack_size: packSize }
    const known = table.get(id)
    const isGone = known !== undefined && (await packs.isLost(known.pack))
    await packs.share(pack)
    const { isNew, isKept } = await write(record => {
      const before = table.get(id)
      const isLost = isGone && before?.pack === known.pack
      if (isLost) table.repack(id, packed, JSON.stringify(content))
      if (!before) {
        const size = content.reduce((sum, file) => sum + file.size, 0)
        const row = { id, created_at: now(), created_by: by.name ?? null, size, files: content.length }
        table.insert({ ...row, ...packed }, JSON.stringify(content))
      }
      table.touch([id], now())
      if (name !== undefined) table.point(name, id)
      const detail = name === undefined ? id : `${id} ${name}`
      record(auditEntry('upload_bundle', 'succeeded', by, { detail }), auditKinds.change)
      return { isNew: !before, isKept: !before || isLost }
    })
    return { bundle: this.#shown(this.#stored(id)), isNew, isKept }
  }

  #stored(ref: string): StoredBundle {
    const id = this.resolve(ref)
    const stored = id === undefined ? undefined : this.#options.table.get(id)
    if (!stored) throw noBundle(ref)
    return stored
  }

  #shown({ id, size, files, created_at: at, created_by: by }: StoredBundle): Bundle {
    return {
      id,
      names: this.#options.table.namesOf(id),
      files,
      size,
      used_by: this.#options.usedBy(id),
      created_at: new Date(at).toISOString(),
      ...(by === null ? {} : { created_by: by })
    }
  }
}

/** Under which name a bundle is kept, and who brings it. */
interface Ownership {
  name?: string | undefined
  by: Partial<Caller>
}

const shownFile = ({ offset: _, ...file }: PackedFile): BundleFile => file

const noBundle = (ref: string) => new AppError('not_found', `there is no bundle ${ref}`)

/** Returns what comes. Throws `request_timeout` when nothing comes for long: an upload has no other limit of time. */
async function* withoutPause(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const iterator = chunks[Symbol.asyncIterator]()
  const pause = new AppError('request_timeout', `nothing has come for ${pauseMs / 1000} seconds`)
  let timer: NodeJS.Timeout | undefined
  try {
    for (;;) {
      const next = iterator.next()
      const late = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(pause), pauseMs)
      })
      const { value, done } = await Promise.race([next, late])
      clearTimeout(timer)
      if (done === true) return
      yield value
    }
  } finally {
    clearTimeout(timer)
    void iterator.return?.()
  }
}

/** Returns what comes. Throws `payload_too_large` when it is more. */
async function* limited(chunks: AsyncIterable<Buffer>, most: number): AsyncGenerator<Buffer> {
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > most) throw new AppError('payload_too_large', `it has over ${most} bytes`)
    yield chunk
  }
}

const isNoRoom = (error: unknown) => isOfSystem(error) && (error as NodeJS.ErrnoException).syscall !== 'read'

/** Returns a part of a file; undefined where the file is shorter. */
async function readPart(file: FileHandle, offset: number, length: number): Promise<Buffer | undefined> {
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(length), position: offset })
  return bytesRead < length ? undefined : buffer
}

async function readChunk(path: string, offset: number, length: number): Promise<string> {
  const file = await open(path, 'r')
  try {
    const part = await readPart(file, offset, length)
    if (!part) throw new AppError('unavailable', `${path} is shorter than it was`)
    return part.toString('base64')
  } finally {
    await file.close()
  }
}
