import { execFileSync } from 'node:child_process'
import { constants } from 'node:fs'
import { access, chmod, chown, lchown, mkdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { Identity, identityIn } from '../agent/identity.js'
import { exitCodes, Failure } from '../client/failure.js'
import { writeFileAtomically } from '../util.js'
import { readSettings, type Settings } from './flags.js'

/** The settings of an agent that a package has installed, and the user that runs it. */
export const packaged = { config: '/etc/zeek-cluster/agent.yaml', user: 'zeek' }

/** What the command line may say of it. */
export interface PlaceOptions {
  config?: string | undefined
  stateDir?: string | undefined
  user?: string | undefined
}

/** Where things of the agent are, and whose they are to be. */
export interface AgentPlace {
  config: string
  isPackaged: boolean
  settings: Settings
  directory: string
  identity: Identity
  /** Gives a file to the user that runs the agent. */
  own: (path: string) => Promise<void>
}

/** Returns the place that options and environment name; its state directory is made. Throws a Failure. */
export async function placeOf(env: NodeJS.ProcessEnv, options: PlaceOptions): Promise<AgentPlace> {
  const isInstalled = options.stateDir === undefined && (await isThere(packaged.config))
  const given = options.config ?? (isInstalled ? packaged.config : undefined)
  const isPackaged = given !== undefined && resolve(given) === packaged.config
  const file = given !== undefined && (await isThere(given)) ? given : undefined
  const flags: Record<string, string> =
    options.stateDir === undefined ? {} : { 'management-state-dir': options.stateDir }
  const settings = readSettings({ file, flags, env })
  const directory = settings.management_state_dir
  const user = options.user ?? (isPackaged && process.getuid?.() === 0 ? packaged.user : undefined)
  const ids = user === undefined ? undefined : idsOf(user)
  const own = async (path: string) => {
    // In a directory of that user: whatever it puts in the place of a file, nothing else is given away.
    if (ids) await lchown(path, ids.uid, ids.gid)
  }
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await own(directory)
  const config = resolve(given ?? join(directory, 'agent.yaml'))
  return { config, isPackaged, settings, directory, identity: new Identity(identityIn(directory)), own }
}

export const isThere = async (path: string) =>
  await access(path, constants.R_OK).then(
    () => true,
    () => false
  )

function idsOf(user: string): { uid: number; gid: number } {
  const id = (what: string) => Number(execFileSync('id', [what, '--', user], { stdio: ['ignore', 'pipe', 'ignore'] }))
  try {
    return { uid: id('-u'), gid: id('-g') }
  } catch (error) {
    throw new Failure(exitCodes.usage, `--user: there is no user ${user}`, { cause: error })
  }
}

/** Writes settings into the file, in which all else stays as it is; undefined: the setting is taken out. */
export async function writeSettings(
  { config, own }: AgentPlace,
  settings: Partial<Record<keyof Settings, string | undefined>>
): Promise<void> {
  const before = await stat(config).catch(() => undefined)
  const document = parseDocument(before ? await readFile(config, 'utf8') : '# Written by "zeek-cluster join".\n')
  for (const [name, value] of Object.entries(settings)) {
    if (value !== undefined) document.set(name, value)
    else if (document.has(name)) document.delete(name)
  }
  await writeFileAtomically(config, String(document))
  if (!before) return await own(config)
  await chmod(config, before.mode & 0o7777)
  await chown(config, before.uid, before.gid)
}
