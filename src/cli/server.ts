import type { Command } from '@commander-js/extra-typings'
import type { ExitCode } from '../client/failure.js'
import { packageVersion } from '../util.js'
import { withExamples } from './examples.js'
import { print, type Io } from './io.js'

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
