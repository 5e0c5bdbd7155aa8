import type { Command } from '@commander-js/extra-typings'
import type { Schema } from '../client/connection.js'
import { exitCodes, Failure } from '../client/failure.js'
import { itemsOf } from '../client/pages.js'
import { printableLine, type Screen } from '../terminal/screen.js'
import { tableOf } from '../terminal/table.js'
import { fileLines, shortId } from './bundle.js'
import { deployRevision, deploys, revisionsOf, tagOf } from './deploy.js'
import { withExamples } from './examples.js'
import { print, printJson, remark, type Io } from './io.js'
import { ofController, submits, toJson, wholeFrom, type Parent } from './options.js'
import { open, type Session } from './session.js'

export function defineRevisions(program: Command, io: Io): void {
  const command = program
    .command('revisions')
    .helpGroup('Deployment:')
    .summary('show and compare what was deployed')
    .description(
      'Every deployment is kept as a revision, with a number: its configuration, its bundle, who has asked for it, when, and what came of it. The newest is the deployed one.'
    )
  withExamples(
    command,
    ['zeek-cluster revisions list', 'what was deployed'],
    ['zeek-cluster revisions diff 12', 'what has changed with it']
  )
  defineList(command, io)
  defineShow(command, io)
  defineDiff(command, io)
}

function defineList(command: Parent, io: Io): void {
  const listing = ofController(
    toJson(
      command
        .command('list')
        .summary('list revisions')
        .description('Lists revisions, the newest first.')
        .option('-n, --limit <count>', 'how many', wholeFrom(1), 20)
    )
  )
  withExamples(
    listing,
    ['zeek-cluster revisions list', 'as a table'],
    ['zeek-cluster revisions list -n 100 --json', 'for a program']
  )
  listing.action(async ({ json, limit, ...options }) => {
    const { api, signal, screen } = await open(io, options)
    const revisions = await itemsOf({ limit, pageMax: 1000 }, async query => {
      const { data } = await api.GET('/v1/revisions', { params: { query }, signal })
      return { items: data!.revisions, next: data!.next }
    })
    if (json === true) return printJson(io, { revisions })
    if (revisions.length === 0) return remark(io, 'no revisions')
    print(
      io,
      tableOf(
        [
          { title: 'REVISION', text: ({ revision }) => String(revision), isNumber: true },
          { title: 'TIME', text: ({ created_at: at }) => at },
          { title: 'BY', text: ({ created_by: by }) => by ?? '' },
          {
            title: 'OUTCOME',
            text: ({ outcome, deployed }) => (deployed ? `${outcome}, deployed` : outcome),
            tone: ({ deployed }) => (deployed ? 'strong' : undefined)
          },
          {
            title: 'GOOD',
            text: ({ good_at: at }) => (at === undefined ? '' : 'yes'),
            tone: ({ good_at: at }) => (at === undefined ? undefined : 'good')
          },
          { title: 'NODES', text: ({ nodes }) => String(nodes), isNumber: true },
          { title: 'BUNDLE', text: ({ bundle = '' }) => bundle.slice(0, shortId) },
          { title: 'COMMENT', text: ({ comment }) => comment ?? '', isLong: true }
        ],
        revisions,
        screen
      )
    )
  })
}

function defineShow(command: Parent, io: Io): void {
  const showing = ofController(
    toJson(
      command
        .command('show')
        .summary('print the configuration of a revision')
        .description(
          'Prints the configuration of a revision as it was staged, and on stderr what else is known of it. It takes the role operator.'
        )
        .argument('<revision>', 'its number', wholeFrom(1))
    )
  )
  withExamples(
    showing,
    ['zeek-cluster revisions show 12 > cluster.json', 'a configuration that can be staged'],
    ['zeek-cluster revisions show 12 --json', 'with all that is known of it']
  )
  showing.action(async (revision, options) => {
    const { api, signal } = await open(io, options)
    const { data } = await api.GET('/v1/revisions/{revision}', { params: { path: { revision } }, signal })
    if (options.json === true) return printJson(io, data)
    const { created_at: at, created_by: by, good_at: good, outcome, comment, deployed } = data!
    remark(
      io,
      printableLine(
        `${at}${by === undefined ? '' : ` by ${by}`}: ${outcome}${deployed ? ', deployed' : ''}${good === undefined ? '' : `, good at ${good}`}`
      )
    )
    if (comment !== undefined) remark(io, printableLine(comment))
    printJson(io, data!.configuration)
  })
}

function defineDiff(command: Parent, io: Io): void {
  const comparing = ofController(
    toJson(
      command
        .command('diff')
        .summary('compare a revision with an earlier one')
        .description(
          'Tells which instances, nodes, groups, captures and files of the bundle a revision has more (+), less (-), and otherwise (~) than an earlier one, and what is different in files that are small texts. Secrets of configurations are masked; texts are shown as they are. Ends with 1 where anything differs.'
        )
        .argument('<revision>', 'its number', wholeFrom(1))
        .option('--from <number>', 'the earlier one; default: the one before', wholeFrom(1))
    )
  )
  withExamples(
    comparing,
    ['zeek-cluster revisions diff 12', 'what has changed with it'],
    ['zeek-cluster revisions diff 12 --from 9', 'since another one']
  )
  comparing.action(async (revision, { from, ...options }) => {
    const session = await open(io, options)
    const difference = await differenceOf(session, revision, from)
    const lines = linesOf(difference, session.screen)
    if (lines.length > 0) io.exitCode = exitCodes.failed
    if (options.json === true) printJson(io, difference)
    else print(io, ...lines)
  })
}

