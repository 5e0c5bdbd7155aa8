import { InvalidArgumentError, Option, type Command, type OptionValues } from '@commander-js/extra-typings'
import { exitCodes, Failure } from '../client/failure.js'
import { defined } from '../util.js'
import { withExamples } from './examples.js'
import { print, printJson, type Io } from './io.js'
import { nameList, ofController, positive, toJson, wholeFrom } from './options.js'
import { open, type Session } from './session.js'

const strategies = ['at_once', 'by_role', 'rolling'] as const

/** Adds the options that say how a deployment goes over the nodes. */
export function goesInSteps<A extends unknown[], O extends OptionValues>(
  command: Command<A, O>
): Command<A, O & StepFlags> {
  // One by one their types would cost the compiler minutes.
  const plain: Command<A> = command as never
  plain.optionsGroup('In steps:')
  for (const option of stepOptions()) plain.addOption(option)
  return plain as never
}

/** Options that choose instances. */
export const onInstances = () =>
  new Option('--on <instances>', 'only on these instances; the others stay as they are').argParser(nameList)
export const onLabel = () =>
  new Option('--on-label <label=value>', 'only on instances with this label; several: with all').argParser(labelOf)

const stepOptions = (): Option[] => [
  onInstances(),
  onLabel(),
  new Option('--strategy <strategy>', 'all nodes at once, by role, or rolling: a few at a time').choices(strategies),
  new Option('--max-parallel <number>', 'how many at a time, or so many % of a role; default: 1').argParser(
    numberOrPercent
  ),
  new Option('--max-per-instance <number>', 'how many of them on one instance').argParser(wholeFrom(1)),
  new Option('--healthy <seconds>', 'how long they must run before the next ones; default: 5').argParser(notNegative),
  new Option('--max-drop <percent>', 'packets that a worker may drop, unless it dropped more before').argParser(
    notNegative
  ),
  new Option('--max-lag <seconds>', 'how far behind a worker may be, unless it was further before').argParser(
    notNegative
  ),
  new Option('--max-memory <bytes>', 'memory that a node may use, unless it used more before').argParser(wholeFrom(1)),
  new Option('--max-errors <number>', 'errors that a node may report, unless it reported more before').argParser(
    wholeFrom(0)
  ),
  new Option('--no-auto-revert', 'leave what was changed when a step fails'),
  new Option('--canary <number>', 'how many workers first; then `rollout promote` or `rollout revert`').argParser(
    wholeFrom(1)
  ),
  new Option('--canary-time <seconds>', 'how long they wait for that; default: 600').argParser(positive),
  new Option('--auto-promote', 'promote them then, instead of reverting'),
  new Option('--skip-failed', 'go on without nodes that fail their check')
]

export type StepFlags = {
  on?: string[] | undefined
  onLabel?: Record<string, string> | undefined
  strategy?: (typeof strategies)[number] | undefined
  maxParallel?: { number: number } | { percent: number } | undefined
  maxPerInstance?: number | undefined
  healthy?: number | undefined
  maxDrop?: number | undefined
  maxLag?: number | undefined
  maxMemory?: number | undefined
  maxErrors?: number | undefined
  /** False with `--no-auto-revert`. */
  autoRevert?: boolean | undefined
  canary?: number | undefined
  canaryTime?: number | undefined
  autoPromote?: true | undefined
  skipFailed?: true | undefined
}

