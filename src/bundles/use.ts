import { createHash } from 'node:crypto'
import type { BundleFile } from '../../schemas/bundles.js'
import type { ClusterNode } from '../../schemas/types.js'
import { groupBy } from '../util.js'
import { inOrder } from './manifest.js'

/** What nodes make of a bundle that is in a directory. */
export interface BundleUse {
  /** Where it is. */
  directory: string
  /** What nodes load of it, in this order. */
  loads: readonly string[]
  /** A digest of its plugins; undefined where it has none. */
  plugins: string | undefined
  /** Digests of what scripts may read while they are parsed, beside other scripts, by directory. */
  data: Readonly<Record<string, string>>
}

/** The site's own script, as `loads` names it. */
const localScript = 'local.zeek'
const script = /\.(zeek|bro)$/
const digestOf = (files: readonly BundleFile[]) =>
  createHash('sha256')
    .update(JSON.stringify(inOrder(files).map(({ path, executable, sha256 }) => [path, executable, sha256])))
    .digest('hex')

/** Returns what nodes make of a bundle with these files, in a directory. */
export function useOf(directory: string, files: readonly BundleFile[]): BundleUse {
  const paths = new Set(files.map(({ path }) => path))
  const plugins = files.filter(({ path }) => path.startsWith('plugins/'))
  const data = files.filter(({ path }) => /^(scripts|packages)\//.test(path) && !script.test(path))
  return {
    directory,
    loads: [...packagesOf(paths), ...(paths.has('scripts/local.zeek') ? [localScript] : [])],
    plugins: plugins.length === 0 ? undefined : digestOf(plugins),
    data: Object.fromEntries(
      [...groupBy(data, ({ path }) => placeOf(path))].map(([place, of]) => [place, digestOf(of)])
    )
  }
}

/** Returns what a node loads beside what comes with Zeek and with this program, in this order. */
export function loadsOf(node: Pick<ClusterNode, 'load_local' | 'scripts'>, bundle: BundleUse | undefined): string[] {
  const { load_local: loadsLocal = true, scripts = [] } = node
  return [...(bundle?.loads ?? []).filter(name => loadsLocal || name !== localScript), ...scripts]
}

/** Returns the names under which packages are loaded: of all together, where zkg has left that, else of each. */
function packagesOf(paths: ReadonlySet<string>): string[] {
  if (paths.has('packages/__load__.zeek')) return ['packages']
  if (paths.has('packages/packages.zeek')) return ['packages/packages.zeek']
  return [...paths].flatMap(path => /^(packages\/[^/]+)\/__load__\.zeek$/.exec(path)?.[1] ?? []).sort()
}

/** Returns whose a file is: of a package, or of the scripts. */
const placeOf = (path: string) => /^packages\/[^/]+/.exec(path)?.[0] ?? 'scripts'
