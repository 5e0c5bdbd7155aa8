import { eventStream } from '../client/events.js'
import { exitCodes, Failure, type ExitCode } from '../client/failure.js'
import { followed, submit, type ClusterRequest, type RequestType } from '../client/requests.js'
import type { Schema } from '../client/connection.js'
import { printable, printableLine, type Screen } from '../terminal/screen.js'
import { captureTable } from './captures.js'
import { print, printJson, remark, type Io } from './io.js'
import { showingProgress } from './progress.js'
import type { Session } from './session.js'

/** How long a controller that is away is waited for: a restart, or a host's. */
const patienceMs = 300_000

/** The options of what is submitted as a request. */
export interface SubmitFlags {
  json?: true | undefined
  timeout?: number | undefined
  /** False with `--no-wait`. */
  wait?: boolean | undefined
  /** The entity tag that the configuration must have which is changed. */
  ifMatch?: string | undefined
}

/** Says how to come back to a request, when it is left. */
function leaveWith(io: Io, reqid: string): void {
  io.onInterrupt = () => remark(io, `the request goes on; to come back to it: zeek-cluster request wait ${reqid}`)
}

/** Submits a request, and waits until it is finished. Returns undefined when it is not waited for. */
export async function request(
  session: Session,
  type: RequestType,
  args: object,
  flags: SubmitFlags
): Promise<ClusterRequest | undefined> {
  const accepted = await submitted(session, type, args, flags)
  return accepted && (await awaited(session, accepted.reqid))
}

/** Submits a request. Returns undefined when it is not waited for: then its ID is printed. */
async function submitted(
  { io, api, signal }: Session,
  type: RequestType,
  args: object,
  { timeout, wait, ifMatch }: SubmitFlags
): Promise<ClusterRequest | undefined> {
  const accepted = await submit(api, type, args, { signal, timeout, ifMatch })
  if (wait !== false) return accepted
  print(io, accepted.reqid)
  return undefined
}

/** Waits until a request is finished. */
export async function awaited({ io, api, signal, onConnection }: Session, reqid: string): Promise<ClusterRequest> {
  leaveWith(io, reqid)
  return await followed(api, reqid, { signal, onConnection, patienceMs })
}

/** As `request`, with the progress of each node shown; of those that are expected from the start. */
export async function requestWithProgress(
  session: Session,
  type: RequestType,
  args: object,
  { names, ...flags }: SubmitFlags & { names: readonly string[] }
): Promise<ClusterRequest | undefined> {
  const { io, api, signal } = session
  const accepted = await submitted(session, type, args, flags)
  if (!accepted) return undefined
  const { reqid, event_cursor: from } = accepted
  leaveWith(io, reqid)
  // States of nodes are told to all; a request's own stream has only its own.
  const stream = eventStream(api, {
    from,
    types: ['request_progress', 'rollout_progress', 'notify_change', `${type}_response`]
  })
  return await showingProgress(
    session,
    names,
    async watcher => await followed(api, reqid, { ...watcher, signal, patienceMs, stream })
  )
}

/** Says what is odd, for a person. */
export function warn({ io, screen }: Pick<Session, 'io' | 'screen'>, texts: readonly string[]): void {
  remark(io, ...texts.map(text => screen.style('warning', `warning: ${printableLine(text)}`)))
}

type Result = Schema['RequestResult']

/** Prints a finished request: for programs whole, else what each result says. Returns the exit code. */
export function showOutcome(
  { io, screen }: Session,
  finished: ClusterRequest,
  { json }: Pick<SubmitFlags, 'json'>,
  show: (result: Result) => string[] = result => lineOf(result, screen)
): ExitCode {
  const { type, state, results, warnings } = finished
  if (json === true) printJson(io, finished)
  else {
    warn({ io, screen }, warnings)
    if (results.length === 0 && state !== 'succeeded') throw new Failure(exitCodes.failed, `${type} has ended ${state}`)
    for (const result of results) print(io, ...show(result))
  }
  return state === 'succeeded' ? exitCodes.done : exitCodes.failed
}

/** Lines of an output that are shown of a node that has failed. */
const tailLines = 10

/**
 * Returns what a result says: a mark, whose it is, why it has failed, what was found, which logs of captures differ,
 * and its last lines.
 */
export function lineOf(result: Result, screen: Screen): string[] {
  const { success, error, data } = result
  const { style, symbols } = screen
  const mark = success ? style('good', symbols.done) : style('bad', symbols.failed)
  const found = data?.findings ?? []
  // The error of a check is the first of what was found.
  const isFound = found.some(({ level }) => level === 'error')
  const text = [ownerOf(result), error === undefined || isFound ? undefined : printableLine(error)].filter(
    part => part !== undefined
  )
  const findings = found.map(({ level, message, file, line }) => {
    const place = file === undefined ? '' : `${file}${line === undefined ? '' : `:${line}`}: `
    return `  ${style(level === 'error' ? 'bad' : 'warning', level)}: ${printableLine(`${place}${message}`)}`
  })
  const outputs = success ? [] : [data?.stderr, data?.stdout].flatMap(output => tailOf(output, style))
  const differing = captureTable(data?.captures ?? [], screen)
  return [`${mark} ${text.join(': ') || (success ? 'done' : 'failed')}`, ...findings, ...differing, ...outputs]
}

function ownerOf({ node, instance, data }: Result): string | undefined {
  return data?.captures ? `captures${instance === undefined ? '' : ` on ${instance}`}` : (node ?? instance)
}

function tailOf(output: string | undefined, style: Screen['style']): string[] {
  const lines = printable(output ?? '')
    .trimEnd()
    .split('\n')
  return lines
    .filter(line => line !== '')
    .slice(-tailLines)
    .map(line => style('quiet', `  | ${line}`))
}

/** Throws the Failure of a command that does not guess which nodes are meant. */
export function refuseAll(verb: string): never {
  throw new Failure(
    exitCodes.usage,
    `which nodes? Name them, select them (--role, --instance), or say zeek-cluster ${verb} --all`
  )
}
