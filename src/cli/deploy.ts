import type { Command, OptionValues } from '@commander-js/extra-typings'
import type { Schema } from '../client/connection.js'
import { exitCodes, Failure } from '../client/failure.js'
import { itemsOf } from '../client/pages.js'
import { ask, type ClusterRequest } from '../client/requests.js'
import { printableLine } from '../terminal/screen.js'
import { defined } from '../util.js'
import { requireCaptures } from './captures.js'
import { namesInstances, onOneInstance, readConfiguration, type ConfigurationFile } from './configuration-file.js'
import { withExamples } from './examples.js'
import { remark, type Io } from './io.js'
import { ofController, submits, toJson, wholeFrom } from './options.js'
import { requestWithProgress, showOutcome, warn, type SubmitFlags } from './requests.js'
import { goesInSteps, stepArguments, type StepFlags } from './rollout.js'
import { open, type Session } from './session.js'

export function defineDeploy(program: Command, io: Io): void {
  const command = ofController(
    submits(
      toJson(
        deploys(
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
        )
          .option('--plan <id>', 'only what this plan has told: fail when it would be anything else now')
          .option('--revision <number>', 'deploy what this revision was instead, and stage it', wholeFrom(1))
          .option('--if-revision <number>', 'only while this revision is the deployed one', wholeFrom(1))
      )
    )
  )
  withExamples(
    command,
    ['zeek-cluster deploy examples/standalone.json', 'one host'],
    ['zeek-cluster deploy - < cluster.yaml', 'from standard input'],
    ["zeek-cluster deploy cluster.json --comment 'more workers'", 'what it is for: `revisions list` shows it'],
    ['zeek-cluster deploy --force', 'what is staged, all nodes anew'],
    ['zeek-cluster deploy --rotate-keys', 'the same, with other keys between the nodes'],
    ['zeek-cluster deploy cluster.json --max-parallel 25% --max-drop 5', 'a quarter of the workers at a time'],
    ['zeek-cluster deploy cluster.json --canary 1', 'one worker first: then `rollout promote` or `rollout revert`'],
    ['zeek-cluster deploy --revision 12', 'what was deployed before'],
    ['zeek-cluster deploy cluster.json --if-revision 12', 'unless somebody has deployed since']
  )
  command.action(async (file, { revision, ifRevision, plan, ...rest }) => {
    const flags = { ...rest, ifMatch: ifRevision === undefined ? undefined : tagOf(ifRevision) }
    if (file !== undefined && revision !== undefined) command.error('error: a file and --revision exclude each other')
    const given = [file, revision, flags.force, flags.rotateKeys]
    if (plan !== undefined && given.some(value => value !== undefined)) {
      command.error(
        'error: --plan has its own configuration, --force and --rotate-keys: it excludes these, and --revision'
      )
    }
    const configuration = file === undefined ? undefined : await readConfiguration(file, io)
    const session = await open(io, flags)
    if (revision !== undefined) return await deployRevision(session, revision, flags)
    if (configuration) {
      // Else it would be staged, and then not deployed.
      if (ifRevision !== undefined) await demandRevision(session, ifRevision)
      await stage(session, configuration)
    }
    const names = await readyNames(session)
    await deploy(session, { ...flags, plan }, { names, count: names.length })
  })
}

/**
 * Returns all revisions, newest first. The newest need not be the deployed one: a deployment in steps can be reverted.
 */
export async function revisionsOf({ api, signal }: Session): Promise<Schema['Revision'][]> {
  return await itemsOf({ pageMax: 1000 }, async query => {
    const { data } = await api.GET('/v1/revisions', { params: { query }, signal })
    return { items: data!.revisions, next: data!.next }
  })
}

/** Throws a Failure unless this revision is the deployed one now. */
async function demandRevision(session: Session, revision: number): Promise<void> {
  const deployed = (await revisionsOf(session)).find(({ deployed }) => deployed)
  if (deployed?.revision === revision) return
  const { created_at: at, created_by: by } = deployed ?? {}
  throw new Failure(
    exitCodes.failed,
    deployed
      ? printableLine(`revision ${deployed.revision} is deployed, since ${at}${by === undefined ? '' : ` by ${by}`}`)
      : 'no revision is deployed'
  )
}

