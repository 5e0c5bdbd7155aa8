import { execFileSync } from 'node:child_process'
import { constants, type Stats } from 'node:fs'
import { access, mkdir, open } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { Identity, identityIn } from '../agent/identity.js'
import { exitCodes, Failure } from '../client/failure.js'
import { writeFileAtomically, type Ownership } from '../util.js'
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
  /** The user that runs the agent, to whom its files are given; undefined for whoever runs this. */
  owner: Ownership | undefined
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
  const owner = user === undefined ? undefined : idsOf(user)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  if (owner) await giveDirectory(directory, owner)
  const config = resolve(given ?? join(directory, 'agent.yaml'))
  return { config, isPackaged, settings, directory, identity: new Identity(identityIn(directory)), owner }
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

// The state directory is that of a user who may be another one, and this may be run by root: what is in the place of a
// file there need not be one. So each is opened once, through no link, and all else is done with what was opened.
const reading = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

async function giveDirectory(path: string, { uid, gid }: Ownership): Promise<void> {
  const directory = await open(path, reading | constants.O_DIRECTORY).catch(error => {
    throw new Failure(exitCodes.usage, `${path} is no directory, but perhaps a link: name it itself`, { cause: error })
  })
  await directory.chown(uid, gid).finally(() => directory.close())
}

/** Returns a file with what is known of it; undefined where there is none. Throws a Failure for what is no file. */
export async function readUnlinked(path: string): Promise<{ text: string; stats: Stats } | undefined> {
  const refuse = (cause?: unknown) =>
    new Failure(exitCodes.usage, `${path} is not read: it is a link, or no file`, { cause })
  const file = await open(path, reading).catch(error => {
    if (error.code === 'ENOENT') return undefined
    throw error.code === 'ELOOP' || error.code === 'ENXIO' ? refuse(error) : error
  })
  if (!file) return undefined
  try {
    const stats = await file.stat()
    if (!stats.isFile()) throw refuse()
    return { text: await file.readFile('utf8'), stats }
  } finally {
    await file.close()
  }
}

/** Writes settings into the file, in which all else stays as it is; undefined: the setting is taken out. */
export async function writeSettings(
  { config, owner }: AgentPlace,
  settings: Partial<Record<keyof Settings, string | undefined>>
): Promise<void> {
  const before = await readUnlinked(config)
  const document = parseDocument(before?.text ?? '# Written by "zeek-cluster join".\n')
  for (const [name, value] of Object.entries(settings)) {
    if (value !== undefined) document.set(name, value)
    else if (document.has(name)) document.delete(name)
  }
  const as = before ? { uid: before.stats.uid, gid: before.stats.gid, mode: before.stats.mode & 0o777 } : owner
  await writeFileAtomically(config, String(document), as)
}
