import type { Command } from '@commander-js/extra-typings'
import { printableLine } from '../terminal/screen.js'
import { withExamples } from './examples.js'
import type { Io } from './io.js'
import { ofController, selectorOf, selectsNodes, submits, toJson } from './options.js'
import { lineOf, request, showOutcome } from './requests.js'
import { open } from './session.js'

export function defineGetId(program: Command, io: Io): void {
  const command = ofController(
    submits(
      selectsNodes(
        toJson(
          program
            .command('get-id')
            .helpGroup('Nodes:')
            .summary("show the value of a script's identifier in nodes")
            .description('Shows the value of a global identifier of Zeek in each node, as JSON. Secrets are masked.')
            .argument('<identifier>', 'as Site::local_nets')
            .argument('[nodes...]', 'names of nodes; default: all')
        )
      )
    )
  )
  withExamples(
    command,
    ['zeek-cluster get-id Site::local_nets', 'in all nodes'],
    ['zeek-cluster get-id Cluster::node worker-1 worker-2', 'in two of them']
  )
  command.action(async (id, nodes, flags) => {
    const session = await open(io, flags)
    const finished = await request(session, 'get_id_value', { id, ...selectorOf(nodes, flags) }, flags)
    if (!finished) return
    io.exitCode = showOutcome(session, finished, flags, result =>
      result.data?.value === undefined
        ? lineOf(result, session.screen)
        : [`${result.node}: ${printableLine(result.data.value)}`]
    )
  })
}
