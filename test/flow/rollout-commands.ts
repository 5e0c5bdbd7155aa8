import fc from 'fast-check'
import type { Arguments } from '../../schemas/api.js'
import type { RolloutAction, RolloutPhase } from '../../schemas/rollouts.js'
import { configurationOf, type Model, type Spec, type Specs } from './rollout-model.js'
import { hosts, type Host, type World } from './rollout-world.js'

type Command = fc.AsyncCommand<Model, World>

/** The nodes that there may be. */
const roles: Record<string, Spec['role']> = {
  manager: 'MANAGER',
  'logger-1': 'LOGGER',
  'worker-1': 'WORKER',
  'worker-2': 'WORKER',
  'worker-3': 'WORKER',
  'worker-4': 'WORKER'
}

/** What is deployed at first. */
export const first: Specs = Object.fromEntries(
  Object.entries(roles).map(([name, role], n): [string, Spec] => [
    name,
    { instance: role === 'WORKER' ? hosts[1 + (n % 2)]! : hosts[0], role, env: { COLOUR: 'red' } }
  ])
)

const anyHost = fc.constantFrom(...hosts)
const anyNode = fc.constantFrom(...Object.keys(roles))
/** Without a manager no other node can join. */
const anyOther = fc.constantFrom(...Object.keys(roles).filter(name => roles[name] !== 'MANAGER'))
const anyWorker = fc.constantFrom(...Object.keys(roles).filter(name => roles[name] === 'WORKER'))

/** How a staged configuration is changed. */
type Edit = { node: string } & ({ colour: string } | { moves: Host } | { toggles: true } | { breaks: true })

const anyEdit: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ node: anyNode, colour: fc.constantFrom('red', 'green', 'blue') }) },
  { weight: 3, arbitrary: fc.record({ node: anyWorker, moves: anyHost }) },
  { weight: 2, arbitrary: fc.record({ node: anyWorker, toggles: fc.constant(true as const) }) },
  { weight: 1, arbitrary: fc.record({ node: anyWorker, breaks: fc.constant(true as const) }) }
)

function edited(specs: Specs, edit: Edit): Specs {
  const { node } = edit
  const before = specs[node] ?? { ...first[node]!, env: { COLOUR: 'green' } }
  const { [node]: _gone, ...others } = specs
  if ('toggles' in edit && specs[node]) return others
  const env = 'colour' in edit ? { COLOUR: edit.colour } : before.env
  return {
    ...others,
    [node]: {
      ...before,
      ...('moves' in edit && { instance: edit.moves }),
      env: 'breaks' in edit ? { COLOUR: 'red', STAND_IN: 'exit=1' } : env
    }
  }
}

class Stage implements Command {
  #edits: readonly Edit[]
  constructor(edits: readonly Edit[]) {
    this.#edits = edits
  }
  check = () => true
  async run(model: Model, world: World): Promise<void> {
    model.staged = this.#edits.reduce(edited, model.staged)
    await world.ask('stage_configuration', { config: configurationOf(model.staged) })
  }
  toString = () => `stage ${JSON.stringify(this.#edits)}`
}

/** How far a deployment is followed before something else happens. */
interface Point {
  phase: RolloutPhase
  step: number
}

