import type { Command } from '@commander-js/extra-typings'
import { exitCodes, Failure } from '../client/failure.js'
import { itemsOf } from '../client/pages.js'
import type { RequestType } from '../client/requests.js'
import { tableOf, type Column } from '../terminal/table.js'
import type { Schema } from '../client/connection.js'
import type { Tone } from '../terminal/screen.js'
import { readInput } from './configuration-file.js'
import { withExamples } from './examples.js'
import { print, printJson, remark, type Io } from './io.js'
import { ofController, submits, toJson, wholeFrom } from './options.js'
import { awaited, request, showOutcome } from './requests.js'
import { open } from './session.js'

export function defineRequest(program: Command, io: Io): void {
  const command = program
    .command('request')
    .helpGroup('What has happened:')
    .summary('submit a request of any type; show one, or wait for it')
    .description('Requests as the API has them, for whatever has no command of its own.')
  withExamples(
    command,
    ['zeek-cluster request submit get_instances', 'a request without arguments'],
    ['zeek-cluster request wait 01a223c2-60b8-774d-9329-0472fa7912b9', 'wait for one that goes on']
  )
  const submitting = ofController(
    submits(
      toJson(
        command
          .command('submit', { isDefault: true })
          .summary('submit a request')
          .description('Submits a request and prints it once it is finished.')
          .argument('<type>', 'as get_instances: docs/http-api.md has all of them')
          .argument('[arguments]', 'JSON, or - for standard input')
      )
    )
  )
  withExamples(
    submitting,
    ['zeek-cluster request get_instances', 'a request without arguments'],
    [`zeek-cluster request restart '{"nodes": ["worker-1"]}'`, 'with arguments']
  )
  submitting.action(async (type, text, flags) => {
    if (!/^[a-z_]+$/.test(type)) throw new Failure(exitCodes.usage, `${type} is no request type`)
    const args = await argumentsOf(text, io)
    const session = await open(io, flags)
    // A newer controller may have types that are not known here.
    const done = await request(session, type as RequestType, args, flags)
    if (done) io.exitCode = showOutcome(session, done, { json: true })
  })
  const showing = ofController(
    toJson(
      command
        .command('show')
        .summary('show a request')
        .description('Prints a request as it is now.')
        .argument('<reqid>', 'its ID')
    )
  )
  withExamples(
    showing,
    ['zeek-cluster request show 01a223c2-60b8-774d-9329-0472fa7912b9', 'what is known of it'],
    ['zeek-cluster history --json', 'the IDs of all']
  )
  showing.action(async (reqid, options) => {
    const { api, signal } = await open(io, options)
    const { data } = await api.GET('/v1/requests/{reqid}', { params: { path: { reqid } }, signal })
    printJson(io, data)
  })
  const waiting = ofController(
    toJson(
      command
        .command('wait')
        .summary('wait for a request')
        .description('Waits until a request is finished. Ends with 0 only when it has succeeded.')
        .argument('<reqid>', 'its ID')
    )
  )
  withExamples(
    waiting,
    ['zeek-cluster request wait 01a223c2-60b8-774d-9329-0472fa7912b9', 'until it is finished'],
    ['zeek-cluster request wait --json 01a223c2-60b8-774d-9329-0472fa7912b9', 'and print all of it']
  )
  waiting.action(async (reqid, options) => {
    const session = await open(io, options)
    // One that there is not is told at once.
    await session.api.GET('/v1/requests/{reqid}', { params: { path: { reqid } }, signal: session.signal })
    io.exitCode = showOutcome(session, await awaited(session, reqid), options)
  })
}

async function argumentsOf(text: string | undefined, io: Io): Promise<object> {
  if (text === undefined) return {}
  try {
    const args: unknown = JSON.parse(text === '-' ? await readInput('-', io) : text)
    if (typeof args === 'object' && args !== null && !Array.isArray(args)) return args
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure(exitCodes.usage, `the arguments are no JSON: ${(error as Error).message}`)
  }
  throw new Failure(exitCodes.usage, 'the arguments are no JSON object')
}

export function defineHistory(program: Command, io: Io): void {
  const command = ofController(
    toJson(
      program
        .command('history')
        .helpGroup('What has happened:')
        .summary('show the requests there were')
        .description('Shows requests, newest first: who wants to know more asks `request show`.')
        .option('-n, --limit <count>', 'how many', wholeFrom(1), 20)
        .option('--type <type>', 'only requests of this type')
        .option('--state <state>', 'only requests in this state')
    )
  )
  withExamples(
    command,
    ['zeek-cluster history --type deploy', 'the last deployments'],
    ['zeek-cluster history --state failed', 'what has failed']
  )
  command.action(async ({ json, limit, type, state, ...options }) => {
    const { api, signal, screen } = await open(io, options)
    const filter = { type: type as never, state: state as never }
    const requests = await itemsOf({ limit, pageMax: 200 }, async page => {
      const { data } = await api.GET('/v1/requests', { params: { query: { ...filter, ...page } }, signal })
      return { items: data!.requests, next: data!.next }
    })
    if (json === true) printJson(io, { requests })
    else if (requests.length === 0) remark(io, 'no requests')
    else print(io, tableOf(historyColumns, requests, screen))
  })
}

const toneOf = (state: Schema['RequestState']): Tone =>
  state === 'succeeded' ? 'good' : state === 'pending' ? 'quiet' : state === 'partial' ? 'warning' : 'bad'

const historyColumns: Column<Schema['ClusterRequest']>[] = [
  { title: 'REQUEST', text: ({ reqid }) => reqid, isWhole: true },
  { title: 'TYPE', text: ({ type }) => type, tone: () => 'strong' },
  { title: 'STATE', text: ({ state }) => state, tone: ({ state }) => toneOf(state) },
  {
    title: 'RESULTS',
    isLong: true,
    text: ({ results }) => {
      const failed = results.filter(({ success }) => !success)
      return failed.length === 0 ? String(results.length) : `${failed.length} of ${results.length} failed`
    }
  },
  { title: 'TIME', text: ({ created_at: time }) => time }
]
