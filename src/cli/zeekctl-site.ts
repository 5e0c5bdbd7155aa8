import { randomUUID } from 'node:crypto'
import { cp, lstat, mkdir, readdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { nameExpected, namePattern } from '../../schemas/basics.js'
import { exitCodes, Failure } from '../client/failure.js'
import { messageOf } from '../errors.js'
import { localNetworksScript, readNetworksCfg, renderLocalNetworks } from '../formats/networks-cfg/networks-cfg.js'
import { firstOf } from '../formats/notes.js'
import { readZeekctlCfg, zeekctlDefaults, type ZeekctlCfg } from '../formats/zeekctl-cfg/zeekctl-cfg.js'
import { isLocal } from '../formats/zeekctl-cfg/zeekctl-files.js'
import { compare } from '../util.js'
import { clutter } from './bundle-archive.js'
import type { ForeignFile } from './configuration-file.js'

/** Returns the name that a bundle of a directory has: that of the directory. Throws a Failure when it cannot be one. */
export function bundleNameOf(directory: string): string {
  const name = basename(resolve(directory))
  if (new RegExp(namePattern).test(name)) return name
  throw new Failure(exitCodes.usage, `--bundle ${directory}: the name of the directory must be ${nameExpected}`)
}

/**
 * Makes a directory for a bundle of what ZeekControl has nodes load: the directories of SitePolicyPath as scripts/,
 * zkg's packages in them as packages/, Zeek's plugins as plugins/, and networks.cfg as a script. The files must be
 * right. Returns a line for each thing that was left out, or is different. Throws a Failure when there is something in
 * the directory; nothing of it is left where it cannot be made.
 */
export async function packSite({ file, beside }: ForeignFile, directory: string): Promise<string[]> {
  const target = resolve(directory)
  const { zeekctl } = beside.zeekctl === undefined ? { zeekctl: zeekctlDefaults } : readZeekctlCfg(beside.zeekctl)
  const { networks } = readNetworksCfg(beside.networks ?? '')
  let temporary: string | undefined
  try {
    await refuseFull(target)
    const places = placesOf(file, zeekctl)
    await mkdir(dirname(target), { recursive: true })
    await mkdir((temporary = `${target}.${randomUUID()}`))
    const packing = new Packing(temporary)
    if (!zeekctl.scripts.some(isLocal)) {
      packing.exclude('local.zeek', 'every node would load it of a bundle, and SitePolicyScripts does not name it')
    }
    if (networks.length > 0) packing.exclude(localNetworksScript, 'networks.cfg is a script of this name')
    for (const site of places.sites) await packing.addSite(site)
    for (const plugins of places.plugins) await packing.addPlugins(plugins)
    if (networks.length > 0) await packing.write(`scripts/${localNetworksScript}`, renderLocalNetworks(networks))
    await packing.examine()
    await rename(temporary, target)
    return packing.notes
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true })
    throw error instanceof Failure ? error : new Failure(exitCodes.usage, messageOf(error), { cause: error })
  }
}

async function refuseFull(target: string): Promise<void> {
  const held = await readdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  if (held.length > 0) throw new Failure(exitCodes.usage, `${target} is not empty: nothing of it is overwritten`)
}

/**
 * Returns where ZeekControl has what nodes load: by zeekctl.cfg, else where an installation with this node.cfg has it.
 */
function placesOf(nodeCfg: string, { get }: ZeekctlCfg): { sites: string[]; plugins: string[] } {
  const base = get('ZeekBase') ?? (nodeCfg === '-' ? undefined : dirname(dirname(resolve(nodeCfg))))
  const given = (name: string) =>
    get(name)
      ?.split(':')
      .filter(path => path !== '')
  const below = (...paths: string[]) => (base === undefined ? [] : paths.map(path => join(base, path)))
  const policy = given('PolicyDir') ?? below('share/zeek')
  const sites = given('SitePolicyPath') ?? policy.map(path => join(path, 'site'))
  if (sites.length === 0) {
    throw new Failure(exitCodes.usage, 'it is not known where ZeekControl is: zeekctl.cfg must have ZeekBase')
  }
  return { sites, plugins: given('PluginZeekDir') ?? below('lib/zeek/plugins', 'lib64/zeek/plugins') }
}

/** A directory for a bundle, while it is made. */
class Packing {
  readonly #directory: string
  /** Why scripts are not taken from the top of a site, by name. */
  readonly #excluded = new Map<string, string>()
  /** Where each entry at the top of the sites comes from: the first one counts, as in ZeekControl. */
  readonly #taken = new Map<string, string>()
  readonly #leftOut: { path: string; why: string }[] = []
  readonly #said: string[] = []

