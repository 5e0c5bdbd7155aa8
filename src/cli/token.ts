import { hostname } from 'node:os'
import { Option, type Command } from '@commander-js/extra-typings'
import { roles } from '../../schemas/access.js'
import { textOfLabels } from '../../schemas/groups.js'
import type { TargetOptions } from '../client/target.js'
import { exitCodes, Failure } from '../client/failure.js'
import { tableOf } from '../terminal/table.js'
import { defined, hostOf, isLoopback } from '../util.js'
import { withExamples } from './examples.js'
import { expirySeconds } from './expiry.js'
import { labelsIn } from './labels.js'
import { print, printJson, remark, type Io } from './io.js'
import { commandFor } from './join-command.js'
import { ofController, toJson, wholeFrom } from './options.js'
import { open, type Session } from './session.js'

export function defineToken(program: Command, io: Io): void {
  const command = program
    .command('token')
    .helpGroup('Access:')
    .summary('make, list and revoke tokens')
    .description(
      `Tokens of the controller. It takes the role admin; on the controller's host, --offline works on its database instead, with the settings of the server as \`start\` takes them: that is how the first one is made.`
    )
  withExamples(
    command,
    ['zeek-cluster token create --offline --role admin', 'the first one'],
    ['zeek-cluster token create --role agent --name sensor-1', 'for the agent of another host']
  )
  const creating = withOffline(
    command
      .command('create')
      .summary('make a token')
      .description('Prints a new token, once: only a hash is kept of it.')
      .addOption(new Option('--role <role>', 'what it is good for').choices(roles).makeOptionMandatory())
      .option('--name <name>', 'who its bearer is; of an agent, its name. Default: the role')
      .option('--expires <time>', 'as 90m, 12h, 30d; default: never, of role join a day', expirySeconds)
      .option(
        '--labels <labels>',
        'limits a viewer or an operator to instances with these labels, as site=berlin,tap=uplink',
        labelsIn
      )
      .optionsGroup('Of role join:')
      .addOption(new Option('--uses <count>', 'how many hosts may join with it; default: 1').argParser(wholeFrom(1)))
      .option('--accept', 'accept them at once, without an operator')
      .option('--for <agent>', 'the only name that they may have; default: any')
      .optionsGroup('Options:')
  )
  withExamples(
    creating,
    ['zeek-cluster token create --role operator --name ops --expires 30d', 'for a person'],
    ['zeek-cluster token create --role agent --name sensor-1 > token', 'for an agent'],
    ['zeek-cluster token create --role operator --name berlin --labels site=berlin', 'for one site'],
    ['zeek-cluster token create --role join --uses 20 --accept', 'prints the command to run on twenty hosts']
  )
  creating.action(async ({ role, name, expires, labels, uses, accept, for: agent, ...options }) => {
    await withHint(io, options, async ({ api, signal, urls }) => {
      const join = defined({ uses, accept, agent })
      const body = {
        role,
        ...(name === undefined ? {} : { name }),
        ...(expires === undefined ? {} : { expires_in: expires }),
        ...(Object.keys(join).length === 0 ? {} : { join }),
        ...(labels === undefined ? {} : { labels })
      }
      const { data } = await api.POST('/v1/tokens', { body, signal })
      if (options.json === true) printJson(io, data)
      else if (data!.fingerprint !== undefined) {
        remark(io, 'to be run on each host that joins:')
        print(io, commandFor(reachable(urls), data!.token, data!.fingerprint))
      } else print(io, data!.token)
    })
  })
  const listing = withOffline(
    command.command('list').summary('list tokens').description('Lists tokens and sessions, without their texts.')
  )
  withExamples(listing, ['zeek-cluster token list', 'as a table'], ['zeek-cluster token list --json', 'for a program'])
  listing.action(async options => {
    await withHint(io, options, async ({ api, signal, screen }) => {
      const { data } = await api.GET('/v1/tokens', { signal })
      if (options.json === true) return printJson(io, data)
      if (data!.tokens.length === 0) return remark(io, 'no tokens')
      print(
        io,
        tableOf(
          [
            { title: 'ID', text: ({ id }) => id },
            { title: 'ROLE', text: ({ role }) => role },
            { title: 'NAME', text: ({ name }) => name, isLong: true },
            { title: 'LABELS', text: ({ labels }) => textOfLabels(labels ?? {}) },
            { title: 'CREATED', text: ({ created_at: at }) => at },
            { title: 'LEFT', isNumber: true, text: ({ join }) => (join ? String(join.uses) : '') },
            { title: 'EXPIRES', text: ({ expires_at: at }) => at ?? 'never' },
            { title: 'SESSION OF', text: ({ session_of: parent }) => parent ?? '' }
          ],
          data!.tokens,
          screen
        )
      )
    })
  })
  const revoking = withOffline(
    command
      .command('revoke')
      .summary('revoke a token')
      .description('Has a token not be taken any more, and ends all that was opened with it.')
      .argument('<id>', 'its ID, as `token list` shows it')
  )
  withExamples(
    revoking,
    ['zeek-cluster token revoke 9448e9c83643', 'one token, or one session'],
    ['zeek-cluster token list', 'shows the IDs']
  )
  revoking.action(async (id, options) => {
    await withHint(io, options, async ({ api, signal }) => {
      await api.DELETE('/v1/tokens/{id}', { params: { path: { id } }, signal })
      remark(io, `revoked ${id}`)
    })
  })
}

/** Returns the URLs as other hosts reach them: a loopback address is no other host's. */
function reachable(urls: readonly string[]): string[] {
  return urls.map(text => {
    const url = new URL(text)
    if (isLoopback(hostOf(url.host))) url.hostname = hostname()
    return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
  })
}

// What comes with --offline is not parsed here: see program.ts.
const withOffline = <A extends unknown[], O extends Record<string, unknown>>(command: Command<A, O>) =>
  ofController(toJson(command.option('--offline', "work on the database of this host's controller")))

/** Runs what needs a controller; when that is not to be had, says that there is another way. */
async function withHint(io: Io, options: TargetOptions, work: (session: Session) => Promise<void>): Promise<void> {
  try {
    await work(await open(io, options))
  } catch (error) {
    if (!(error instanceof Failure) || error.exitCode !== exitCodes.unavailable) throw error
    const hint = "on the controller's host, it works without one: --offline"
    throw new Failure(error.exitCode, `${error.message}\n${hint}`, { code: error.code, cause: error })
  }
}
