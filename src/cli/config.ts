import { Argument, Option, type Command } from '@commander-js/extra-typings'
import { readConfiguration } from './configuration-file.js'
import { stage } from './deploy.js'
import { withExamples } from './examples.js'
import { printableLine } from '../terminal/screen.js'
import { print, printJson, remark, type Io } from './io.js'
import { ofController } from './options.js'
import { open } from './session.js'

export function defineConfig(program: Command, io: Io): void {
  const command = program
    .command('config')
    .helpGroup('Deployment:')
    .summary('show or stage the configuration')
    .description('The configuration of the cluster, as it is staged and as it is deployed.')
  withExamples(
    command,
    ['zeek-cluster config get deployed', 'what runs'],
    ['zeek-cluster config stage cluster.yaml', 'keep a configuration for the next deploy']
  )
  const getting = ofController(
    command
      .command('get')
      .summary('print a configuration')
      .description(
        'Prints a configuration as it can be staged again; of the ready one also, on stderr, why workers of groups run where they do; of the staged one the tag for `config stage --if-match`. It takes the role operator.'
      )
      .addArgument(
        new Argument('[state]', 'staged; ready: staged, with addresses and ports; deployed')
          .choices(['staged', 'ready', 'deployed'] as const)
          .default('staged' as const)
      )
      .addOption(
        new Option('-o, --output <form>', 'JSON, or the file of zeek-client').choices(['json', 'ini'] as const)
      )
  )
  withExamples(
    getting,
    ['zeek-cluster config get deployed', 'as JSON'],
    ['zeek-cluster config get staged -o ini', 'as the file of zeek-client']
  )
  getting.action(async (state, { output, ...options }) => {
    const { api, signal } = await open(io, options)
    const params = { path: { state } }
    const tellTag = ({ headers }: Response) => {
      const tag = state === 'staged' ? headers.get('etag') : null
      if (tag !== null) remark(io, printableLine(`tag: ${tag.replaceAll('"', '')}`))
    }
    if (output === 'ini') {
      const headers = { accept: 'text/x-ini' }
      const { data, response } = await api.GET('/v1/configurations/{state}', {
        params,
        headers,
        parseAs: 'text',
        signal
      })
      tellTag(response)
      print(io, String(data).trimEnd())
      return
    }
    const { data, response } = await api.GET('/v1/configurations/{state}', { params, signal })
    tellTag(response)
    if (typeof data === 'object') {
      remark(io, ...(data.placements ?? []).map(({ node, reason }) => printableLine(`${node}: ${reason}`)))
    }
    printJson(io, typeof data === 'object' ? data.configuration : data)
  })
  const staging = ofController(
    command
      .command('stage')
      .summary('stage a configuration')
      .description('Keeps a configuration for the next deploy, and prints its ID. What runs is not touched.')
      .argument(
        '<file>',
        'JSON or YAML, or cluster.cfg, node.cfg or zeek.conf, or the directory of ZeekControl; -: standard input'
      )
      .option('--if-match <tag>', 'only while the staged one is that which `config get` has shown with this tag')
  )
  withExamples(
    staging,
    ['zeek-cluster config stage cluster.yaml', 'from a file'],
    ['zeek-cluster config stage - < node.cfg', 'from standard input'],
    ['zeek-cluster config stage cluster.yaml --if-match 2f1f9a1c6a0d8b4e', 'unless somebody has staged another one']
  )
  staging.action(async (file, { ifMatch: tag, ...options }) => {
    const configuration = await readConfiguration(file, io)
    const ifMatch = tag === undefined || /^(\*|.*".*)$/.test(tag) ? tag : `"${tag}"`
    print(io, await stage(await open(io, options), configuration, { ifMatch }))
  })
}
