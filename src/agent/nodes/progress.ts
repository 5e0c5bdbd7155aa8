import type { NodeStep } from '../../../schemas/operations.js'

/** Reports at the interval, until the job is over, which nodes it waits for; nothing while it waits for none. */
export async function withProgress<T>(
  job: Promise<T>,
  steps: () => NodeStep[],
  tell: (steps: NodeStep[]) => void,
  intervalMs: number
): Promise<T> {
  const timer = setInterval(() => {
    const now = steps()
    if (now.length > 0) tell(now)
  }, intervalMs)
  return await job.finally(() => clearInterval(timer))
}
