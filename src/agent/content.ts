import { createHash } from 'node:crypto'
import {
  chmod,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  type FileHandle
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Feed } from '../../schemas/intel.js'
import { entryPath } from '../bundles/entry-path.js'
import { idOf } from '../bundles/manifest.js'
import { chunkBytes, type PackedFile } from '../bundles/pack.js'
import { useOf, type BundleUse } from '../bundles/use.js'
import { AppError } from '../errors.js'
import { bootId } from '../proc.js'
import { Sequence, Slots, writeFileAtomically } from '../util.js'

/** Where bundles come from: the controller. */
export interface BundleSource {
  files: (id: string) => Promise<PackedFile[]>
  /** Returns `chunkBytes` of a bundle's pack, or what it has left. */
  chunk: (id: string, offset: number) => Promise<Buffer>
}

/** What is known of a bundle that is here. */
interface Known {
  files: PackedFile[]
  /** The boot of the machine in which its files were last compared with their digests. */
  boot: string
}

/** Chunks that are on their way at a time: the next one travels while one is written. */
const ahead = 2
/** How long after it was interrupted a fetch can go on, in milliseconds: a day. */
const resumableMs = 86_400_000
/** Files that are written at a time. */
const writersMax = 8

/**
 * The bundles that are on this host, each in a directory that is there as a whole or not at all. Nodes find theirs
 * under a name that stays the same, so that one that loads nothing of what has changed need not be restarted.
 */
