import { userInfo } from 'node:os'
import { join } from 'node:path'
import { roles, type Role } from '../../schemas/access.js'
import { namePattern } from '../../schemas/types.js'
import { AppError } from '../errors.js'
import { auditEntry, auditKinds } from '../requests/audit-entry.js'
import { createToken } from '../security/token.js'
import { EventLog } from '../store/events.js'
import { Store } from '../store/store.js'
import { TokenTable } from '../store/tokens.js'
import { parseFlags, readSettings } from './flags.js'

const units = { m: 60_000, h: 3_600_000, d: 86_400_000 }

const tokenFlags = ['role', 'name', 'expires']

/**
 * Creates, lists or revokes tokens. Words come first, then flags: those of the command, and settings. Returns the exit
 * code.
 */
export async function runToken(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  // It may be what creates the store, which is for nobody else.
  process.umask(0o077)
  const words = args.findIndex(arg => arg.startsWith('--'))
  const { file, flags } = parseFlags(words < 0 ? [] : args.slice(words))
  const own = Object.fromEntries(Object.entries(flags).filter(([name]) => tokenFlags.includes(name)))
  const others = Object.fromEntries(Object.entries(flags).filter(([name]) => !tokenFlags.includes(name)))
  const { management_state_dir: directory } = readSettings({ file, flags: others, env })
  console.log(await tokenCommand(words < 0 ? args : args.slice(0, words), own, directory))
  return 0
}

/**
 * Runs `token create --role R [--name N] [--expires 30d]`, `token list` or `token revoke ID` on the store of a
 * controller, which may be running and applies the change within a second. Returns the text to print. Throws
 * `invalid_request`.
 */
export async function tokenCommand(
  words: readonly string[],
  flags: Record<string, string>,
  stateDir: string
): Promise<string> {
  const [verb, ...rest] = words
  const store = new Store(join(stateDir, 'controller.sqlite'))
  const table = new TokenTable(store)
  const audit = new EventLog(store, 'audit')
  const note = (action: string, detail: string) =>
    audit.append(
      auditEntry(action, 'succeeded', { name: userName(), address: 'the command line' }, { detail }),
      auditKinds.change,
      Date.now()
    )
  try {
    if (verb === 'create' && rest.length === 0) {
      const { kept, text } = createToken({ ...readFlags(flags), now: Date.now() })
      await store.write('synced', () => {
        table.insert(kept)
        note('create_token', `${kept.id}: ${kept.role} ${kept.name}`)
      })
      return text
    }
    if (verb === 'list' && rest.length === 0) {
      return table
        .list()
        .map(token =>
          [
            token.id,
            token.role,
            token.name,
            timeOf(token.created_at),
            token.expires_at === null ? 'never' : timeOf(token.expires_at),
            ...(token.parent === null ? [] : [`session of ${token.parent}`])
          ].join('\t')
        )
        .join('\n')
    }
    if (verb === 'revoke' && rest.length === 1) {
      const isGone = await store.write('synced', () => {
        const isGone = table.delete(rest[0]!)
        if (isGone) note('revoke_token', rest[0]!)
        return isGone
      })
      if (!isGone) throw new AppError('invalid_request', `there is no token ${rest[0]}`)
      return `revoked ${rest[0]}`
    }
    throw new AppError(
      'invalid_request',
      'token takes: create --role ROLE [--name NAME] [--expires 30d], list, or revoke ID'
    )
  } finally {
    store.close()
  }
}

/** Returns the name of the user who runs the command. In a container, a user may have no name. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `user ${process.getuid?.()}`
  }
}

const timeOf = (ms: number) => new Date(ms).toISOString()

function readFlags({ role, name, expires }: Record<string, string>): {
  role: Role
  name: string
  lifetimeMs: number | undefined
} {
  const known = roles.find(each => each === role)
  if (!known) throw new AppError('invalid_request', `--role must be one of ${roles.join(', ')}`)
  if (known === 'agent' && name === undefined) {
    throw new AppError('invalid_request', '--name must be the name of the agent: it can speak for no other')
  }
  if (name !== undefined && !new RegExp(namePattern).test(name)) {
    throw new AppError('invalid_request', '--name must be a name: letters, digits, ".", "_" and "-"')
  }
  const [, count, unit] = /^([1-9]\d{0,4})([mhd])$/.exec(expires ?? '') ?? []
  if (expires !== undefined && count === undefined) {
    throw new AppError('invalid_request', '--expires must be a number of minutes, hours or days: 90m, 12h, 30d')
  }
  return {
    role: known,
    name: name ?? known,
    lifetimeMs: count === undefined ? undefined : Number(count) * units[unit as keyof typeof units]
  }
}
