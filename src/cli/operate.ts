import type { Command } from '@commander-js/extra-typings'
import type { TargetOptions } from '../client/target.js'
import { withExamples } from './examples.js'
import type { Io } from './io.js'
import { ofController, selectorOf, selectsNodes, submits, toJson, wholeFrom, type Selection } from './options.js'
import { open } from './session.js'
import { readNodes } from './status.js'
import { refuseAll, requestWithProgress, showOutcome, type SubmitFlags } from './requests.js'

type Verb = 'start' | 'stop' | 'restart'
interface Flags extends TargetOptions, Selection, SubmitFlags {
  all?: true | undefined
  /** Arguments of the request beside the selectors. */
  more?: object
}

const meanings: Record<Verb, string> = {
  start:
    'Says that nodes are to run from now on, whatever is restarted or deployed, and waits until they have joined. Without nodes it starts the server on this host: `start [--controller] [--agent] [--config FILE] [--SETTING VALUE]...` runs the supervisor with a controller, an agent, or (neither named) both.',
  stop: 'Says that nodes are to be stopped from now on, until they are started again, and waits until they are.',
  restart: 'Gives nodes new processes, and waits until they have joined. Those that are to be stopped stay so.'
}

/** Adds what start, stop and restart have in common. */
function define(program: Command, verb: Verb) {
  return ofController(
    submits(
      selectsNodes(
        toJson(
          program
            .command(verb)
            .helpGroup('Nodes:')
            .summary(verb === 'start' ? 'start nodes; without any, the server on this host' : `${verb} nodes`)
            .description(meanings[verb])
            .argument('[nodes...]', 'names of nodes')
            .option('--all', 'all nodes that are deployed')
        )
      )
    )
  )
}

/** Adds why, to what starts or stops nodes. */
const saysWhy = (command: ReturnType<typeof define>) =>
  command.optionsGroup('How:').option('--comment <text>', 'why, for who looks at the request later')

const whyOf = (comment: string | undefined) => (comment === undefined ? {} : { more: { comment } })

export function defineStop(program: Command, io: Io): void {
  const command = saysWhy(define(program, 'stop'))
  withExamples(
    command,
    ['zeek-cluster stop worker-1', 'one node'],
    ["zeek-cluster stop --instance sensor-2 --comment 'a new disk'", 'all nodes of a host, and why']
  )
  command.action(
    async (nodes, { comment, ...flags }) => await operate(io, 'stop', nodes, { ...flags, ...whyOf(comment) })
  )
}

/** Defines `start` for nodes; without nodes it starts the server. */
export function defineStartNodes(program: Command, io: Io): void {
  const command = saysWhy(define(program, 'start'))
  withExamples(
    command,
    ['zeek-cluster start worker-1', 'one node'],
    ['zeek-cluster start --role worker', 'all workers that were stopped'],
    ['zeek-cluster start --controller --agent', 'the server on this host; zeek-cluster settings lists what it takes']
  )
  command.action(
    async (nodes, { comment, ...flags }) => await operate(io, 'start', nodes, { ...flags, ...whyOf(comment) })
  )
}

export function defineRestart(program: Command, io: Io): void {
  const command = define(program, 'restart')
    .optionsGroup('How:')
    .option('--rolling', 'a few at a time, the next only when those before run again')
    .option('--max-parallel <count>', 'how many at a time, when rolling; default: 1', wholeFrom(1))
  withExamples(
    command,
    ['zeek-cluster restart worker-1 worker-2', 'two nodes'],
    ['zeek-cluster restart --role worker --rolling --max-parallel 2', 'all workers, two at a time']
  )
  command.action(async (nodes, { rolling, maxParallel, ...flags }) => {
    const isRolling = rolling === true || maxParallel !== undefined
    const more = {
      ...(isRolling ? { strategy: 'rolling' } : {}),
      ...(maxParallel === undefined ? {} : { max_parallel: maxParallel })
    }
    await operate(io, 'restart', nodes, { ...flags, more })
  })
}

async function operate(io: Io, verb: Verb, nodes: readonly string[], { more, ...flags }: Flags): Promise<void> {
  const selector = selectorOf(nodes, flags)
  if (Object.keys(selector).length === 0 && flags.all !== true) refuseAll(verb)
  const session = await open(io, flags)
  // To show how many there are; the controller decides which are meant, and what of those that are not known.
  const known = await readNodes(session, { nodes: [], selection: flags, all: false })
  const names = known.nodes.map(({ node }) => node).filter(name => nodes.length === 0 || nodes.includes(name))
  const finished = await requestWithProgress(session, verb, { ...selector, ...more }, { ...flags, names })
  if (finished) io.exitCode = showOutcome(session, finished, flags)
}
