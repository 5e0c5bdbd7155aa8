import type { Command } from '@commander-js/extra-typings'
import type { TargetOptions } from '../client/target.js'
import { printableLine } from '../terminal/screen.js'
import { tableOf } from '../terminal/table.js'
import { withExamples } from './examples.js'
import { print, printJson, remark, type Io } from './io.js'
import { ofController, submits, toJson, type Parent } from './options.js'
import { lineOf, request, showOutcome, type SubmitFlags } from './requests.js'
import { open } from './session.js'

export function defineOption(program: Command, io: Io): void {
  const command = program
    .command('option')
    .helpGroup('Nodes:')
    .summary('change options of Zeek while nodes run')
    .description(
      'Sets what the scripts of Zeek declare with `option`, in every node, without a restart. It is kept until it is unset, whatever is deployed or restarted.'
    )
  withExamples(
    command,
    ['zeek-cluster option set Site::local_nets 10.0.0.0/8,192.168.0.0/16', 'in all nodes'],
    ['zeek-cluster option list', 'what is set']
  )
  defineSet(command, io)
  defineUnset(command, io)
  defineList(command, io)
}

/** Submits a change of an option, and shows of each node the value that it has then. */
async function change(
  io: Io,
  type: 'set_option' | 'unset_option',
  args: { name: string; value?: string },
  flags: TargetOptions & SubmitFlags
): Promise<void> {
  const session = await open(io, flags)
  const finished = await request(session, type, args, flags)
  if (!finished) return
  io.exitCode = showOutcome(session, finished, flags, result => {
    if (!result.success || result.node === undefined) return lineOf(result, session.screen)
    const { value } = result.data ?? {}
    return [`${result.node}: ${value === undefined ? 'not running, or it has no such option' : printableLine(value)}`]
  })
}

function defineSet(command: Parent, io: Io): void {
  const setting = ofController(
    submits(
      toJson(
        command
          .command('set')
          .summary('set an option in every node')
          .description(
            "Sets an option, and shows the value that each node has then. When a node refuses it, nothing is changed anywhere, and Zeek's words are shown."
          )
          .argument('<name>', 'as Site::local_nets')
          .argument(
            '<value>',
            "as in a file of Zeek's configuration framework: strings without quotes, sets and vectors as a,b, intervals in seconds, T and F"
          )
      )
    )
  )
  withExamples(
    setting,
    ['zeek-cluster option set Site::local_nets 10.0.0.0/8,192.168.0.0/16', 'a set'],
    ['zeek-cluster option set HTTP::default_capture_password T', 'a bool']
  )
  setting.action(async (name, value, flags) => await change(io, 'set_option', { name, value }, flags))
}

function defineUnset(command: Parent, io: Io): void {
  const unsetting = ofController(
    submits(
      toJson(
        command
          .command('unset')
          .summary('have an option be what the scripts make it')
          .description('Has an option be again what the scripts of each node make it, and shows that value.')
          .argument('<name>', 'as Site::local_nets')
      )
    )
  )
  withExamples(
    unsetting,
    ['zeek-cluster option unset Site::local_nets', 'in all nodes'],
    ['zeek-cluster option unset Site::local_nets --json', 'for a program']
  )
  unsetting.action(async (name, flags) => await change(io, 'unset_option', { name }, flags))
}

function defineList(command: Parent, io: Io): void {
  const listing = ofController(
    toJson(
      command
        .command('list')
        .summary('list the options that are set')
        .description('Lists the options that are set while nodes run.')
    )
  )
  withExamples(
    listing,
    ['zeek-cluster option list', 'as a table'],
    ['zeek-cluster option list --json', 'for a program']
  )
  listing.action(async options => {
    const { api, signal, screen } = await open(io, options)
    const { data } = await api.GET('/v1/options', { signal })
    if (options.json === true) return printJson(io, data)
    if (data!.options.length === 0) return remark(io, 'no options are set')
    print(
      io,
      tableOf(
        [
          { title: 'NAME', text: ({ name }) => name },
          { title: 'VALUE', text: ({ value }) => value, isLong: true },
          { title: 'SET', text: ({ set_at: at }) => at }
        ],
        data!.options,
        screen
      )
    )
  })
}
