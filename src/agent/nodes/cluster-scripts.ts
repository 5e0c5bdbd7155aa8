import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Share } from '../../../schemas/agent.js'
import { packageRoot, writeFileAtomically } from '../../util.js'
import { ourScripts } from '../../zeek/command.js'
import { layoutFile } from '../../zeek/layout.js'
import { hasOptions, optionsDirectory, optionsScript, renderOptions } from '../../zeek/options.js'
import { layoutOf } from './zeek-program.js'

/**
 * Writes into a directory, the first of ZEEKPATH, what the nodes of a share load: our scripts, the layout of their
 * cluster, and the options of each.
 */
export async function writeClusterScripts(directory: string, share: Share): Promise<void> {
  for (const script of ourScripts) {
    await writeFileAtomically(join(directory, script), await readFile(join(packageRoot, 'src', 'zeek', script), 'utf8'))
  }
  await writeFileAtomically(join(directory, layoutFile), layoutOf(share))
  for (const { name, options } of share.nodes.filter(hasOptions)) {
    await writeFileAtomically(join(directory, optionsScript(name)), renderOptions(options))
  }
}

/**
 * Removes the options of nodes that have none in a share, or are not in it: they may be secret. Call it when these
 * nodes do not run.
 */
export async function removeOldOptions(scripts: string, { nodes }: Pick<Share, 'nodes'>): Promise<void> {
  const directory = join(scripts, optionsDirectory)
  const kept = new Set(nodes.filter(hasOptions).map(({ name }) => name))
  const written = await readdir(directory).catch(error => {
    if (error.code !== 'ENOENT') throw error
    return []
  })
  for (const name of written.filter(name => !kept.has(name))) {
    await rm(join(directory, name), { recursive: true, force: true })
  }
}
