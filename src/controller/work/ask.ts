import type { NodeStep } from '../../../schemas/operations.js'
import type { Node, Outcome } from '../../../schemas/types.js'
import { AppError, messageOf } from '../../errors.js'
import type { Task } from '../../requests/task.js'
import { groupBy } from '../../util.js'
import type { AgentMethod, Fleet } from '../fleet.js'

/** Tells what instances wait for, while they work on their part, as progress of the request. */
export function tellsSteps({ reqid, tell }: Task): (instance: string, steps: NodeStep[]) => void {
  return (instance, waiting) => tell({ type: 'request_progress', reqid, instance, results: [], waiting })
}

/**
 * Asks an instance for its part of a request, and tells the outcomes as progress: what it answers, or what its silence
 * means; `onPart` hears what it says before. Resolves with whether it has not answered in time.
 */
export async function askInstance(
  fleet: Fleet,
  task: Task,
  instance: string,
  method: AgentMethod,
  params: object,
  answered: (answer: any) => Outcome[],
  unanswered: (error: string) => Outcome[],
  onPart?: (part: any) => void
): Promise<boolean> {
  try {
    const answer = await fleet.ask(instance, method, params, {
      timeoutMs: task.remainingMs(),
      reqid: task.reqid,
      onPart
    })
    task.progress(instance, answered(answer))
    return false
  } catch (error) {
    const timedOut = error instanceof AppError && error.code === 'timeout'
    task.progress(instance, unanswered(timedOut ? 'request timed out' : messageOf(error)))
    return timedOut
  }
}

export interface NodeQuestion {
  method: AgentMethod
  /** Of the question to an instance, about these nodes of it; by default their names alone. */
  params?: (nodes: string[], instance: string) => object
  /** Hears what an instance says before its answer. */
  onPart?: ((instance: string, part: any) => void) | undefined
  /** Hears every outcome, too. */
  heard?: ((outcomes: readonly Outcome[]) => void) | undefined
}

/**
 * Asks each instance for its part of the nodes, and tells one outcome per node as progress. Resolves with whether one has not
 * answered in time.
 */
export async function askNodes(
  fleet: Fleet,
  task: Task,
  nodes: readonly Node[],
  { method, params = names => ({ nodes: names }), onPart, heard }: NodeQuestion
): Promise<boolean> {
  const late = await Promise.all(
    [...groupBy(nodes, ({ instance }) => instance)].map(([instance, group]) => {
      const names = group.map(({ name }) => name)
      const hear = (outcomes: Outcome[]) => {
        heard?.(outcomes)
        return outcomes
      }
      return askInstance(
        fleet,
        task,
        instance,
        method,
        params(names, instance),
        hear,
        error => hear(names.map(node => ({ success: false, instance, node, error }))),
        onPart && (part => onPart(instance, part))
      )
    })
  )
  return late.includes(true)
}
