import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, messageOf } from '../errors.js'
import type { Files } from '../replication/log.js'

/** What a pack's name begins with among the files that several controllers share. */
const prefix = 'bundle-'

/**
 * The files that hold the contents of bundles: those of this machine and, of one of several controllers, those that all
 * share. What others have brought is fetched when it is first needed.
 */
export class Packs {
  readonly directory: string
  #shared: () => Files | undefined
  #fetching = new Map<string, Promise<void>>()

  /**
   * `shared`: returns the files of all controllers, as soon as they can be reached; undefined for one that is alone.
   */
  constructor(directory: string, shared?: () => Files | undefined) {
    this.directory = directory
    this.#shared = shared ?? (() => undefined)
  }

  /** Removes all but these, which may be what an upload has left that did not end. */
  async keepOnly(packs: ReadonlySet<string>): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 })
    for (const file of await readdir(this.directory)) {
      if (!packs.has(file) && !this.#fetching.has(file.replace(/\.part$/, ''))) await this.#removeHere(file)
    }
  }

  /** Removes all but these from what all share. Only the controller that leads knows which these are. */
  async shareOnly(packs: ReadonlySet<string>): Promise<void> {
    for (const name of (await this.#shared()?.names(prefix)) ?? []) {
      if (!packs.has(name.slice(prefix.length))) await this.#shared()?.delete(name)
    }
  }

  /** Returns a name that no pack has, and its path. */
  create(): { pack: string; path: string } {
    const pack = `${randomUUID()}.pack`
    return { pack, path: this.#pathOf(pack) }
  }

  /** Gives a pack to all. Resolves once none of them can lose it. */
  async share(pack: string): Promise<void> {
    await this.#shared()?.put(prefix + pack, this.#pathOf(pack))
  }

  /** Returns the path of a pack that is on this machine, or is fetched now. Throws `unavailable` when nobody has it. */
  async path(pack: string): Promise<string> {
    const path = this.#pathOf(pack)
    if (existsSync(path)) return path
    let fetching = this.#fetching.get(pack)
    if (!fetching) {
      fetching = this.#fetch(pack, path).finally(() => this.#fetching.delete(pack))
      this.#fetching.set(pack, fetching)
    }
    await fetching
    return path
  }

  /** Returns whether a pack is gone: who restores a backup may have only the database. */
  async isLost(pack: string): Promise<boolean> {
    return await this.path(pack).then(
      () => false,
      () => true
    )
  }

  async remove(pack: string): Promise<void> {
    await this.#removeHere(pack)
    // What stays is removed by the next that leads.
    await this.#shared()
      ?.delete(prefix + pack)
      .catch(() => {})
  }

  async #removeHere(pack: string): Promise<void> {
    await rm(this.#pathOf(pack), { recursive: true, force: true })
  }

  async #fetch(pack: string, path: string): Promise<void> {
    const shared = this.#shared()
    const lacks = (why: string) => new AppError('unavailable', `the content of the bundle is not here: ${why}`)
    if (!shared) throw lacks(`there is no ${path}`)
    try {
      await mkdir(this.directory, { recursive: true, mode: 0o700 })
      if (await shared.get(prefix + pack, path)) return
    } catch (error) {
      throw lacks(messageOf(error))
    }
    throw lacks('no other controller has it, either')
  }

  #pathOf(pack: string): string {
    return join(this.directory, pack)
  }
}
