import { existsSync, realpathSync } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Release, releaseFile } from '../schemas/upgrades.js'
import { checker } from '../schemas/validator.js'
import { AppError, invalid, messageOf } from './errors.js'
import { packageRoot, Sequence, Slots, syncDirectory, writeFileAtomically } from './util.js'

/** Files that are written at a time. */
const writersMax = 8

const checkRelease = checker(Release, invalid, 'drop')

/** What an upgrade has come to that was given up, or was never tried. */
export interface FailedUpgrade {
  bundle: string
  error: string
}

/** Returns what a release says of itself. Throws an AppError when it is none. */
export function readRelease(text: string): Release {
  try {
    return checkRelease(JSON.parse(text), releaseFile)
  } catch (error) {
    throw new AppError('invalid_request', `it is no release of zeek-cluster: ${messageOf(error)}`, { cause: error })
  }
}

/** Files of the directory: each names a release in its first line, and in the second what was installed then. */
type Marker = 'next' | 'trying' | 'current' | 'failed'

/**
 * The releases that the service of this process was upgraded to, beside the one that is installed, as its launcher
 * (`packaging/zeek-cluster`) finds them. Each is a directory with the id of its bundle. `next` is to be tried at the
 * next start. It becomes `trying` then and, once it has proved itself, `current`; if the start after that finds it
 * still `trying`, it becomes `failed`, and what was current runs again. In `failed`, a third line says why.
 */
export class Upgrades {
  readonly #directory: string
  readonly #installed: string
  #work = new Sequence()

  private constructor(directory: string, installed: string) {
    this.#directory = directory
    this.#installed = installed
  }

  /** Returns those of a process; undefined where no launcher has started it, which could start something else. */
  static of({
    ZEEK_CLUSTER_UPGRADES: directory,
    ZEEK_CLUSTER_INSTALLED: installed
  }: NodeJS.ProcessEnv): Upgrades | undefined {
    return directory && installed ? new Upgrades(directory, installed) : undefined
  }

  /** Returns whether this process runs a release that has not proved itself yet. */
  async isTrying(): Promise<boolean> {
    return await this.#isRunning('trying')
  }

  /** Returns whether this process runs that release, and it has proved itself. */
  async isCurrent(bundle: string): Promise<boolean> {
    return await this.#isRunning('current', bundle)
  }

  /** Returns what the last upgrade has failed of; undefined after one that has not. */
  async failed(): Promise<FailedUpgrade | undefined> {
    const [bundle, , error] = await this.#read('failed')
    return bundle === undefined ? undefined : { bundle, error: error || 'it ended before a controller had accepted it' }
  }

  /**
   * Puts a release beside the others, from the directory of its bundle, beyond a crash of the machine. Returns where it
   * is: there it can be looked at before it is tried.
   */
  add(bundle: string, from: string): Promise<string> {
    return this.#work.run(async () => {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 })
      const [place, temporary] = [this.#pathOf(bundle), `${this.#pathOf(bundle)}.new`]
      for (const old of [place, temporary]) await rm(old, { recursive: true, force: true })
      await copyTree(join(from, 'program'), join(temporary, 'program'))
      await rename(temporary, place)
      await syncDirectory(this.#directory)
      return join(place, 'program')
    })
  }

  /** Removes a release that is not to be tried. */
  async remove(bundle: string): Promise<void> {
    await rm(this.#pathOf(bundle), { recursive: true, force: true })
  }

  /** Has the next start try a release. */
  async setNext(bundle: string): Promise<void> {
    await rm(join(this.#directory, 'failed'), { force: true })
    await this.#write('next', bundle)
  }

  /** Notes why the release that is tried fails. The next start gives it up. */
  async fail(why: string): Promise<void> {
    const [bundle] = await this.#read('trying')
    if (bundle !== undefined) await this.#write('trying', bundle, why)
  }

  /** Gives up what no start has tried, as the process that was to end for it has not come so far. */
  async forgetNext(): Promise<void> {
    const [bundle] = await this.#read('next')
    if (bundle === undefined) return
    await this.#write('failed', bundle, 'it was not tried when the service was started')
    await rm(join(this.#directory, 'next'), { force: true })
  }

  /** Notes that what runs has proved itself: it is current from now on, and others are removed. */
  confirm(): Promise<void> {
    return this.#work.run(async () => {
      if (!existsSync(this.#directory)) return
      if (await this.isTrying()) {
        await rename(join(this.#directory, 'trying'), join(this.#directory, 'current'))
        await syncDirectory(this.#directory)
        await rm(join(this.#directory, 'failed'), { force: true })
      } else if (!(await this.#isRunning('current'))) {
        // What is installed was replaced since, and runs instead.
        await rm(join(this.#directory, 'current'), { force: true })
      }
      const [current] = await this.#read('current')
      for (const name of await readdir(this.#directory)) {
        if (/^[0-9a-f]{64}/.test(name) && name !== current) await rm(join(this.#directory, name), { recursive: true })
      }
    })
  }

  #pathOf(bundle: string): string {
    return join(this.#directory, bundle)
  }

  async #isRunning(marker: Marker, bundle?: string): Promise<boolean> {
    const [named] = await this.#read(marker)
    if (named === undefined || (bundle !== undefined && named !== bundle)) return false
    try {
      return realpathSync(join(this.#pathOf(named), 'program')) === packageRoot
    } catch {
      return false
    }
  }

  async #read(marker: Marker): Promise<(string | undefined)[]> {
    return await readFile(join(this.#directory, marker), 'utf8').then(
      text => text.split('\n'),
      () => []
    )
  }

  async #write(marker: Marker, bundle: string, why?: string): Promise<void> {
    const lines = [bundle, this.#installed, ...(why === undefined ? [] : [why.replace(/\s+/g, ' ')])]
    await writeFileAtomically(join(this.#directory, marker), `${lines.join('\n')}\n`)
  }
}

/** Copies a directory, by links where that is possible, and has the disk hold what it holds. */
async function copyTree(from: string, to: string, slots = new Slots(writersMax)): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o700 })
  const entries = await readdir(from, { withFileTypes: true })
  await Promise.all(
    entries.map(async entry => {
      const [source, target] = [join(from, entry.name), join(to, entry.name)]
      if (entry.isDirectory()) return await copyTree(source, target, slots)
      await slots.run(async () => {
        await link(source, target).catch(async () => await copyFile(source, target))
        const file = await open(target, 'r')
        await file.sync().finally(() => file.close())
      })
    })
  )
  await syncDirectory(to)
}
