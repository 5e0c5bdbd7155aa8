import { fileURLToPath } from 'node:url'
import type { Command } from '@commander-js/extra-typings'
import type { ExitCode } from '../client/failure.js'
import { packageVersion } from '../util.js'
import { withExamples } from './examples.js'
import { print, type Io } from './io.js'

/** Options of `start` that are about nodes; the others are of the server. */
const ofNodes = /^--(role|instance|all|comment|json|timeout|no-wait|url|context|token-file|ca|cert|key|help)(=|$)|^-h$/

/** Whether `start`, with these arguments, starts the server: it does unless nodes are named or selected. */
export function startsServer(args: readonly string[]): boolean {
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!
    if (ofNodes.test(arg) || !arg.startsWith('--')) return false
    const takesValue = !/^--(controller|agent)$/.test(arg) && !arg.includes('=')
    if (takesValue) at++
  }
  return true
}

export function defineArchive(program: Command, io: Io): void {
  const command = program
    .command('archive')
    .helpGroup('Server:')
    .summary('move rotated logs into directories by day')
    .description(
      'Moves rotated logs into DIRECTORY/<day>/, compressed, as zeek-archiver does; agents run it where that is not installed.'
    )
    .requiredOption('-1', 'once')
    .argument('<queue>', 'the directory of the logs')
    .argument('<directory>', 'where they go')
  withExamples(
    command,
    ['zeek-cluster archive -1 spool/log-queue logs', 'what agents run'],
    ['zeek-archiver -1 spool/log-queue logs', 'the same, with the tool of Zeek']
  )
  command.action(async (queue, directory) => {
    io.exitCode = (await (await import('./archive.js')).runArchive(['-1', queue, directory])) as ExitCode
  })
}

export function defineSettings(program: Command, io: Io): void {
  const command = program
    .command('settings')
    .helpGroup('Server:')
    .summary('list the settings of the server')
    .description('Lists every setting of the server: its flag, environment variable, default and meaning.')
  withExamples(
    command,
    ['zeek-cluster settings', 'all of them'],
    ['zeek-cluster settings | grep -A1 timeout', 'those about time-outs']
  )
  command.action(async () => print(io, (await import('./settings.js')).listSettings()))
}

export function defineVersion(program: Command, io: Io): void {
  const command = program
    .command('version')
    .helpGroup('Server:')
    .summary('print the version')
    .description('Prints the version of this program; `status` and `instances` tell those of controllers and agents.')
  withExamples(command, ['zeek-cluster version', 'of this program'], ['zeek-cluster instances', 'of the agents'])
  command.action(() => print(io, packageVersion))
}

/** The path of this program, for the processes that the server launches. */
export const programPath = fileURLToPath(new URL('../main.js', import.meta.url))