/** Returns the arguments of a deployment that say how it goes over the nodes. */
export const stepArguments = ({ maxParallel, autoRevert, skipFailed, ...flags }: StepFlags) =>
  defined({
    instances: flags.on,
    labels: flags.onLabel,
    strategy: flags.strategy,
    max_parallel: maxParallel && 'number' in maxParallel ? maxParallel.number : undefined,
    max_parallel_percent: maxParallel && 'percent' in maxParallel ? maxParallel.percent : undefined,
    max_parallel_per_instance: flags.maxPerInstance,
    min_healthy_seconds: flags.healthy,
    max_drop_percent: flags.maxDrop,
    max_lag_seconds: flags.maxLag,
    max_memory_bytes: flags.maxMemory,
    max_errors: flags.maxErrors,
    auto_revert: autoRevert === false ? false : undefined,
    canary: flags.canary,
    canary_seconds: flags.canaryTime,
    auto_promote: flags.autoPromote,
    on_check_failure: skipFailed ? ('skip' as const) : undefined
  })

function notNegative(text: string): number {
  const value = Number(text)
  if (!(value >= 0) || text.trim() === '') throw new InvalidArgumentError('It is a number from 0.')
  return value
}

function labelOf(text: string, before: Record<string, string> = {}): Record<string, string> {
  const [, label, value] = /^([^=]+)=(.*)$/.exec(text) ?? []
  if (label === undefined || value === undefined) throw new InvalidArgumentError('It is a label, = and its value.')
  return { ...before, [label]: value }
}

function numberOrPercent(text: string): { number: number } | { percent: number } {
  if (!text.endsWith('%')) return { number: wholeFrom(1)(text) }
  const percent = wholeFrom(1)(text.slice(0, -1))
  if (percent > 100) throw new InvalidArgumentError('It is at most 100%.')
  return { percent }
}

const actions = {
  pause: ['have it wait before its next step', 'paused'],
  resume: ['have it go on', 'resumed'],
  promote: ['have it go on after its canary', 'promoted'],
  revert: ['have the nodes that were changed go back, and end it', 'reverting'],
  cancel: ['end it: what was changed goes back, unless it was to stay', 'cancelled']
} as const
type Action = keyof typeof actions

/** `rollout`: what may be done with a deployment in steps while it is under way. */
export function defineRollout(program: Command, io: Io): void {
  const parent = program
    .command('rollout')
    .helpGroup('Deployment:')
    .summary('direct a deployment in steps')
    .description('Pauses, promotes, reverts or cancels a deployment that goes over the nodes in steps.')
  withExamples(
    parent,
    ['zeek-cluster rollout promote', 'the canary does well: go on'],
    ['zeek-cluster rollout revert', 'it does not: go back']
  )
  for (const action of Object.keys(actions) as Action[]) {
    const [summary, done] = actions[action]
    const command = ofController(
      toJson(
        parent
          .command(action)
          .summary(summary)
          .description(
            `${summary[0]!.toUpperCase()}${summary.slice(1)}. Without an ID it is the deployment that is under way.`
          )
          .argument('[reqid]', 'the request that deploys')
      )
    )
    withExamples(
      command,
      [`zeek-cluster rollout ${action}`, 'the deployment that is under way'],
      [`zeek-cluster rollout ${action} 0b9f7a52-4b0c-4a53-9f5c-6f8c1f1d8a44`, 'only if it is this one']
    )
    command.action(async (given, flags) => {
      const session = await open(io, flags)
      const reqid = given ?? (await underWay(session))
      const request = await direct(session, action, reqid)
      if (flags.json === true) printJson(io, request)
      else print(io, `${done}: ${reqid}`)
    })
  }
}

async function underWay({ api, signal }: Session): Promise<string> {
  const query = { type: 'deploy', state: 'pending', limit: 1 } as const
  const { data } = await api.GET('/v1/requests', { params: { query }, signal })
  const reqid = data!.requests[0]?.reqid
  if (reqid === undefined) throw new Failure(exitCodes.failed, 'no deployment is under way')
  return reqid
}

async function direct({ api, signal }: Session, action: Action, reqid: string) {
  const options = { params: { path: { reqid } }, signal }
  const { data } =
    action === 'cancel'
      ? await api.DELETE('/v1/requests/{reqid}', options)
      : await api.POST(`/v1/requests/{reqid}/${action}`, options)
  return data!
}
