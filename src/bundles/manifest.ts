import { createHash } from 'node:crypto'
import type { BundleDifference, BundleFile } from '../../schemas/bundles.js'
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

const isSame = (a: BundleFile, b: BundleFile) => a.sha256 === b.sha256 && a.executable === b.executable

/** Returns what is different between two bundles. */
export function differenceOf(
  before: readonly BundleFile[],
  after: readonly BundleFile[]
): Omit<BundleDifference, 'from' | 'to'> {
  const [old, now] = [before, after].map(files => new Map(files.map(file => [file.path, file]))) as [
    Map<string, BundleFile>,
    Map<string, BundleFile>
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
