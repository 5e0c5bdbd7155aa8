import { readFileSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'
import { textOfLabels } from '../../schemas/groups.js'
import { TokenInput } from '../../schemas/tokens.js'
import { checker } from '../../schemas/validator.js'
import { AppError, messageOf } from '../errors.js'
import { certificatesIn, fingerprintOfCertificate } from '../security/fingerprint.js'
import { defined, hostPort } from '../util.js'
import { Tokens } from '../server/access/tokens.js'
import { databaseIn } from '../store/database.js'
import { EventLog } from '../store/events.js'
import { Store } from '../store/store.js'
import { JoinTokenTable } from '../store/joins.js'
import { TokenTable } from '../store/tokens.js'
import { exitCodes, type ExitCode } from '../client/failure.js'
import { expirySeconds } from './expiry.js'
import { parseFlags, readSettings, type Settings } from './flags.js'
import { commandFor } from './join-command.js'
import { labelsIn } from './labels.js'

const tokenFlags = ['role', 'name', 'expires', 'labels', 'uses', 'for', 'accept']

/**
 * Creates, lists or revokes tokens in the database of a controller. Words come first, then flags: those of the command,
 * and settings. Returns the exit code.
 */
export async function runOfflineTokens(args: readonly string[], env: NodeJS.ProcessEnv): Promise<ExitCode> {
  // It may be what creates the store, which is for nobody else.
  process.umask(0o077)
  const words = args.findIndex(arg => arg.startsWith('--'))
  // Alone among the flags, this one has no value.
  const valued = args.map(arg => (arg === '--accept' ? '--accept=true' : arg))
  const { file, flags } = parseFlags(words < 0 ? [] : valued.slice(words))
  const own = Object.fromEntries(Object.entries(flags).filter(([name]) => tokenFlags.includes(name)))
  const others = Object.fromEntries(Object.entries(flags).filter(([name]) => !tokenFlags.includes(name)))
  const settings = readSettings({ file, flags: others, env })
  const isJoin = own['role'] === 'join' && settings.controller_authority_cert !== undefined
  const fingerprint = isJoin ? fingerprintFor(settings) : undefined
  const text = await tokenCommand(words < 0 ? args : args.slice(0, words), own, settings.management_state_dir)
  const url = `https://${hostPort(hostname(), settings.controller_websocket_port)}`
  console.log(fingerprint === undefined ? text : commandFor([url], text, fingerprint))
  return exitCodes.done
}

/** Returns by what hosts know the controller of these settings. Throws `unavailable` before its first start. */
function fingerprintFor({ controller_tls_cert: cert }: Settings): string {
  try {
    return fingerprintOfCertificate(certificatesIn(readFileSync(cert!, 'utf8')).at(-1)!)
  } catch (error) {
    const why = 'start the controller first: it makes its authority then'
    throw new AppError('unavailable', `${why} (${messageOf(error)})`, { cause: error })
  }
}

/**
 * Runs `token create --role R [--name N] [--expires 30d] [--labels L=V,…]`, `token list` or `token revoke ID` on the
 * store of a controller, which may be running and applies the change within a second. Returns the text to print. Throws
 * `invalid_request`; `not_found` for an ID that there is not; `conflict` when there are too many tokens.
 */
export async function tokenCommand(
  words: readonly string[],
  flags: Record<string, string>,
  stateDir: string
): Promise<string> {
  const [verb, ...rest] = words
  const store = new Store(databaseIn(stateDir))
  const audit = new EventLog(store, 'audit')
  const tokens = new Tokens({
    table: new TokenTable(store),
    joins: new JoinTokenTable(store),
    // It is the running controller that says how it is known.
    fingerprint: () => undefined,
    write: job => store.write('synced', () => job((entry, kind) => audit.append(entry, kind, Date.now()))),
    now: Date.now
  })
  const by = { name: userName(), address: 'the command line' }
  try {
    if (verb === 'create' && rest.length === 0) return (await tokens.create(inputOf(flags), by)).token
    if (verb === 'list' && rest.length === 0) {
      return tokens
        .list()
        .map(({ id, role, name, labels, created_at: created, expires_at: expires = 'never', session_of: parent }) =>
          [
            ...[id, role, name, created, expires],
            ...(labels === undefined ? [] : [`limited to ${textOfLabels(labels)}`]),
            ...(parent === undefined ? [] : [`session of ${parent}`])
          ].join('\t')
        )
        .join('\n')
    }
    if (verb === 'revoke' && rest.length === 1) {
      await tokens.revoke(rest[0]!, by)
      return `revoked ${rest[0]}`
    }
    throw new AppError(
      'invalid_request',
      'token takes: create --role ROLE [--name NAME] [--expires 30d] [--labels site=berlin], list, or revoke ID'
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

/** Throws `invalid_request` for the first error, by the name of its flag: `/role must be one of …`. */
const checkInput = checker(
  TokenInput,
  ([error]) => new AppError('invalid_request', `--${error!.field.slice(1)} ${error!.message}`)
)

/** Returns the token that the flags ask for. Throws `invalid_request`. */
function inputOf({ role = '', name, expires, labels, uses, for: agent, accept }: Record<string, string>): TokenInput {
  const seconds = expires === undefined ? undefined : expirySeconds(expires)
  const join = defined({
    uses: uses === undefined ? undefined : Number(uses),
    agent,
    accept: accept === undefined ? undefined : accept === 'true'
  })
  return checkInput(
    {
      role,
      name,
      ...(seconds === undefined ? {} : { expires_in: seconds }),
      ...(Object.keys(join).length > 0 ? { join } : {}),
      ...(labels === undefined ? {} : { labels: labelsIn(labels) })
    },
    ''
  )
}