/** Returns the entity tag of the deployed configuration while a revision is it. */
export const tagOf = (revision: number): string => `"${revision}"`

export const rotateKeys = 'give nodes new keys with which they encrypt what they say to each other; all restart at once'

/** Adds the options that say how something is deployed. */
export function deploys<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
  return goesInSteps(
    command
      .option('--force', 'restart nodes that do not differ, too')
      .option('--rotate-keys', rotateKeys)
      .option('--no-check', 'do not check the nodes first')
      .option('--require-captures', requireCaptures)
      .option('--comment <text>', 'what it is for: it is kept with the revision')
  )
}

export interface DeployFlags extends SubmitFlags, StepFlags {
  force?: true | undefined
  rotateKeys?: true | undefined
  /** False with `--no-check`. */
  check: boolean
  requireCaptures?: true | undefined
  comment?: string | undefined
  /** The request that has planned it. */
  plan?: string | undefined
}

/** What is deployed: the staged configuration, unless a revision is named. */
interface Deployed {
  revision?: number
  /** The nodes that are known beforehand. */
  names: readonly string[]
  /** How many nodes there are. */
  count: number
}

/** Deploys a revision again, as `deploy` does. Throws a Failure when there is none of that number. */
export async function deployRevision(session: Session, revision: number, flags: DeployFlags): Promise<void> {
  const { api, signal } = session
  const { data } = await api.GET('/v1/revisions/{revision}', { params: { path: { revision } }, signal })
  const names = data!.configuration.nodes.map(({ name }) => name)
  await deploy(session, flags, { revision, names, count: data!.nodes })
}

/** Deploys, with the progress of each node, and shows what has come of it. */
async function deploy(
  session: Session,
  { force, rotateKeys: rotate, check, requireCaptures: isRequired, comment, plan, ...flags }: DeployFlags,
  { revision, names, count }: Deployed
): Promise<void> {
  const { io } = session
  const how = stepArguments(flags)
  const require = isRequired && 'captures'
  const args = {
    ...defined({ force, rotate_keys: rotate, check: check ? undefined : false, require, comment, plan, revision }),
    ...how
  }
  const finished = await requestWithProgress(session, 'deploy', args, { ...flags, names })
  if (!finished) return
  // Of hundreds of nodes, those that have failed are what is looked for.
  const failed = finished.results.filter(({ success, data }) => !success || data?.captures)
  io.exitCode = showOutcome(session, { ...finished, results: flags.json === true ? finished.results : failed }, flags)
  if (flags.json !== true) remark(io, summary(session, finished, count))
}

function summary({ screen: { style, symbols } }: Session, { state, results }: ClusterRequest, nodes: number): string {
  // The last result is that of the whole.
  const revision = results.at(-1)?.data?.revision
  const as = revision === undefined ? '' : `, revision ${revision}`
  if (state === 'succeeded') return style('good', `${symbols.done} deployed: ${nodes} nodes${as}`)
  if (results.at(-1)?.data?.reverted === true) {
    return style('bad', `${symbols.failed} reverted: deployed is what was before${as}`)
  }
  const failed = results.filter(({ success, node }) => !success && node !== undefined).length
  return style('bad', `${symbols.failed} ${failed > 0 ? `${failed} of ${nodes} nodes have failed` : 'not deployed'}`)
}

/** Stages a configuration. Returns its ID. Throws a Failure with every error that it has. */
export async function stage(
  session: Session,
  { config, notes }: ConfigurationFile,
  options: Pick<SubmitFlags, 'ifMatch'> = {}
): Promise<string> {
  const { api, signal } = session
  warn(session, notes)
  const whole = namesInstances(config) ? config : onOneInstance(config, await connectedInstances(session))
  const { results, warnings } = await ask(api, 'stage_configuration', { config: whole }, { signal, ...options })
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
