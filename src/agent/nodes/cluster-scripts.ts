import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Share } from '../../../schemas/agent.js'
import { packageRoot, writeFileAtomically } from '../../util.js'
import { defaultsScript, nodeScript } from '../../zeek/command.js'
import { layoutFile } from '../../zeek/layout.js'
import { layoutOf } from './zeek-program.js'

/**
 * Writes into a directory, the first of ZEEKPATH, what all nodes of a share load: our scripts, and the layout of their
 * cluster.
 */
export async function writeClusterScripts(directory: string, share: Share): Promise<void> {
  await mkdir(directory, { recursive: true })
  for (const script of [nodeScript, defaultsScript]) {
    await copyFile(join(packageRoot, 'src', 'zeek', script), join(directory, script))
  }
  await writeFileAtomically(join(directory, layoutFile), layoutOf(share))
}
