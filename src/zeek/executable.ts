import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { delimiter, resolve } from 'node:path'
import { promisify } from 'node:util'
import { AppError, messageOf } from '../errors.js'
import { refusalOf } from '../permission.js'

const run = promisify(execFile)

/** A zeek that can be run. */
export interface Executable {
  path: string
  version: string
  /** Zeek's search path for scripts. */
  zeekPath: string
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK)
    .then(async () => (await stat(path)).isFile())
    .catch(() => false)
}

/** Returns the path of an executable: `name` is either a path, or looked for along `searchPath`. */
export async function findExecutable(name: string, searchPath: string): Promise<string | undefined> {
  if (name.includes('/')) return (await isExecutable(name)) ? resolve(name) : undefined
  for (const directory of searchPath.split(delimiter)) {
    const path = resolve(directory, name)
    if (directory !== '' && (await isExecutable(path))) return path
  }
}

/** Returns size and time of a file, following links: another stamp means another file. Undefined when there is none. */
export async function stampOf(path: string): Promise<string | undefined> {
  return await stat(path).then(
    ({ size, mtimeMs }) => `${size} ${mtimeMs}`,
    () => undefined
  )
}

/** The last result for each zeek, by its path, with the stamp and search path for which it is valid. */
const answers = new Map<string, { asked: string; zeek: Promise<Executable> }>()

/**
 * Finds zeek and runs it to learn its version and search path, once for as long as its file and the search path of
 * `env` stay the same. `name` is a path or a name along `env.PATH`. Throws `unavailable`, with a text for the operator,
 * when there is none or it does not answer.
 */
export async function findZeek(name: string, env: NodeJS.ProcessEnv): Promise<Executable> {
  const path = await findExecutable(name, env.PATH ?? '')
  if (!path && !name.includes('/')) throw new AppError('unavailable', `${name} was not found on the PATH; set ZEEK_BIN`)
  if (!path) {
    const why = await access(name, constants.X_OK).then(() => undefined, refusalOf)
    throw new AppError('unavailable', `${name} is not an executable (ZEEK_BIN)${why === undefined ? '' : `: ${why}`}`)
  }
  const asked = `${await stampOf(path)} ${env.ZEEKPATH ?? ''}`
  const known = answers.get(path)
  if (known?.asked === asked) return await known.zeek
  const zeek = askZeek(path, env)
  answers.set(path, { asked, zeek })
  // A failed attempt is repeated next time.
  zeek.catch(() => {
    if (answers.get(path)?.zeek === zeek) answers.delete(path)
  })
  return await zeek
}

async function askZeek(path: string, env: NodeJS.ProcessEnv): Promise<Executable> {
  try {
    const [version, help] = await Promise.all(
      ['--version', '--help'].map(flag => run(path, [flag], { env, timeout: 30_000, maxBuffer: 1 << 20 }))
    )
    const zeekPath = /\$ZEEKPATH\s*\|[^(]*\((.*)\)/.exec(help!.stdout + help!.stderr)?.[1]
    if (zeekPath === undefined) throw new Error('its --help does not name ZEEKPATH')
    // "zeek version 9.0.0", or "<path> version 9.0.0"
    return { path, version: /version (\S+)/.exec(version!.stdout + version!.stderr)?.[1] ?? 'unknown', zeekPath }
  } catch (error) {
    throw new AppError('unavailable', `${path} cannot be used: ${messageOf(error)}`, { cause: error })
  }
}