export function defineRollback(program: Command, io: Io): void {
  const command = ofController(
    submits(
      toJson(
        deploys(
          program
            .command('rollback')
            .helpGroup('Deployment:')
            .summary('deploy an earlier revision again')
            .description(
              'Deploys what was deployed before, with its bundle, and stages it: a revision of its own. Ends with 0 only when all of it has succeeded.'
            )
            .argument('[revision]', 'its number; default: the one before the deployed one', wholeFrom(1))
        ).option('--last-good', 'the newest one with which the cluster was healthy for long, but the deployed one')
      )
    )
  )
  withExamples(
    command,
    ['zeek-cluster rollback', 'the one before the deployed one'],
    ['zeek-cluster rollback --last-good', 'the newest one that has worked'],
    ["zeek-cluster rollback 12 --comment 'lost packets'", 'a certain one, and why']
  )
  command.action(async (given, { lastGood, ...flags }) => {
    if (given !== undefined && lastGood === true) command.error('error: a revision and --last-good exclude each other')
    const session = await open(io, flags)
    const revisions = await revisionsOf(session)
    const at = revisions.findIndex(({ deployed }) => deployed)
    const [deployed, before] = at < 0 ? [] : revisions.slice(at)
    const good = revisions.find(({ good_at: at, deployed }) => at !== undefined && !deployed)
    const revision = given ?? (lastGood === true ? good : before)?.revision
    if (!deployed || revision === undefined) {
      const what =
        lastGood === true ? 'no revision is good but the deployed one' : 'there is no revision before the deployed one'
      throw new Failure(exitCodes.failed, what)
    }
    const difference = await differenceOf(session, revision, deployed.revision)
    if (flags.json !== true) remark(io, `revision ${revision} instead of ${deployed.revision}: ${countsOf(difference)}`)
    // What it takes back is what was told: not what somebody deploys meanwhile.
    await deployRevision(session, revision, { ...flags, ifMatch: tagOf(deployed.revision) })
  })
}

type Difference = Schema['RevisionDifference']

async function differenceOf({ api, signal }: Session, revision: number, from?: number): Promise<Difference> {
  const params = { path: { revision }, query: from === undefined ? {} : { from } }
  const { data } = await api.GET('/v1/revisions/{revision}/diff', { params, signal })
  return data!
}

const parts = ['instances', 'nodes', 'groups', 'captures'] as const
const singular = { instances: 'instance', nodes: 'node', groups: 'group', captures: 'capture' }
const nothing = { added: [], removed: [], changed: [] }

/** Returns how much differs, in a line. */
function countsOf({ from, to, bundle, ...difference }: Difference): string {
  const all = [
    ...parts.map(part => [singular[part], difference[part] ?? nothing] as const),
    ...(bundle ? ([['file', bundle]] as const) : [])
  ]
  const counts = all.flatMap(([noun, kinds]) =>
    (['added', 'removed', 'changed'] as const).flatMap(kind => {
      const { length } = kinds[kind]
      return length === 0 ? [] : [`${length} ${noun}${length === 1 ? '' : 's'} ${kind}`]
    })
  )
  if (!bundle && from.bundle !== undefined && to.bundle !== undefined) counts.push('another bundle')
  if (from.bundle === undefined && to.bundle !== undefined) counts.push('the bundle added')
  if (from.bundle !== undefined && to.bundle === undefined) counts.push('the bundle removed')
  return counts.length === 0 ? 'nothing differs' : counts.join(', ')
}

/** Returns a line for each thing that differs. */
function linesOf({ from, to, bundle, ...difference }: Difference, screen: Screen): string[] {
  const { style } = screen
  const ofParts = parts.flatMap(part => {
    const [{ added, removed, changed }, noun] = [difference[part] ?? nothing, singular[part]]
    return [
      ...removed.map(name => style('bad', printableLine(`- ${noun} ${name}`))),
      ...added.map(name => style('good', printableLine(`+ ${noun} ${name}`))),
      ...changed.flatMap(({ name, fields }) =>
        fields.map(({ field, before = 'none', after = 'none' }) =>
          printableLine(`~ ${noun} ${name} ${field}: ${before} -> ${after}`)
        )
      )
    ]
  })
  const bundles = [
    ...(bundle || from.bundle === undefined ? [] : [style('bad', `- bundle ${from.bundle.slice(0, shortId)}`)]),
    ...(bundle || to.bundle === undefined ? [] : [style('good', `+ bundle ${to.bundle.slice(0, shortId)}`)])
  ]
  return [...ofParts, ...bundles, ...(bundle ? fileLines(bundle, screen, 'file ') : [])]
}
