import type { NodeStatus } from '../../../schemas/types.js'

/** Fills in `since` and `reason` of a node's status where its agent does not send them: `reason` is the fallback. */
export function dated(status: NodeStatus, before: NodeStatus | undefined, reason: string, now: number): NodeStatus {
  if (status.mgmt_role !== 'NODE') return status
  const same = before?.state === status.state ? before : undefined
  const since = status.since ?? same?.since ?? new Date(now).toISOString()
  return { ...status, since, reason: status.reason ?? same?.reason ?? reason }
}

/**
 * Returns the status of a process after its agent was lost for this reason: UNKNOWN, since it may still run, and
 * without `responding`, since that cannot be known.
 */
export function lost({ responding: _responding, ...status }: NodeStatus, reason: string, now: number): NodeStatus {
  const since = status.state === 'UNKNOWN' ? status.since : undefined
  return {
    ...status,
    state: 'UNKNOWN',
    since: since ?? new Date(now).toISOString(),
    reason: `the agent is lost: ${reason}`
  }
}