  constructor(directory: string) {
    this.#directory = directory
  }

  get notes(): string[] {
    const leftOut = this.#leftOut.toSorted((a, b) => compare(a.path, b.path))
    return [...firstOf(leftOut, ({ path, why }) => `left out: ${path}: ${why}`, 'files were left out'), ...this.#said]
  }

  exclude(name: string, why: string): void {
    this.#excluded.set(name, why)
  }

  /** Adds a directory of SitePolicyPath. */
  async addSite(site: string): Promise<void> {
    const packages = await realpath(join(site, 'packages')).catch(() => undefined)
    const names = await readdir(site).catch((error: Error) => {
      throw new Failure(exitCodes.usage, `${error.message}; zeekctl.cfg says by SitePolicyPath where scripts are`)
    })
    for (const name of names.sort()) {
      const [path, first] = [join(site, name), this.#taken.get(name)]
      const why = first === undefined ? this.#excluded.get(name) : `${first} comes first`
      this.#taken.set(name, first ?? path)
      const linked = packages === undefined ? undefined : await packageOf(packages, path)
      if (why !== undefined) this.#leftOut.push({ path, why })
      else if (name === 'packages') await this.#copy(path, 'packages')
      else if (linked === undefined || linked === '') await this.#copy(path, `scripts/${name}`)
      else {
        // A copy of the package would be another one for Zeek, which then defines all of it twice.
        await this.write(`scripts/${name}/__load__.zeek`, `# Made of a link of zkg.\n@load packages/${linked}\n`)
      }
    }
  }

  /** Adds a directory of plugins, if there is one, and a plugin in it. */
  async addPlugins(path: string): Promise<void> {
    if (!(await stat(path).catch(() => undefined))) return
    await this.#copy(path, 'plugins')
    const files = await readdir(join(this.#directory, 'plugins'), { recursive: true })
    if (files.some(name => basename(name) === '__zeek_plugin__')) {
      this.#said.push(`plugins are those of this host, ${path}: they are for the same Zeek on the same platform`)
    } else await rm(join(this.#directory, 'plugins'), { recursive: true })
  }

  async write(path: string, text: string): Promise<void> {
    const file = join(this.#directory, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
  }

  /** Looks at what it has become. Throws a Failure when that is nothing. */
  async examine(): Promise<void> {
    const parts = await readdir(this.#directory)
    if (parts.length === 0) throw new Failure(exitCodes.usage, 'ZeekControl has nothing that nodes load')
    const local = await readFile(join(this.#directory, 'scripts/local.zeek'), 'utf8').catch(() => '')
    if (parts.includes('packages') && !/^[ \t]*@load[ \t]+(\.\/)?packages\b/m.test(local)) {
      this.#said.push('every node loads what is in packages/ of a bundle; local.zeek does not load it')
    }
  }

  /** Copies a file or a directory, and what links in it lead to. */
  async #copy(from: string, to: string): Promise<void> {
    await mkdir(dirname(join(this.#directory, to)), { recursive: true })
    await cp(from, join(this.#directory, to), {
      recursive: true,
      dereference: true,
      filter: async path => {
        const why = await reasonAgainst(path, dirname(from))
        if (why !== undefined) this.#leftOut.push({ path, why })
        return why === undefined
      }
    })
  }
}

/** Returns why a file below a directory is not in a bundle of it; undefined where it is. */
async function reasonAgainst(path: string, top: string): Promise<string | undefined> {
  if (clutter.test(basename(path))) return 'it is what tools leave'
  const found = await stat(path).catch(() => undefined)
  if (!found) return 'a link to nothing'
  if (!found.isFile() && !found.isDirectory()) return 'neither a file nor a directory'
  if (found.isFile() || !(await lstat(path)).isSymbolicLink()) return undefined
  for (let above = dirname(path); above.length >= top.length; above = dirname(above)) {
    if ((await partOf(await realpath(path), above)) !== undefined) return 'a link to a directory that it is in'
  }
}

/** Returns the directory of a package that a path is a link to, as zkg makes one. */
async function packageOf(packages: string, path: string): Promise<string | undefined> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true ? await partOf(packages, path) : undefined
}

/** Returns the path below a directory of what a path leads to; undefined where that is elsewhere. */
async function partOf(directory: string, path: string): Promise<string | undefined> {
  const real = await realpath(path).catch(() => '')
  return real === directory || real.startsWith(`${directory}${sep}`) ? relative(directory, real) : undefined
}
