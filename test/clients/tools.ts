import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { packageRoot } from '../../src/util.js'
import { onPath, sh } from './shell.js'

/** What generators are run with: installed once, outside the repository, and found there by the next run. */
export interface Tool {
  name: string
  /** Programs that the machine must have. */
  needs: readonly string[]
  /** Files of this directory that are copied into the tool's. */
  files?: readonly string[]
  /** Commands that install it into the current directory. */
  install: string
  /** Where its programs are then. */
  bin?: string
}

export type Installed = { directory: string; bin: string } | { missing: string }

const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'zeek-cluster-clients')

/**
 * Installs tools, all of them in at most so many seconds. What cannot be installed is no fault of ours: it is missing.
 */
export class Toolbox {
  readonly #end: number
  readonly #tools = new Map<Tool, Promise<Installed>>()

  constructor(seconds: number) {
    this.#end = Date.now() + seconds * 1000
  }

  get(tool: Tool): Promise<Installed> {
    const known = this.#tools.get(tool) ?? this.#install(tool)
    this.#tools.set(tool, known)
    return known
  }

  async #install({ name, needs, files = [], install, bin = 'bin' }: Tool): Promise<Installed> {
    const absent = needs.filter(program => !onPath(program))
    if (absent.length > 0) return { missing: `${absent.join(', ')} not found` }
    const contents = await Promise.all(files.map(file => readFile(here(file))))
    const version = createHash('sha256')
      .update([install, ...contents].join('\0'))
      .digest('hex')
    const directory = join(cache, `${name}-${version.slice(0, 12)}`)
    const installed = { directory, bin: join(directory, bin) }
    const ready = join(directory, '.ready')
    if (existsSync(ready)) return installed
    // Left by an installation that was broken off.
    await rm(directory, { recursive: true, force: true })
    await mkdir(directory, { recursive: true })
    for (const file of files) await copyFile(here(file), join(directory, file.split('/').at(-1)!))
    const { code, output } = await sh(install, { cwd: directory, seconds: (this.#end - Date.now()) / 1000 })
    if (code !== 0) return { missing: `${name} cannot be installed (${code}): ${output.trim().split('\n').at(-1)}` }
    await writeFile(ready, '')
    return installed
  }
}

/** A file of this directory. It is not compiled. */
export const here = (...path: string[]) => join(packageRoot, 'test', 'clients', ...path)

/** The environment in which tools are found before what else the machine has. */
export const withTools = (bins: readonly string[]): NodeJS.ProcessEnv => ({
  PATH: [...bins, process.env['PATH']].join(delimiter)
})
