import type { NodeStep } from '../../../schemas/operations.js'
import type { Node, Outcome } from '../../../schemas/types.js'
import { AppError, messageOf, requestTimedOut } from '../../errors.js'
import type { AnswerOf, ParamsOf, PartOf } from '../../protocol/methods.js'
import type { Task } from '../../requests/task.js'
import { groupBy } from '../../util.js'
import type { AgentMethod, AgentMethods, Fleet } from '../fleet.js'

/** Returns a function that reports what an instance waits for, during its part, as progress of the request. */
export function tellsSteps({ reqid, tell }: Task): (instance: string, steps: NodeStep[]) => void {
  return (instance, waiting) => tell({ type: 'request_progress', reqid, instance, results: [], waiting })
}

/** A question to the agent of an instance, for its part of a request. */
export interface InstanceQuestion<M extends AgentMethod> {
  instance: string
  method: M
  params: ParamsOf<AgentMethods[M]>
  /** Returns the outcomes for the request when the instance does not answer, or refuses. */
  unanswered: (error: string) => Outcome[]
  /** Called with each part that the instance sends before its answer. */
  onPart?: ((part: PartOf<AgentMethods[M]>) => void) | undefined
  /** Called with every outcome, answered or not, before it is reported. */
  heard?: ((outcomes: readonly Outcome[]) => void) | undefined
}

/** The methods that answer with outcomes. */
export type OutcomeMethod = {
  [M in AgentMethod]: AnswerOf<AgentMethods[M]> extends readonly object[] ? M : never
}[AgentMethod]

/** Asks an instance, and reports the outcomes as progress. Resolves with whether it did not answer in time. */
export async function askInstance<M extends OutcomeMethod>(
  fleet: Fleet,
  task: Pick<Task, 'reqid' | 'remainingMs' | 'progress'>,
  { instance, method, params, unanswered, onPart, heard }: InstanceQuestion<M>
): Promise<boolean> {
  let timedOut = false
  const outcomes = await fleet
    .ask(instance, method, params, { timeoutMs: task.remainingMs(), reqid: task.reqid, onPart })
    .then(
      answer => answer as Outcome[],
      (error: unknown) => {
        timedOut = error instanceof AppError && error.code === 'timeout'
        return unanswered(timedOut ? requestTimedOut : messageOf(error))
      }
    )
  heard?.(outcomes)
  task.progress(instance, outcomes)
  return timedOut
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
  nodes: readonly Node[],
  { method, params, onPart, heard }: NodeQuestion<M>
): Promise<boolean> {
  const late = await Promise.all(
    [...groupBy(nodes, node => node.instance)].map(([instance, group]) => {
      const names = group.map(({ name }) => name)
      return askInstance(fleet, task, {
        instance,
        method,
        params: params(names, instance),
        unanswered: error => names.map(node => ({ success: false, instance, node, error })),
        onPart: onPart && (part => onPart(instance, part)),
        heard
      })
    })
  )
  return late.includes(true)
}
