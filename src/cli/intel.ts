import { openAsBlob } from 'node:fs'
import type { Command } from '@commander-js/extra-typings'
import { exitCodes, Failure } from '../client/failure.js'
import type { ClusterRequest } from '../client/requests.js'
import { tableOf } from '../terminal/table.js'
import { bytes } from '../terminal/units.js'
import { readStdin } from './configuration-file.js'
import { withExamples } from './examples.js'
import { print, printJson, remark, type Io } from './io.js'
import { ofController, submits, toJson, type Parent } from './options.js'
import { awaited, lineOf, request, showOutcome, type SubmitFlags } from './requests.js'
import { open, type Session } from './session.js'

export function defineIntel(program: Command, io: Io): void {
  const command = program
    .command('intel')
    .helpGroup('Nodes:')
    .summary('change what intelligence nodes know while they run')
    .description(
      "Has the manager read files of indicators, as Zeek's intelligence framework does, without a restart; it tells the workers. A feed is kept until it is unset, whatever is deployed or restarted."
    )
  withExamples(
    command,
    ['zeek-cluster intel set tor-exits tor-exits.intel', 'in place of what the feed had before'],
    ['zeek-cluster intel list', 'what is set']
  )
  defineSet(command, io)
  defineUnset(command, io)
  defineList(command, io)
  defineShow(command, io)
}

function defineSet(command: Parent, io: Io): void {
  const setting = ofController(
    submits(
      toJson(
        command
          .command('set')
          .summary('have the manager read a file of indicators')
          .description(
            "Has the manager read a file in place of what the feed had before: what is new in it is added, and what it has no more is removed. A file with a fault changes nothing, and its lines, or Zeek's words, are shown."
          )
          .argument('<feed>', 'a name for it')
          .argument('<file>', 'as Intel::read_files takes it: fields with tabs between them; - is standard input')
      )
    )
  )
  withExamples(
    setting,
    ['zeek-cluster intel set tor-exits tor-exits.intel', 'a file'],
    ['zeek-cluster intel set partner - < partner.intel', 'what comes on standard input']
  )
  setting.action(async (feed, file, flags) => {
    const session = await open(io, flags)
    const accepted = await put(session, feed, await contentOf(file, io), flags)
    if (flags.wait === false) return print(io, accepted.reqid)
    finish(session, await awaited(session, accepted.reqid), flags)
  })
}

function defineUnset(command: Parent, io: Io): void {
  const unsetting = ofController(
    submits(
      toJson(
        command
          .command('unset')
          .summary('have the manager forget a feed')
          .description('Removes the indicators of a feed that no other feed has.')
          .argument('<feed>', 'its name')
      )
    )
  )
  withExamples(
    unsetting,
    ['zeek-cluster intel unset tor-exits', 'in the manager, and with it in all workers'],
    ['zeek-cluster intel unset tor-exits --json', 'for a program']
  )
  unsetting.action(async (name, flags) => {
    const session = await open(io, flags)
    const finished = await request(session, 'unset_intel', { name }, flags)
    if (finished) finish(session, finished, flags)
  })
}

function defineList(command: Parent, io: Io): void {
  const listing = ofController(
    toJson(command.command('list').summary('list feeds').description('Lists the feeds that are set.'))
  )
  withExamples(listing, ['zeek-cluster intel list', 'as a table'], ['zeek-cluster intel list --json', 'for a program'])
  listing.action(async options => {
    const { api, signal, screen } = await open(io, options)
    const { data } = await api.GET('/v1/intel', { signal })
    if (options.json === true) return printJson(io, data)
    if (data!.feeds.length === 0) return remark(io, 'no feeds are set')
    print(
      io,
      tableOf(
        [
          { title: 'FEED', text: ({ name }) => name },
          { title: 'INDICATORS', text: ({ indicators }) => String(indicators), isNumber: true },
          { title: 'SIZE', text: ({ size }) => bytes(size), isNumber: true },
          { title: 'SET', text: ({ set_at: at }) => at }
        ],
        data!.feeds,
        screen
      )
    )
  })
}

function defineShow(command: Parent, io: Io): void {
  const showing = ofController(
    command
      .command('show')
      .summary('print the file of a feed')
      .description('Prints the file of a feed, as it was set.')
      .argument('<feed>', 'its name')
  )
  withExamples(
    showing,
    ['zeek-cluster intel show tor-exits', 'all of it'],
    ['zeek-cluster intel show tor-exits > tor-exits.intel', 'to a file']
  )
  showing.action(async (feed, options) => {
    const { api, signal } = await open(io, options)
    const { data } = await api.GET('/v1/intel/{feed}', { params: { path: { feed } }, parseAs: 'text', signal })
    io.stdout.write(data!)
  })
}

async function contentOf(file: string, io: Io): Promise<Blob> {
  try {
    return file === '-' ? new Blob([await readStdin(io)]) : await openAsBlob(file)
  } catch (error) {
    throw new Failure(exitCodes.usage, (error as Error).message, { cause: error })
  }
}

/** Sends a file, and returns the request that it has become. */
async function put(
  { api, signal }: Session,
  feed: string,
  file: Blob,
  { timeout }: SubmitFlags
): Promise<ClusterRequest> {
  const { data } = await api.PUT('/v1/intel/{feed}', {
    params: { path: { feed }, query: timeout === undefined ? {} : { timeout } },
    headers: { 'content-type': 'application/octet-stream' },
    body: file as never,
    bodySerializer: blob => blob,
    signal
  })
  return data!
}

/** Shows how many indicators each manager has read. */
function finish(session: Session, finished: ClusterRequest, flags: SubmitFlags): void {
  session.io.exitCode = showOutcome(session, finished, flags, result => {
    const { value } = result.data ?? {}
    if (!result.success || value === undefined) return lineOf(result, session.screen)
    return [`${result.node}: ${value} ${value === '1' ? 'indicator' : 'indicators'}`]
  })
}
