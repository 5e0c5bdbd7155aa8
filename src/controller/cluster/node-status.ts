import type { NodeStatus } from '../../../schemas/types.js'

/** A node's status with since when and why, where its agent does not say it: `reason` is then why it is told. */
export function dated(status: NodeStatus, before: NodeStatus | undefined, reason: string, now: number): NodeStatus {
  if (status.mgmt_role !== 'NODE') return status
  const same = before?.state === status.state ? before : undefined
  const since = status.since ?? same?.since ?? new Date(now).toISOString()
  return { ...status, since, reason: status.reason ?? same?.reason ?? reason }
}

/**
 * What is known of a process once its agent is lost, for this reason: it may well run, and whether it responds nobody
 * can say.
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