export class Content {
  #directory: string
  #work = new Sequence()
  #current: BundleUse | undefined
  /** Bundles that jobs need, as often as they do. */
  #held: string[] = []

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Where nodes find what they use. */
  get link(): string {
    return join(this.#directory, 'current')
  }

  /** What nodes use now; undefined where their configuration has no bundle. */
  get current(): BundleUse | undefined {
    return this.#current
  }

  /**
   * Gets a bundle, unless it is here. What was fetched before it was interrupted is not fetched again. Throws an
   * AppError when it cannot be had, or is not what it should be: then it is not here.
   */
  async ensure(id: string, source: BundleSource): Promise<void> {
    await this.#work.run(async () => {
      if (await this.#sound(id)) return
      await mkdir(this.#directory, { recursive: true, mode: 0o700 })
      const files = checked(id, await source.files(id))
      await this.#fetch(id, files, source)
      await this.#unpack(id, files)
    })
  }

  /** Returns what nodes would make of a bundle that is here: for a check, which is not to touch what they use. */
  async look(id: string): Promise<BundleUse> {
    return useOf(this.#pathOf(id), (await this.#known(id)).files)
  }

  /** Returns by name the files of feeds that are here. */
  async feedFiles(feeds: readonly Feed[]): Promise<Map<string, string>> {
    const files = new Map<string, string>()
    for (const { name, bundle } of feeds) {
      const [file] = (await this.#work.run(() => this.#sound(bundle))) ?? []
      if (file) files.set(name, join(this.#pathOf(bundle), file.path))
    }
    return files
  }

  /** Has nodes use a bundle from their next start on, or none. Throws an AppError when it is not here. */
  async use(id: string | undefined): Promise<void> {
    await this.#work.run(async () => {
      const { link } = this
      if (id === undefined) {
        this.#current = undefined
        return await rm(link, { force: true })
      }
      const files = await this.#sound(id)
      if (!files) {
        throw new AppError('unavailable', `bundle ${id} is not on this host: deploy again`)
      }
      this.#current = useOf(link, files)
      if ((await readlink(link).catch(() => undefined)) === id) return
      const next = `${link}.new`
      await rm(next, { force: true })
      await symlink(id, next)
      await rename(next, link)
    })
  }

  /** Does a job during which bundles stay here, once they are, whoever drops them: what is checked nobody uses yet. */
  async holding<T>(ids: readonly string[], job: () => Promise<T>): Promise<T> {
    this.#held.push(...ids)
    try {
      return await job()
    } finally {
      for (const id of ids) this.#held.splice(this.#held.indexOf(id), 1)
    }
  }

  /**
   * Removes bundles that nobody uses, and what was interrupted; but for the fetch that was interrupted last, which goes
   * on where it was: an agent that comes back gets the share of before first.
   */
  async drop(kept: readonly string[]): Promise<void> {
    await this.#work.run(async () => {
      const used = await readlink(this.link).catch(() => undefined)
      const names = await readdir(this.#directory).catch(() => [])
      const last = await this.#lastFetch(names)
      for (const name of names) {
        const id = /^[0-9a-f]{64}/.exec(name)?.[0]
        if (id === undefined || id === used || name === last) continue
        if (!kept.includes(id) && !this.#held.includes(id)) await this.#remove(name)
      }
    })
  }

  /** Returns of these files that of the fetch that was interrupted last, unless that is long ago. */
  async #lastFetch(names: readonly string[]): Promise<string | undefined> {
    const parts = names.filter(name => name.endsWith('.part'))
    const found = await Promise.all(
      parts.map(async name => ({ name, at: (await stat(join(this.#directory, name))).mtimeMs }))
    )
    const [last] = found.sort((a, b) => b.at - a.at)
    return last && Date.now() - last.at < resumableMs ? last.name : undefined
  }

  #pathOf(id: string): string {
    return join(this.#directory, id)
  }

  async #known(id: string): Promise<Known> {
    const known = JSON.parse(await readFile(`${this.#pathOf(id)}.json`, 'utf8')) as Known
    return { ...known, files: checked(id, known.files) }
  }

  /**
   * Returns the files of a bundle that is here as it should be. After a crash of the machine they may not be what was
   * written.
   */
  async #sound(id: string): Promise<PackedFile[] | undefined> {
    const known = await this.#known(id).catch(() => undefined)
    if (!known || !(await stat(this.#pathOf(id)).catch(() => undefined))) return undefined
    const { files, boot } = known
    if (boot === bootId) return files
    for (const { path, sha256 } of files) {
      if ((await digestOf(join(this.#pathOf(id), path)).catch(() => undefined)) === sha256) continue
      await this.#remove(id)
      return undefined
    }
    await this.#note(id, files)
    return files
  }

  async #note(id: string, files: PackedFile[]): Promise<void> {
    await writeFileAtomically(`${this.#pathOf(id)}.json`, JSON.stringify({ files, boot: bootId } satisfies Known))
  }

  async #remove(name: string): Promise<void> {
    await rm(join(this.#directory, name), { recursive: true, force: true })
  }

  /** Fetches what lacks of a bundle's pack. */
  async #fetch(id: string, files: readonly PackedFile[], source: BundleSource): Promise<void> {
    const size = files.reduce((end, file) => Math.max(end, file.offset + file.size), 0)
    const pack = await open(`${this.#pathOf(id)}.part`, 'a')
    try {
      const { size: before } = await pack.stat()
      let at = before <= size ? before - (before % chunkBytes) : 0
      await pack.truncate(at)
      const coming: Promise<Buffer>[] = []
      for (let next = at; at < size;) {
        for (; coming.length < ahead && next < size; next += chunkBytes) {
          const chunk = source.chunk(id, next)
          chunk.catch(() => {})
          coming.push(chunk)
        }
        const wanted = Math.min(chunkBytes, size - at)
        const chunk = await coming.shift()!
        if (chunk.length !== wanted) throw damaged(id, `${chunk.length} bytes came instead of ${wanted}`)
        await pack.appendFile(chunk)
        at += chunk.length
      }
    } finally {
      await pack.close()
    }
  }

  /** Makes the directory of a bundle from its pack. */
  async #unpack(id: string, files: PackedFile[]): Promise<void> {
    const temporary = `${this.#pathOf(id)}.new`
    await rm(temporary, { recursive: true, force: true })
    const pack = await open(`${this.#pathOf(id)}.part`, 'r')
    try {
      await mkdir(temporary, { mode: 0o755 })
      for (const directory of new Set(files.map(({ path }) => dirname(path)))) {
        await mkdir(join(temporary, directory), { recursive: true, mode: 0o755 })
      }
      const slots = new Slots(writersMax)
      await Promise.all(
        files.map(async file => await slots.run(() => extract(id, pack, file, join(temporary, file.path))))
      )
    } catch (error) {
      // Fetched anew, should it have been damaged on its way.
      if (error instanceof AppError) await rm(`${this.#pathOf(id)}.part`, { force: true })
      await rm(temporary, { recursive: true, force: true })
      throw error
    } finally {
      await pack.close()
    }
    await rm(this.#pathOf(id), { recursive: true, force: true })
    await rename(temporary, this.#pathOf(id))
    await this.#note(id, files)
    await rm(`${this.#pathOf(id)}.part`, { force: true })
  }
}

const damaged = (id: string, problem: string) => new AppError('unavailable', `bundle ${id} is damaged: ${problem}`)

/**
 * Returns the files of a bundle. Throws an AppError when they are not those of its id, or could be written elsewhere.
 */
function checked(id: string, files: PackedFile[]): PackedFile[] {
  if (idOf(files) !== id) throw damaged(id, 'its files are others')
  if (files.some(({ path }) => entryPath(path) !== path)) throw damaged(id, 'it has a path that none may have')
  return files
}

/** Writes a file out of a pack. Throws an AppError when its content is another one. */
async function extract(
  id: string,
  pack: FileHandle,
  { path, offset, size, sha256, executable }: PackedFile,
  target: string
): Promise<void> {
  const hash = createHash('sha256')
  const file = await open(target, 'wx', 0o600)
  try {
    for (let done = 0; done < size;) {
      const length = Math.min(chunkBytes, size - done)
      const { buffer, bytesRead } = await pack.read({ buffer: Buffer.allocUnsafe(length), position: offset + done })
      if (bytesRead === 0) break
      const chunk = buffer.subarray(0, bytesRead)
      // The disk works meanwhile.
      const writing = file.appendFile(chunk)
      hash.update(chunk)
      await writing
      done += bytesRead
    }
  } finally {
    await file.close()
  }
  if (hash.digest('hex') !== sha256) throw damaged(id, `${path} has another content`)
  await chmod(target, executable ? 0o555 : 0o444)
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  const file = await open(path, 'r')
  for await (const chunk of file.createReadStream()) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
