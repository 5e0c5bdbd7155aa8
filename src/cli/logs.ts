import { Option, type Command } from '@commander-js/extra-typings'
import type { Schema } from '../client/connection.js'
import type { Followed } from '../client/events.js'
import { exitCodes } from '../client/failure.js'
import { ask, followed, submit } from '../client/requests.js'
import { printable, printableLine, type Screen } from '../terminal/screen.js'
import { withExamples } from './examples.js'
import { print, printJsonLine, remark, type Io } from './io.js'
import { ofController, selectorOf, selectsNodes, toJson, wholeFrom } from './options.js'
import { showOutcome } from './requests.js'
import { open, type Session } from './session.js'

type OutputStream = Schema['NodeOutputStream']

/**
 * How long a request follows, in seconds, before the next one does, and the most lines of a node that it tells. A
 * request goes on when who reads has gone: so not for longer than a few minutes.
 */
const followSeconds = 300
const followLines = 100_000
/** Lines that are asked for again when following has to begin anew, to go on where it was. */
const overlapLines = 200

export function defineLogs(program: Command, io: Io): void {
  const command = ofController(
    selectsNodes(
      toJson(
        program
          .command('logs')
          .helpGroup('Nodes:')
          .summary('show what nodes write')
          .description(
            'Shows the last lines that nodes have written to stdout and stderr. (The logs of what Zeek sees, as conn.log, are files of the loggers.)'
          )
          .argument('[nodes...]', 'names of nodes; default: all')
          .option('-f, --follow', 'go on with what they write')
          .option('-n, --lines <count>', 'how many lines of each', wholeFrom(0), 20)
          .option('--previous', 'of the process before the present one')
          .option('--incarnation <count>', 'of the process so many before the present one', wholeFrom(0))
          .addOption(new Option('--stream <stream>', 'only this one').choices(['stdout', 'stderr']))
      )
    )
  )
  withExamples(
    command,
    ['zeek-cluster logs worker-1', 'its last lines'],
    ['zeek-cluster logs -f --role worker', 'what all workers write, as they write it'],
    ['zeek-cluster logs --previous worker-1', 'the last lines of the process before']
  )
  command.action(async (nodes, { follow, lines, previous, stream, json, ...options }) => {
    const incarnation = options.incarnation ?? (previous === true ? 1 : 0)
    if (follow === true && incarnation > 0) command.error('error: --follow shows the present process only')
    const session = await open(io, options)
    const args = {
      ...selectorOf(nodes, options),
      lines,
      ...(stream === undefined ? {} : { stream: stream as OutputStream })
    }
    if (follow === true) {
      return await followLogs(session, args, json === true).catch((error: unknown) => {
        // Ctrl-C is how it ends.
        if (!session.signal.aborted) throw error
      })
    }
    const finished = await ask(session.api, 'get_node_output', { ...args, incarnation }, { signal: session.signal })
    const writer = new LineWriter(session, finished.results.length > 1)
    io.exitCode = showOutcome(session, finished, { json }, ({ node, error, data }) => {
      if (error !== undefined) remark(io, session.screen.style('bad', `${node ?? 'logs'}: ${printableLine(error)}`))
      for (const text of [data?.stdout, data?.stderr]) writer.write(node ?? '', linesIn(text))
      return []
    })
  })
}

interface OutputQuery {
  nodes?: string[]
  lines: number
  stream?: OutputStream
}

/** Writes what nodes write, until Ctrl-C. */
async function followLogs(session: Session, args: OutputQuery, json: boolean): Promise<void> {
  const { io, api, signal, onConnection } = session
  const writer = new LineWriter(session, args.nodes?.length !== 1)
  const tails = new Tails()
  const onEvent = (event: Followed) => {
    if (event.type !== 'node_output') return
    const fresh = tails.freshOf(`${event.node} ${event.stream}`, event.lines)
    if (!json) writer.write(event.node, fresh)
    else if (fresh.length > 0) printJsonLine(io, { ...event, lines: fresh })
  }
  for (let lines = args.lines; !signal.aborted; lines = overlapLines) {
    const { reqid } = await submit(
      api,
      'get_node_output',
      { ...args, lines, follow: true, duration: followSeconds, max_lines: followLines },
      { signal }
    )
    tails.beginAnew()
    const { state, results } = await followed(api, reqid, { signal, onConnection, onEvent })
    // The controller was restarted.
    if (state === 'interrupted') continue
    const refused = results.filter(({ success }) => !success)
    for (const { node, error } of refused) remark(io, `${node ?? 'logs'}: ${printableLine(error ?? 'failed')}`)
    if (refused.length === results.length) {
      io.exitCode = exitCodes.failed
      return
    }
  }
}

const linesIn = (text: string | undefined): string[] =>
  text === undefined || text === '' ? [] : text.replace(/\n$/, '').split('\n')

/** Writes lines of nodes, with the node's name before each where there are several. */
class LineWriter {
  #session: Session
  #isPrefixed: boolean
  #tones = ['good', 'warning', 'strong', 'quiet'] as const
  #nodes: string[] = []

  constructor(session: Session, isPrefixed: boolean) {
    this.#session = session
    this.#isPrefixed = isPrefixed
  }

  write(node: string, lines: readonly string[]): void {
    const { io, screen } = this.#session
    const prefix = this.#isPrefixed ? `${this.#prefixOf(node, screen)} ` : ''
    print(io, ...lines.map(line => `${prefix}${printable(line)}`))
  }

  #prefixOf(node: string, { style }: Screen): string {
    if (!this.#nodes.includes(node)) this.#nodes.push(node)
    return style(this.#tones[this.#nodes.indexOf(node) % this.#tones.length]!, `${node} |`)
  }
}

/** The last lines of each output, to tell what is new when they are told again. */
export class Tails {
  #tails = new Map<string, string[]>()
  /** Outputs whose next lines may be ones that were told before. */
  #repeating = new Set<string>()

  /** Says that from now on each output begins with lines that were told, as far as there are some. */
  beginAnew(): void {
    this.#repeating = new Set(this.#tails.keys())
  }

  /** Returns the lines that were not told before. */
  freshOf(output: string, lines: readonly string[]): readonly string[] {
    const tail = this.#tails.get(output) ?? []
    const repeated = this.#repeating.delete(output) ? overlap(tail, lines) : 0
    const fresh = lines.slice(repeated)
    this.#tails.set(output, [...tail, ...fresh].slice(-overlapLines))
    return fresh
  }
}

/** Returns how many of the first lines are those that were told last, or lie before them. */
export function overlap(tail: readonly string[], lines: readonly string[]): number {
  for (let end = Math.min(lines.length, tail.length + lines.length); end > 0; end--) {
    const length = Math.min(end, tail.length)
    if (length === 0) return 0
    const isTail = Array.from({ length }, (_, at) => at + 1).every(
      back => lines[end - back] === tail[tail.length - back]
    )
    if (isTail) return end
  }
  return 0
}
