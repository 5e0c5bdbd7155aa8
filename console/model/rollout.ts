import { bytes, count, counted, lag, percent, plain } from './format.js'
import { named } from './selection.js'
import type { ClusterRequest, DomainEvent, NodeStats, Schema } from './types.js'

/** How far a deployment has come that goes over the nodes in steps. */
export type Rollout = Schema['Rollout']

/** The names of the nodes of each step that is known, by its number. */
export type StepNodes = ReadonlyMap<number, readonly string[]>

/** Returns the steps that are known once a rollout has come so far. */
export function stepsAfter(known: StepNodes, { phase, step, nodes }: Rollout): StepNodes {
  // Those that go back are of all steps.
  return phase === 'reverting' ? known : new Map(known).set(step, nodes)
}

/** Returns the steps of which events tell, whatever their order. */
export const stepsIn = (events: readonly DomainEvent[]): StepNodes =>
  events.reduce<StepNodes>(
    (known, event) => (event.type === 'rollout_progress' ? stepsAfter(known, event) : known),
    new Map()
  )

/** One step, or several that are to come. */
export interface RolloutStep {
  /** For example `Step 3`, `Steps 4 to 6`. */
  title: string
  state: 'done' | 'now' | 'coming' | 'back'
  /** In words, as `done`, `watching`, `5 nodes to come`. */
  text: string
  /** Undefined where they are not known. */
  nodes: readonly string[] | undefined
}

/** So many steps that are done are listed. */
export const stepsListed = 20

/** Returns the numbers of the steps that are listed up to the one that is under way. */
export function numbersListed({ step }: Rollout): number[] {
  const first = Math.max(1, step - stepsListed)
  return Array.from({ length: step - first + 1 }, (_, n) => first + n)
}

/** Returns the steps of a rollout: those that are done, the one that is under way, those that are to come. */
export function rolloutSteps(rollout: Rollout, known: StepNodes): RolloutStep[] {
  const { phase, step, of, nodes, done, total } = rollout
  const all = stepsAfter(known, rollout)
  const isBack = phase === 'reverting'
  const isOver = isStepDone(rollout)
  const reached = numbersListed(rollout).map((number): RolloutStep => {
    const told = { title: `Step ${number}`, nodes: all.get(number) }
    if (isBack) return { ...told, state: 'back', text: 'goes back' }
    if (number < step) return { ...told, state: 'done', text: 'done' }
    return { ...told, state: 'now', text: phase === 'paused' ? 'done' : plain(phase) }
  })
  if (step >= of) return reached
  const title = step + 1 === of ? `Step ${of}` : `Steps ${step + 1} to ${of}`
  const left = total - done - (isOver ? 0 : nodes.length)
  return [
    ...reached,
    { title, state: 'coming', text: isBack ? 'left as it was' : `${counted(left, 'node')} to come`, nodes: undefined }
  ]
}

/** Whether the nodes of the step are changed, and were healthy for long enough. */
const isStepDone = ({ phase }: Rollout) => phase === 'canary' || phase === 'paused'

/** Returns a rollout in a line, as `Revision 12: step 3 of 6, worker-1, worker-2 — watching`. */
export const lineOf = ({ revision, step, of, nodes, phase }: Rollout): string =>
  `Revision ${revision}: step ${step} of ${of}, ${named(nodes.map(node => ({ node })))} — ${plain(phase)}`

/** What people may do with a rollout. */
export type RolloutAction = 'pause' | 'resume' | 'promote' | 'revert' | 'cancel'

/** Returns what may be done in a phase. `isPausing`: it was told to wait before its next step. */
export function actionsIn(phase: string, isPausing: boolean): RolloutAction[] {
  if (phase === 'reverting') return []
  const goesOn: RolloutAction = isPausing || phase === 'paused' ? 'resume' : 'pause'
  return [...(phase === 'canary' ? (['promote'] as const) : []), goesOn, 'revert', 'cancel']
}

type Args = ClusterRequest['arguments']

/** The limits that changed nodes must keep to, in the order of their figures. */
const gates = [
  { name: 'max_drop_percent', noun: 'drop', text: percent, figure: (stats: NodeStats) => stats.dropped_percent },
  { name: 'max_lag_seconds', noun: 'lag', text: lag, figure: (stats: NodeStats) => stats.packet_lag },
  { name: 'max_memory_bytes', noun: 'memory', text: bytes, figure: (stats: NodeStats) => stats.memory_bytes },
  { name: 'max_errors', noun: 'errors', text: count, figure: (stats: NodeStats) => stats.reporter_errors }
] as const

/** What the nodes must run for, unless the arguments say otherwise, in seconds. */
const healthyByDefault = 5

/** Whether figures decide whether it goes on. */
export const hasGates = (args: Args): boolean => gates.some(({ name }) => args[name] !== undefined)

/**
 * Returns what must hold of the nodes of a step before the next one, as `healthy for 5 s, drop at most 5% or as
 * before`.
 */
export function gatesText(args: Args): string {
  const limits = gates.flatMap(({ name, noun, text }) => {
    const limit = args[name]
    return limit === undefined ? [] : [`${noun} at most ${text(limit)} or as before`]
  })
  return [`healthy for ${args.min_healthy_seconds ?? healthyByDefault} s`, ...limits].join(', ')
}

/** Returns the figures of a node for which there are limits, as `drop 0.5%, lag 12 ms`; empty where none is told. */
export function figuresText(args: Args, stats: NodeStats | undefined): string {
  return gates
    .flatMap(({ name, noun, text, figure }) => {
      const value = stats && args[name] !== undefined ? figure(stats) : undefined
      return value === undefined ? [] : [`${noun} ${text(value)}`]
    })
    .join(', ')
}
