import type { Outcome } from '../../schemas/types.js'
import { AppError, messageOf } from '../errors.js'
import type { Task } from '../task.js'
import type { AgentMethod, Fleet } from './fleet.js'

/**
 * Asks an instance for its part of a request, and tells the outcomes as progress: what it answers, or what its silence
 * means; `onPart` hears what it says before. Resolves with whether it has not answered in time.
 */
export async function askInstance (fleet: Fleet, task: Task, instance: string, method: AgentMethod, params: object,
  answered: (answer: any) => Outcome[], unanswered: (error: string) => Outcome[], onPart?: (part: any) => void): Promise<boolean> {
  try {
    const answer = await fleet.ask(instance, method, params, { timeoutMs: task.remainingMs(), reqid: task.reqid, onPart })
    task.progress(instance, answered(answer))
    return false
  } catch (error) {
    const timedOut = error instanceof AppError && error.code === 'timeout'
    task.progress(instance, unanswered(timedOut ? 'request timed out' : messageOf(error)))
    return timedOut
  }
}
