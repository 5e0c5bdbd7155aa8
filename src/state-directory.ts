import { accessSync, chmodSync, constants, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from './errors.js'
import { obstacleToOwning } from './permission.js'

/** What shows that a directory holds our state: a supervisor, a token, or an agent has left it. */
const traces = ['supervisor', 'controller.sqlite', 'agent.json']

const textOf = (mode: number) => (mode & 0o7777).toString(8).padStart(4, '0')

/**
 * Makes sure that nobody else enters the state directory, which is made if it is missing: it holds configurations with
 * their secrets, and tokens. Returns in words what was changed; undefined when nothing had to be. Throws when it
 * belongs to another user, when it is open and may be more than ours, and what the system says when it cannot be used.
 */
export function closeStateDirectory(path: string): string | undefined {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const obstacle = obstacleToOwning(path)
  if (obstacle !== undefined) throw new AppError('unavailable', obstacle)
  accessSync(path, constants.W_OK | constants.X_OK)
  const { mode } = statSync(path)
  if ((mode & 0o077) === 0) return undefined
  // It could be /var, or /tmp. An empty file system has a directory of its own.
  const isEmpty = readdirSync(path).every(name => name === 'lost+found')
  if (!isEmpty && !traces.some(name => existsSync(join(path, name)))) {
    throw new AppError(
      'invalid_request',
      `management_state_dir: ${path} holds other things, and is open to other users (mode ${textOf(mode)}): name a directory for this alone, or close it (chmod go= ${path})`
    )
  }
  chmodSync(path, mode & 0o7700)
  return `the state directory ${path} was open to other users: its mode was ${textOf(mode)}, and is ${textOf(mode & 0o7700)} now`
}
