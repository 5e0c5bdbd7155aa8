import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { leftoversMax, type Leftover } from '../../../schemas/operations.js'
import { messageOf } from '../../errors.js'
import { compare } from '../../util.js'

/** What the directory of a node has in any case, or is of no use without the node. */
const ours = /^((stdout|stderr)(\.\d+)?|runs\.json|channel|core(\.[^/]*)?|\.(status|pid))$/

/**
 * Returns the directories of nodes that are not among these, sorted; with `remove` they are removed. One that holds
 * anything else than this program and Zeek leave there, such as a log that was not archived, is kept.
 */
export async function cleanUp(directory: string, names: ReadonlySet<string>, remove: boolean): Promise<Leftover[]> {
  const found = await readdir(directory, { withFileTypes: true }).catch(() => [])
  const left = found
    .filter(entry => entry.isDirectory() && !names.has(entry.name))
    .map(({ name }) => join(directory, name))
    .sort(compare)
    .slice(0, leftoversMax)
  const leftovers: Leftover[] = []
  for (const path of left) {
    const entries = await readdir(path).catch(() => [])
    const others = entries.filter(name => !ours.test(name)).sort(compare)
    const of = { path, size_bytes: await sizeOf(path) }
    if (others.length > 0) {
      const [first, ...more] = others
      const kept = `it holds ${first}${more.length > 0 ? ` and ${more.length} more` : ''}`
      leftovers.push({ ...of, removed: false, kept })
      continue
    }
    try {
      if (remove) await rm(path, { recursive: true, force: true })
      leftovers.push({ ...of, removed: remove })
    } catch (error) {
      leftovers.push({ ...of, removed: false, kept: `it cannot be removed: ${messageOf(error)}` })
    }
  }
  return leftovers
}

/** Returns the size of all files below a directory, in bytes. What vanishes meanwhile does not count. */
async function sizeOf(directory: string): Promise<number> {
  const names = await readdir(directory, { recursive: true }).catch(() => [])
  const sizes = await Promise.all(
    names.map(async name => {
      const found = await lstat(join(directory, name)).catch(() => undefined)
      return found?.isFile() === true ? found.size : 0
    })
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
