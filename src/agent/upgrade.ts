import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Release } from '../../schemas/upgrades.js'
import { AppError, messageOf } from '../errors.js'
import { runGroup } from '../run-group.js'
import { readRelease, type Upgrades } from '../upgrades.js'
import type { BundleSource, Content } from './content.js'

/** How long a release may take to say its version, in milliseconds. */
const versionMs = 60_000
/** How much is told of what it has said instead, in characters. */
const saidMax = 1000

/** What releases must be made for that they run here. */
export const platform = `${process.platform}-${process.arch}`

export interface UpgradeContext {
  content: Content
  /** Undefined where no launcher has started this process. */
  upgrades: Upgrades | undefined
  source: BundleSource
  signal: AbortSignal
}

/**
 * Gets a release, and has the next start of this host's service try it. Resolves with whether that has to start now: it
 * runs already, otherwise. Throws an AppError that says why it cannot run here; then all stays as it is.
 */
export async function prepareUpgrade(
  bundle: string,
  { content, upgrades, source, signal }: UpgradeContext
): Promise<boolean> {
  if (!upgrades) {
    throw new AppError('conflict', 'it was not started by the launcher of a package: upgrade it on its host')
  }
  if (await upgrades.isCurrent(bundle)) return false
  return await content.holding([bundle], async () => {
    await content.ensure(bundle, source)
    const { directory } = await content.look(bundle)
    const release = readRelease(
      await readFile(join(directory, 'program/release.json'), 'utf8').catch((error: unknown) => messageOf(error))
    )
    if (release.platform !== platform) {
      throw new AppError('conflict', `the release is for ${release.platform}, and this host is ${platform}`)
    }
    const program = await upgrades.add(bundle, directory)
    try {
      await refuseOther(release, program, signal)
    } catch (error) {
      await upgrades.remove(bundle)
      throw error
    }
    await upgrades.setNext(bundle)
    return true
  })
}

/** Throws an AppError when a release does not run here, or is another one than it says. */
async function refuseOther({ version }: Release, program: string, signal: AbortSignal): Promise<void> {
  const command = [join(program, 'bin/node'), join(program, 'dist/src/main.js'), '--version']
  const end = await runGroup(command, {
    cwd: program,
    env: { PATH: '/usr/bin:/bin' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeoutMs: versionMs,
    maxOutput: saidMax,
    signal
  }).catch((error: unknown) => {
    throw new AppError('conflict', `the release does not run here: ${messageOf(error)}`, { cause: error })
  })
  const said = end.output.trim()
  if (end.givenUp !== undefined) {
    throw new AppError('conflict', `the release does not say its version within ${versionMs / 1000} seconds`)
  }
  if (end.code !== 0) {
    throw new AppError('conflict', `the release does not run here: ${said || `it ends with ${end.code ?? end.by}`}`)
  }
  if (said !== version) {
    throw new AppError('conflict', `the release says that it is ${version}, and runs as ${said}`)
  }
}
