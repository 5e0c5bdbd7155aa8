import type { Command } from '@commander-js/extra-typings'
import type { Schema } from '../client/connection.js'
import { exitCodes, Failure } from '../client/failure.js'
import { ask, type ClusterRequest } from '../client/requests.js'
import { printableLine } from '../terminal/screen.js'
import { namesInstances, onOneInstance, readConfiguration, type ConfigurationFile } from './configuration-file.js'
import { withExamples } from './examples.js'
import { remark, type Io } from './io.js'
import { ofController, submits, toJson } from './options.js'
import { requestWithProgress, showOutcome, warn } from './requests.js'
import { open, type Session } from './session.js'

export function defineDeploy(program: Command, io: Io): void {
  const command = ofController(
    submits(
      toJson(
        program
          .command('deploy')
          .helpGroup('Deployment:')
          .summary('deploy a configuration')
          .description(
            'Stages a configuration, checks its nodes, and has each host run them. Nodes that do not differ are left alone. Without a file it deploys what is staged. Ends with 0 only when all of it has succeeded.'
          )
          .argument(
            '[file]',
            'JSON or YAML, or cluster.cfg, node.cfg or zeek.conf, or the directory of ZeekControl; -: standard input'
          )
          .option('--force', 'restart nodes that do not differ, too')
          .option('--no-check', 'do not check the nodes first')
          .option('--plan <id>', 'only what this plan has told: fail when it would be anything else now')
      )
    )
  )
  withExamples(
    command,
    ['zeek-cluster deploy examples/standalone.json', 'one host'],
    ['zeek-cluster deploy - < cluster.yaml', 'from standard input'],
    ['zeek-cluster deploy --force', 'what is staged, all nodes anew']
  )
  command.action(async (file, { force, check, plan, ...flags }) => {
    if (plan !== undefined && (file !== undefined || force === true)) {
      command.error('error: --plan has its own configuration, and --force: it excludes both')
    }
    const configuration = file === undefined ? undefined : await readConfiguration(file, io)
    const session = await open(io, flags)
    if (configuration) await stage(session, configuration)
    const names = await readyNames(session)
    const args = {
      ...(force === true ? { force } : {}),
      ...(check ? {} : { check }),
      ...(plan === undefined ? {} : { plan })
    }
    const finished = await requestWithProgress(session, 'deploy', args, { ...flags, names })
    if (!finished) return
    const failed = finished.results.filter(({ success }) => !success)
    // Of hundreds of nodes, those that have failed are what is looked for.
    io.exitCode = showOutcome(session, { ...finished, results: flags.json === true ? finished.results : failed }, flags)
    if (flags.json !== true) remark(io, summary(session, finished, names.length))
  })
}

function summary({ screen: { style, symbols } }: Session, { state, results }: ClusterRequest, nodes: number): string {
  if (state === 'succeeded') return style('good', `${symbols.done} deployed: ${nodes} nodes`)
  const failed = results.filter(({ success, node }) => !success && node !== undefined).length
  return style('bad', `${symbols.failed} ${failed > 0 ? `${failed} of ${nodes} nodes have failed` : 'not deployed'}`)
}

/** Stages a configuration. Returns its ID. Throws a Failure with every error that it has. */
export async function stage(session: Session, { config, notes }: ConfigurationFile): Promise<string> {
  const { api, signal } = session
  warn(session, notes)
  const whole = namesInstances(config) ? config : onOneInstance(config, await connectedInstances(session))
  const { results, warnings } = await ask(api, 'stage_configuration', { config: whole }, { signal })
  warn(session, warnings)
  const errors = results.flatMap(({ success, error = 'refused' }) => (success ? [] : [printableLine(error)]))
  if (errors.length > 0) {
    throw new Failure(exitCodes.usage, `the configuration is refused:${errors.map(error => `\n  ${error}`).join('')}`)
  }
  return results[0]?.data?.id ?? ''
}

async function connectedInstances({ api, signal }: Session): Promise<string[]> {
  const { data } = await api.GET('/v1/instances', { signal })
  return data!.instances.flatMap(({ name, connected }) => (connected ? [name] : []))
}

async function readyNames({ api, signal }: Session): Promise<string[]> {
  const { data } = await api.GET('/v1/configurations/{state}', { params: { path: { state: 'ready' } }, signal })
  // It comes as JSON: nothing else was asked for.
  return (data as Schema['ConfigurationDocument']).configuration.nodes.map(({ name }) => name)
}
