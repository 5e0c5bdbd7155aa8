import type { Command } from '@commander-js/extra-typings'
import type { Schema } from '../client/connection.js'
import { printable, printableLine, type Screen } from '../terminal/screen.js'
import { withExamples } from './examples.js'
import type { Io } from './io.js'
import { ofController, selectorOf, selectsNodes, submits, toJson } from './options.js'
import { lineOf, refuseAll, request, showOutcome } from './requests.js'
import { open } from './session.js'

export function defineDiag(program: Command, io: Io): void {
  const command = ofController(
    submits(
      selectsNodes(
        toJson(
          program
            .command('diag')
            .alias('diagnose')
            .helpGroup('Nodes:')
            .summary('say why nodes misbehave')
            .description(
              'Shows the processes of nodes and how each has ended, the command line, options, a backtrace of the newest core file, and the last lines of both outputs.'
            )
            .argument('[nodes...]', 'names of nodes')
            .option('--all', 'all nodes that are deployed')
        )
      )
    )
  )
  withExamples(
    command,
    ['zeek-cluster diag worker-1', 'one node'],
    ['zeek-cluster diag --instance sensor-2 --json', 'all nodes of a host, for a program']
  )
  command.action(async (nodes, { all, ...flags }) => {
    const selector = selectorOf(nodes, flags)
    if (Object.keys(selector).length === 0 && all !== true) refuseAll('diag')
    const session = await open(io, flags)
    const finished = await request(session, 'diagnose', selector, flags)
    if (!finished) return
    io.exitCode = showOutcome(session, finished, flags, result => diagnosisOf(result, session.screen))
  })
}

function diagnosisOf(result: Schema['RequestResult'], screen: Screen): string[] {
  const { node, data } = result
  if (!data?.diagnosis) return lineOf(result, screen)
  const { state, command, options = {}, directory, runs, core, backtrace, notes } = data.diagnosis
  const { style } = screen
  const part = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [style('strong', `  ${title}`), ...lines.map(line => `    ${line}`)]
  const text = (text: string | undefined) =>
    text === undefined || text === '' ? [] : printable(text).trimEnd().split('\n')
  return [
    `${style('strong', node ?? '')}: ${state}`,
    ...part(
      'processes',
      runs.map(({ pid, started_at: start, ended_at: end, reason }) =>
        printableLine(`${pid ?? '-'}  ${start} to ${end ?? 'now'}  ${reason ?? ''}`)
      )
    ),
    ...part('command', [printableLine(command.join(' '))]),
    ...part(
      'options',
      Object.entries(options).map(([name, value]) => printableLine(`${name} = ${value}`))
    ),
    ...part('directory', [printableLine(directory)]),
    ...part('core', core === undefined ? [] : [printableLine(core)]),
    ...part('backtrace', text(backtrace)),
    ...part('stderr', text(data.stderr)),
    ...part('stdout', text(data.stdout)),
    ...part('notes', notes.map(printableLine)),
    ''
  ]
}
