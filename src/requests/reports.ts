import type { Outcome, RequestResult } from '../../schemas/types.js'
import { defined } from '../util.js'
import { isStorable, storable, unstorable } from './storable.js'
import { type Task, type TaskEvent, withReqid } from './task.js'

/**
 * Returns how a task reports before its answer, by what writes an event with its results. What cannot be stored becomes
 * a failed result of its instance.
 */
export function reportsOf(
  reqid: string,
  write: (event: TaskEvent, results: readonly RequestResult[]) => void
): Pick<Task, 'progress' | 'tell'> {
  const report = (instance: string | undefined, outcomes: readonly Outcome[]) => {
    const results = withReqid(reqid, outcomes)
    write({ type: 'request_progress', ...defined({ instance }), reqid, results }, results)
  }
  // Reported once of each instance: it may send as many parts as it likes.
  const unstored = new Set<string | undefined>()
  return {
    progress: (instance, outcomes) =>
      report(
        instance,
        storable(outcomes).map(outcome => ({ ...outcome, instance }))
      ),
    tell: event => {
      // It is the controller's own.
      if (event.type === 'rollout_progress') return write({ ...event, reqid }, [])
      const { instance } = event
      if (isStorable(event)) return write({ ...event, reqid }, [])
      if (!unstored.has(instance)) report(instance, [unstorable(event)])
      unstored.add(instance)
    }
  }
}
