import type { Command } from '@commander-js/extra-typings'
import { printableLine } from '../terminal/screen.js'
import { bytes } from '../terminal/units.js'
import { withExamples } from './examples.js'
import type { Io } from './io.js'
import { ofController, submits, toJson } from './options.js'
import { lineOf, request, showOutcome } from './requests.js'
import { open } from './session.js'

export function defineCleanup(program: Command, io: Io): void {
  const command = ofController(
    submits(
      toJson(
        program
          .command('cleanup')
          .helpGroup('Nodes:')
          .summary('show, or remove, what nodes have left that are no longer deployed')
          .description(
            'Shows the directories of nodes that a host does not run any more, and how large they are. One that holds logs, or anything else than outputs and core files, is never removed.'
          )
          .argument('[instances...]', 'names of instances; default: all that are connected')
          .option('--remove', 'remove them')
      )
    )
  )
  withExamples(
    command,
    ['zeek-cluster cleanup', 'what would be removed'],
    ['zeek-cluster cleanup --remove', 'remove it']
  )
  command.action(async (instances, { remove = false, ...flags }) => {
    const session = await open(io, flags)
    const finished = await request(
      session,
      'cleanup',
      { remove, ...(instances.length > 0 ? { instances } : {}) },
      flags
    )
    if (!finished) return
    io.exitCode = showOutcome(session, finished, flags, result => {
      const { leftovers } = result.data ?? {}
      if (!leftovers) return lineOf(result, session.screen)
      if (leftovers.length === 0) return [`${result.instance}: nothing is left over`]
      return leftovers.map(({ path, size_bytes: size, removed, kept }) => {
        const what = removed ? 'removed' : kept === undefined ? 'would be removed' : `kept: ${kept}`
        return printableLine(`${result.instance}: ${path} (${bytes(size)}) ${what}`)
      })
    })
  })
}
