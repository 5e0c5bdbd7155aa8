import type { NodeStep } from '../../../schemas/operations.js'
import type { ClusterNode, Outcome } from '../../../schemas/types.js'
import { AppError, messageOf, requestTimedOut } from '../../errors.js'
import type { AnswerOf, ParamsOf, PartOf } from '../../protocol/methods.js'
import type { Task } from '../../requests/task.js'
import { groupBy } from '../../util.js'
import type { AgentMethod, AgentMethods, Fleet } from '../fleet.js'

/** Returns a function that reports what an instance waits for, during its part, as progress of the request. */
export function tellsSteps(
  fleet: Fleet,
  { reqid, tell }: Task
): (instance: string, steps: readonly NodeStep[]) => void {
  return (instance, steps) => {
    // A deployment also stops nodes that nobody asks about any more.
    const known = steps.filter(({ node }) => fleet.knows(instance, node))
    const waiting = [...new Map(known.map(step => [step.node, step])).values()]
    if (!fleet.mayCause(instance, waiting)) return
    tell({ type: 'request_progress', reqid, instance, results: [], waiting })
  }
}

/** A question to the agent of an instance, for its part of a request. */
export interface InstanceQuestion<M extends AgentMethod> {
  instance: string
  method: M
  params: ParamsOf<AgentMethods[M]>
  /** The nodes that it is about; undefined when it is about the instance as a whole. */
  nodes?: readonly string[]
  /** Called with each part that the instance sends before its answer. */
  onPart?: ((part: PartOf<AgentMethods[M]>) => void) | undefined
  /** Called with every outcome, answered or not, before it is reported. */
  heard?: ((outcomes: readonly Outcome[]) => void) | undefined
}

/** The methods that answer with outcomes. */
export type OutcomeMethod = {
  [M in AgentMethod]: AnswerOf<AgentMethods[M]> extends readonly object[] ? M : never
}[AgentMethod]

/**
 * Asks an instance, and reports the outcomes as progress. Resolves with whether it did not answer in time; what it has
 * said last of what it waits for is then the error of those nodes.
 */
export async function askInstance<M extends OutcomeMethod>(
  fleet: Fleet,
  task: Pick<Task, 'reqid' | 'remainingMs' | 'progress'>,
  { instance, method, params, nodes, onPart, heard }: InstanceQuestion<M>
): Promise<boolean> {
  let timedOut = false
  let last: Heard = { steps: [], at: 0 }
  const listen = (part: PartOf<AgentMethods[M]>) => {
    if (isSteps(part)) last = { steps: part, at: performance.now() }
    onPart?.(part)
  }
  const outcomes = await fleet
    .ask(instance, method, params, { timeoutMs: task.remainingMs(), reqid: task.reqid, onPart: listen })
    .then(
      answer => attributed(answer as Outcome[], instance, nodes),
      (error: unknown) => {
        timedOut = error instanceof AppError && error.code === 'timeout'
        const found = failures(timedOut ? requestTimedOut : messageOf(error), instance, nodes)
        return timedOut ? found.map(outcome => withStep(outcome, last, performance.now())) : found
      }
    )
  heard?.(outcomes)
  task.progress(instance, outcomes)
  return timedOut
}

/** The steps that an instance waited for when it last said so. */
interface Heard {
  steps: readonly NodeStep[]
  at: number
}

const isSteps = (part: unknown): part is NodeStep[] =>
  Array.isArray(part) && part.every(one => 'state' in one && 'seconds' in one)

/**
 * Returns the failure of a node that was not done in time, in the words of an agent that answers, if it is known why.
 */
function withStep(failure: Outcome, { steps, at }: Heard, now: number): Outcome {
  const step = steps.find(({ node }) => node === failure.node)
  if (!step) return failure
  return {
    ...failure,
    success: false,
    error: `still ${step.state} after ${step.seconds + Math.round((now - at) / 1000)} s`
  }
}

/** Returns a failure of each node; of the instance, when the question was about the whole. */
function failures(error: string, instance: string, nodes: readonly string[] | undefined): Outcome[] {
  if (!nodes) return [{ success: false, instance, error }]
  return nodes.map(node => ({ success: false, instance, node, error }))
}

/**
 * Returns what an agent has answered as the outcomes of its instance and of the nodes that it was asked about, one for
 * each: an agent speaks for no other.
 */
function attributed(answer: readonly Outcome[], instance: string, nodes: readonly string[] | undefined): Outcome[] {
  if (!nodes) return answer.slice(0, 1).map(({ node: _node, ...outcome }) => ({ ...outcome, instance }) as Outcome)
  const said = new Map(answer.map(outcome => [outcome.node, outcome]))
  return nodes.map((node): Outcome => {
    const outcome = said.get(node) ?? {
      success: false,
      error: `the agent of ${instance} does not say what became of it`
    }
    return { ...outcome, instance, node } as Outcome
  })
}

export interface NodeQuestion<M extends AgentMethod> extends Pick<InstanceQuestion<M>, 'method' | 'heard'> {
  /** Returns the parameters of the question to an instance about these of its nodes. */
  params: (nodes: string[], instance: string) => ParamsOf<AgentMethods[M]>
  /** Called with each part that an instance sends before its answer. */
  onPart?: ((instance: string, part: PartOf<AgentMethods[M]>) => void) | undefined
}

/**
 * Asks each instance about its own nodes among these, and reports one outcome per node as progress. Resolves with
 * whether an instance did not answer in time.
 */
export async function askNodes<M extends OutcomeMethod>(
  fleet: Fleet,
  task: Task,
  nodes: readonly ClusterNode[],
  { method, params, onPart, heard }: NodeQuestion<M>
): Promise<boolean> {
  const late = await Promise.all(
    [...groupBy(nodes, node => node.instance)].map(([instance, group]) => {
      const names = group.map(({ name }) => name)
      return askInstance(fleet, task, {
        instance,
        method,
        params: params(names, instance),
        nodes: names,
        onPart: onPart && ((part: PartOf<AgentMethods[M]>) => onPart(instance, part)),
        heard
      })
    })
  )
  return late.includes(true)
}
