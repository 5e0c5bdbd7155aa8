import { openAsBlob } from 'node:fs'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundleParts } from '../../schemas/bundles.js'
import { exitCodes, Failure } from '../client/failure.js'
import { messageOf } from '../errors.js'

export interface BundleArchive {
  body: Blob
  /** What is in the directory and not in the archive. */
  leftOut: readonly string[]
  /** Removes what was made for it. */
  close: () => Promise<void>
}

/** What tools leave, and nobody wants to have on every host. */
export const clutter = /^(\.git|\.svn|\.DS_Store|\._.*|__pycache__|.*~|\..*\.swp)$/

/**
 * Returns an archive of a directory, or a file that is one already. Throws a Failure that names what cannot be read.
 */
export async function archiveOf(path: string): Promise<BundleArchive> {
  try {
    const found = await stat(path)
    if (!found.isDirectory()) return { body: await openAsBlob(path), leftOut: [], close: async () => {} }
    return await packed(path)
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure(exitCodes.usage, messageOf(error), { cause: error })
  }
}

async function packed(directory: string): Promise<BundleArchive> {
  const names = (await readdir(directory)).filter(name => !clutter.test(name)).sort()
  const parts = names.filter(name => Object.hasOwn(bundleParts, name))
  const others = names.filter(name => !parts.includes(name))
  // Without scripts/ it is one of scripts, as the site/ of ZeekControl.
  const scripts = parts.includes('scripts') ? [] : others
  if (parts.length + scripts.length === 0) throw new Failure(exitCodes.usage, `${directory} holds nothing for a bundle`)
  const temporary = await mkdtemp(join(tmpdir(), 'zeek-cluster-'))
  const close = async () => await rm(temporary, { recursive: true, force: true })
  try {
    const { create, replace } = await import('tar')
    const file = join(temporary, 'bundle.tar')
    const how = {
      file,
      cwd: directory,
      follow: true,
      portable: true,
      strict: true,
      filter: (path: string) => !path.split('/').some(name => clutter.test(name))
    }
    if (scripts.length > 0) await create({ ...how, prefix: 'scripts' }, scripts.map(pathOf))
    if (parts.length > 0) await (scripts.length > 0 ? replace : create)(how, parts.map(pathOf))
    return { body: await openAsBlob(file), leftOut: scripts.length > 0 ? [] : others, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** tar takes a name that begins with @ for an archive. */
const pathOf = (name: string) => `./${name}`
