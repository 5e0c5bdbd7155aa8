import type { Command } from '@commander-js/extra-typings'
import { readConfiguration } from './configuration-file.js'
import { requireCaptures } from './captures.js'
import { stage } from './deploy.js'
import { withExamples } from './examples.js'
import type { Io } from './io.js'
import { ofController, selectorOf, selectsNodes, submits, toJson } from './options.js'
import { requestWithProgress, showOutcome } from './requests.js'
import { open } from './session.js'
import { defined } from '../util.js'

export function defineCheck(program: Command, io: Io): void {
  const command = ofController(
    submits(
      selectsNodes(
        toJson(
          program
            .command('check')
            .helpGroup('Deployment:')
            .summary('check nodes before they are deployed')
            .description(
              'Has each host parse the scripts of its nodes, and look at interfaces, ports, disks and rights; captures are read on one host. Nothing that runs is touched.'
            )
            .argument('[nodes...]', 'names of nodes; default: all')
            .option('--file <file>', 'stage this configuration first; else what is staged is checked')
            .option('--deployed', 'check what is deployed instead')
            .option('--require-captures', requireCaptures)
        )
      )
    )
  )
  withExamples(
    command,
    ['zeek-cluster check --file cluster.json', 'stage a configuration, and check it'],
    ['zeek-cluster check --deployed worker-1', 'one node, as it is deployed']
  )
  command.action(async (nodes, { file, deployed, requireCaptures: isRequired, ...flags }) => {
    if (file !== undefined && deployed === true) command.error('error: --file and --deployed exclude each other')
    const configuration = file === undefined ? undefined : await readConfiguration(file, io)
    const session = await open(io, flags)
    if (configuration) await stage(session, configuration)
    const args = { ...selectorOf(nodes, flags), ...defined({ deployed, require: isRequired && 'captures' }) }
    const finished = await requestWithProgress(session, 'check', args, { ...flags, names: nodes })
    if (finished) io.exitCode = showOutcome(session, finished, flags)
  })
}
