import { createHash } from 'node:crypto'
import type { BundleFile } from '../../schemas/bundles.js'
import { compare } from '../util.js'

/** Returns the files of a bundle in the order in which they make its id: by path. */
export const inOrder = <F extends BundleFile>(files: Iterable<F>): F[] =>
  [...files].sort((a, b) => compare(a.path, b.path))

/** Returns the id of a bundle: the same for the same files, whatever archive they came in. */
export function idOf(files: readonly BundleFile[]): string {
  const hash = createHash('sha256')
  for (const { path, executable, size, sha256 } of inOrder(files)) {
    hash.update(`${executable ? 755 : 644} ${sha256} ${size} ${path}\n`)
  }
  return hash.digest('hex')
}

/** Files that only the later of two bundles has, only the earlier one, and both, with another content or mode. */
export interface ManifestDifference<F extends BundleFile> {
  added: F[]
  removed: F[]
  changed: { before: F; after: F }[]
}

const isSame = (a: BundleFile, b: BundleFile) => a.sha256 === b.sha256 && a.executable === b.executable

/** Returns what is different between two bundles. */
export function differenceOf<F extends BundleFile>(before: readonly F[], after: readonly F[]): ManifestDifference<F> {
  const [old, now] = [before, after].map(files => new Map(files.map(file => [file.path, file]))) as [
    Map<string, F>,
    Map<string, F>
  ]
  return {
    added: inOrder(after.filter(({ path }) => !old.has(path))),
    removed: inOrder(before.filter(({ path }) => !now.has(path))),
    changed: inOrder(after).flatMap(file => {
      const earlier = old.get(file.path)
      return earlier === undefined || isSame(earlier, file) ? [] : [{ before: earlier, after: file }]
    })
  }
}