class Deploy implements Command {
  #args: Arguments<'deploy'>
  #until: Point | undefined
  /** Counts from the newest revision; undefined for the staged configuration. */
  #back: number | undefined
  constructor(args: Arguments<'deploy'>, until: Point | undefined, back: number | undefined) {
    this.#args = args
    this.#until = until
    this.#back = back
  }
  check = ({ asked }: Readonly<Model>) => !asked
  async run(model: Model, world: World): Promise<void> {
    const revisions = [...model.revisions.keys()]
    const revision = this.#back === undefined ? undefined : revisions.at(-1 - (this.#back % revisions.length))
    const after = revision === undefined ? model.staged : model.revisions.get(revision)!
    const before = await world.deployed()
    const reqid = await world.submit('deploy', { ...this.#args, ...(revision !== undefined && { revision }) })
    model.asked = { reqid, isInSteps: this.#args.strategy !== 'at_once', before, after, isOrdered: false }
    const { phase, step } = this.#until ?? {}
    await world.until(
      reqid,
      ({ rollout }) =>
        step !== undefined &&
        rollout !== undefined &&
        (rollout.step > step || (rollout.step === step && rollout.phase === phase))
    )
  }
  toString = () =>
    `deploy ${this.#back === undefined ? '' : `the revision ${this.#back} before `}${JSON.stringify(this.#args)}${
      this.#until ? ` until it is ${this.#until.phase} in step ${this.#until.step}` : ''
    }`
}

class Direct implements Command {
  #action: RolloutAction
  constructor(action: RolloutAction) {
    this.#action = action
  }
  check = ({ asked }: Readonly<Model>) => asked?.isInSteps === true
  async run({ asked }: Model, world: World): Promise<void> {
    const isAccepted = await world.direct(asked!.reqid, this.#action)
    if (isAccepted && ['cancel', 'revert'].includes(this.#action)) asked!.isOrdered = true
  }
  toString = () => this.#action
}

class CloseAgent implements Command {
  #host: Host
  constructor(host: Host) {
    this.#host = host
  }
  check = ({ away }: Readonly<Model>) => !away.has(this.#host)
  async run({ away }: Model, world: World): Promise<void> {
    away.add(this.#host)
    await world.closeAgent(this.#host)
  }
  toString = () => `close the agent of ${this.#host}`
}

class StartAgent implements Command {
  #host: Host
  constructor(host: Host) {
    this.#host = host
  }
  check = ({ away }: Readonly<Model>) => away.has(this.#host)
  async run({ away }: Model, world: World): Promise<void> {
    away.delete(this.#host)
    await world.startAgent(this.#host)
  }
  toString = () => `start the agent of ${this.#host}`
}

class RestartController implements Command {
  check = () => true
  async run(_model: Model, world: World): Promise<void> {
    await world.closeController()
    await world.startController()
  }
  toString = () => 'restart the controller'
}

class SetDesired implements Command {
  #type: 'start' | 'stop'
  #node: string
  constructor(type: 'start' | 'stop', node: string) {
    this.#type = type
    this.#node = node
  }
  check = () => true
  async run({ stopped }: Model, world: World): Promise<void> {
    const { results } = await world.ask(this.#type, { nodes: [this.#node] })
    if (results.some(result => !result.success && /unknown cluster node/.test(result.error ?? ''))) return
    if (this.#type === 'stop') stopped.add(this.#node)
    else stopped.delete(this.#node)
  }
  toString = () => `${this.#type} ${this.#node}`
}

class Kill implements Command {
  #node: string
  constructor(node: string) {
    this.#node = node
  }
  check = () => true
  async run(_model: Model, world: World): Promise<void> {
    for (const { node, pid } of world.processes()) if (node === this.#node) process.kill(pid, 'SIGKILL')
  }
  toString = () => `kill -9 ${this.#node}`
}

/** Has all come back and end, and checks it. */
export class Settle implements Command {
  check = () => true
  async run(model: Model, world: World): Promise<void> {
    for (const host of model.away) await world.startAgent(host)
    model.away.clear()
    if (model.asked) {
      const { reqid } = model.asked
      await world.direct(reqid, 'resume')
      await world.until(reqid, ({ rollout }) => rollout?.phase === 'paused')
      await world.direct(reqid, 'resume')
    }
    await model.check(world)
  }
  toString = () => 'settle'
}

const anyArgs: fc.Arbitrary<Arguments<'deploy'>> = fc
  .record({
    strategy: fc.constantFrom('at_once', 'by_role', 'rolling', 'rolling', 'rolling'),
    max_parallel: fc.integer({ min: 1, max: 3 }),
    canary: fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined }),
    auto_promote: fc.boolean(),
    auto_revert: fc.boolean(),
    check: fc.constantFrom(true, false, false, false),
    force: fc.constantFrom(true, false, false, false)
  })
  .map(({ strategy, max_parallel: most, canary, auto_promote: promotes, auto_revert: reverts, ...args }) => ({
    ...args,
    strategy,
    ...(strategy !== 'at_once' && { auto_revert: reverts, min_healthy_seconds: 0.3 }),
    ...(strategy === 'rolling' && { max_parallel: most }),
    ...(strategy !== 'at_once' && canary !== undefined && { canary, canary_seconds: 2, auto_promote: promotes })
  })) as fc.Arbitrary<Arguments<'deploy'>>

const anyUntil: fc.Arbitrary<Point> = fc.record({
  phase: fc.constantFrom('changing', 'watching', 'canary'),
  step: fc.integer({ min: 1, max: 4 })
})

const deploys = fc
  .tuple(anyArgs, fc.option(anyUntil, { freq: 4, nil: undefined }), fc.option(fc.nat(4), { freq: 1, nil: undefined }))
  .map(([args, until, back]) => new Deploy(args, until, back))
const stages = fc.array(anyEdit, { minLength: 1, maxLength: 4 }).map(edits => new Stage(edits))

/** What may happen to a world, the commoner the more often. */
export const anyCommands = (most: number) =>
  fc.commands(
    [
      ...[stages, stages, deploys, deploys, deploys, deploys],
      fc
        .constantFrom('pause', 'resume', 'promote', 'revert', 'cancel')
        .map(action => new Direct(action as RolloutAction)),
      fc.constantFrom('pause', 'promote', 'cancel').map(action => new Direct(action as RolloutAction)),
      anyHost.map(host => new CloseAgent(host)),
      anyHost.map(host => new StartAgent(host)),
      fc.constant(new RestartController()),
      fc.tuple(fc.constantFrom('start', 'stop'), anyOther).map(([type, node]) => new SetDesired(type as 'stop', node)),
      anyNode.map(node => new Kill(node)),
      ...[fc.constant(new Settle()), fc.constant(new Settle())]
    ],
    { maxCommands: most, size: 'max' }
  )
