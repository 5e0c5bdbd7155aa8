import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { dirname, isAbsolute, resolve } from 'node:path'

/** Where a node's zeek looks for scripts. */
export interface ScriptPlace {
  /** The node's working directory. */
  cwd: string
  /** Its ZEEKPATH. */
  zeekPath: string
}

/** A script as it is on disk. */
export interface Script {
  digest: string
  /** The names of the scripts that it loads in turn, as written; also where an `@if` decides. */
  loads: readonly string[]
  /** Whether an `@if` asks which node this is, so that nodes of one role may parse different scripts. */
  asksForName: boolean
}

/** Maximum number of files of one node. */
const maxFiles = 1000
/** Nobody writes a longer script; for a longer file, size and time must suffice. */
const maxBytes = 16 * 1024 * 1024

const loading = /^[ \t]*@load[ \t]+([^\s;#]+)/gm
/** Matches from `@if` to the end of the line on which its parenthesis closes. */
const condition = /^[ \t]*@if\b([^]{0,2000}?)\)[ \t]*(?:#.*)?$/gm
const ownName = /\bCluster::node\b|CLUSTER_NODE|\blocal_node_metrics_port\b/
/** Matches a directory of ZEEKPATH, or the beginning of a name, whose scripts come with Zeek. */
const shippedDirectory = /\/(?:policy|builtin-plugins)\/?$/
const shippedName = /^(?:base|policy)\//

/** The files of scripts, found as Zeek finds them. A file is read again only when it has changed. */
export class ScriptFiles {
  #known = new Map<string, { stamp: string; script: Script }>()

  /**
   * Returns the scripts of a node by path: the named ones, as far as they exist, and what they load. Scripts that come
   * with Zeek are left out unless they are named: they change with its executable. `without`: paths of scripts that are
   * not loaded, whoever names them.
   */
  async find(
    names: readonly string[],
    place: ScriptPlace,
    without: ReadonlySet<string> = new Set()
  ): Promise<Map<string, Script>> {
    const found = new Map<string, Script>()
    const load = async (name: string, beside: string, isNamed: boolean) => {
      const path = await this.#locate(name, beside, place, isNamed)
      if (path === undefined || found.has(path) || without.has(path) || found.size >= maxFiles) return
      const script = await this.read(path)
      if (!script) return
      found.set(path, script)
      for (const next of script.loads) await load(next, dirname(path), false)
    }
    for (const name of names) await load(name, place.cwd, true)
    return found
  }

  /** Reads a script. Undefined when there is no such file, or it cannot be read. */
  async read(path: string): Promise<Script | undefined> {
    try {
      const { size, mtimeMs, ctimeMs, ino } = await stat(path)
      const stamp = [size, mtimeMs, ctimeMs, ino].join(' ')
      const known = this.#known.get(path)
      if (known?.stamp === stamp) return known.script
      const script =
        size > maxBytes ? { digest: `${size} ${mtimeMs}`, loads: [], asksForName: false } : parse(await readFile(path))
      this.#known.set(path, { stamp, script })
      return script
    } catch {
      this.#known.delete(path)
      return undefined
    }
  }

  /**
   * Finds a script by name. A name that begins with a dot is looked for beside the script that loads it, any other
   * along ZEEKPATH.
   */
  async #locate(
    name: string,
    beside: string,
    { cwd, zeekPath }: ScriptPlace,
    isNamed: boolean
  ): Promise<string | undefined> {
    if (isAbsolute(name)) return await fileAt(name)
    if (name.startsWith('.')) {
      return (await fileAt(`${resolve(beside, name)}.zeek`)) ?? (await fileAt(resolve(beside, name)))
    }
    for (const directory of zeekPath.split(':')) {
      const path = resolve(cwd, directory, name)
      const file = (await fileAt(`${path}.zeek`)) ?? (await fileAt(path))
      if (file !== undefined) {
        return !isNamed && (shippedDirectory.test(directory) || shippedName.test(name)) ? undefined : file
      }
    }
  }
}

/** Returns the path of the script at a path: for a directory its __load__.zeek. */
async function fileAt(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isFile()) return path
  return found?.isDirectory() && !path.endsWith('__load__.zeek') ? await fileAt(`${path}/__load__.zeek`) : undefined
}

function parse(content: Buffer): Script {
  const text = content.toString()
  return {
    digest: createHash('sha256').update(content).digest('hex'),
    loads: [...text.matchAll(loading)].map(([, name]) => name!),
    asksForName: [...text.matchAll(condition)].some(([, asked]) => ownName.test(asked!))
  }
}
