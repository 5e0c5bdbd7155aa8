import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { pathToFileURL } from 'node:url'
import type { CommandUnknownOpts } from '@commander-js/extra-typings'
import { examplesOf } from '../src/cli/examples.js'
import { controllerGroup } from '../src/cli/options.js'
import { allCommands } from '../src/cli/program.js'
import type { Io } from '../src/cli/io.js'
import { packageRoot, packageVersion } from '../src/util.js'

/** Where the manual page is, for whoever packages this. */
export const manualFile = join(packageRoot, 'packaging', 'man', 'zeek-cluster.1')

/** The manual page of the command line, in man(7), from the commands as they are defined. */
export async function renderManual(): Promise<string> {
  const program = await allCommands(mute())
  return `${[
    `.TH ZEEK-CLUSTER 1 "" "zeek-cluster ${packageVersion}" "User Commands"`,
    '.SH NAME',
    `zeek\\-cluster \\- ${escaped('run Zeek clusters: the server on each host, and the commands that speak with it')}`,
    '.SH SYNOPSIS',
    '.B zeek\\-cluster',
    '.I command',
    '[\\fIoptions\\fR]',
    '.SH DESCRIPTION',
    escaped(program.description()),
    '.SH COMMANDS',
    ...program.commands.filter(command => command.name() !== 'complete').flatMap(command => sectionOf(command, '')),
    '.SH OPTIONS OF ALL COMMANDS THAT ASK A CONTROLLER',
    ...sharedOptions(program).flatMap(({ flags, description }) => item(flags, description)),
    ...fixed
  ].join('\n')}\n`
}

function mute(): Io {
  const stream = () => new PassThrough()
  return {
    env: {},
    stdin: stream(),
    stdout: stream(),
    stderr: stream(),
    interrupted: new AbortController().signal,
    exitCode: 0,
    onInterrupt: undefined
  }
}

function sectionOf(command: CommandUnknownOpts, parent: string): string[] {
  const name = `${parent}${command.name()}`
  const words = command.registeredArguments.map(argument => {
    const text = `${argument.name()}${argument.variadic ? '...' : ''}`
    return argument.required ? `<${text}>` : `[${text}]`
  })
  return [
    `.SS ${escaped([name, ...words].join(' '))}`,
    escaped(command.description()),
    ...command.registeredArguments.flatMap(argument => item(argument.name(), argument.description)),
    ...command.options
      .filter(option => !isShared(option))
      .flatMap(({ flags, description }) => item(flags, description)),
    ...(examplesOf(command).length > 0 ? ['.PP', 'Examples:', '.PP', '.nf', '.RS'] : []),
    ...examplesOf(command).map(([line, meaning]) => `${escaped(line)}\n.RS\n${escaped(meaning)}\n.RE`),
    ...(examplesOf(command).length > 0 ? ['.RE', '.fi'] : []),
    ...command.commands.flatMap(child => sectionOf(child, `${name} `))
  ]
}

type CommandOption = CommandUnknownOpts['options'][number]

/** Whether many commands have an option: it is told once. */
const isShared = ({ helpGroupHeading }: CommandOption): boolean => helpGroupHeading === controllerGroup

const sharedOptions = ({ commands }: CommandUnknownOpts): CommandOption[] =>
  commands.find(command => command.options.some(isShared))?.options.filter(isShared) ?? []

const item = (term: string, text: string): string[] => ['.TP', `.B ${escaped(term)}`, escaped(text)]

/** Escapes what roff would take for its own. */
const escaped = (text: string): string =>
  text
    .replace(/\\/g, '\\e')
    .replace(/-/g, '\\-')
    .replace(/^([.'])/gm, '\\&$1')

const fixed = [
  '.SH EXIT STATUS',
  ...item('0', 'What was asked for is so, or was done.'),
  ...item('1', 'It is not so, or was not done: a node does not run, a request has failed.'),
  ...item('2', 'The command line, or the input, is not right.'),
  ...item('3', 'The controller could not be asked: it is not reached, or takes no such credentials.'),
  ...item('130', 'Ended by Ctrl-C. A request that was waited for goes on.'),
  '.SH ENVIRONMENT',
  ...item('ZEEK_CLUSTER_URL', 'The controller, or several, with commas between them.'),
  ...item('ZEEK_CLUSTER_TOKEN', 'The token.'),
  ...item('ZEEK_CLUSTER_CA', 'A file of certificates of authorities.'),
  ...item('ZEEK_CLUSTER_CONTEXT', 'The context.'),
  ...item('NO_COLOR', 'Where it is set, nothing is coloured.'),
  '.SH FILES',
  ...item('~/.config/zeek-cluster/contexts.json', 'The contexts, with their tokens: for their owner only.'),
  '.SH SEE ALSO',
  '.BR zeek (8)'
]

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  mkdirSync(dirname(manualFile), { recursive: true })
  writeFileSync(manualFile, await renderManual())
}
