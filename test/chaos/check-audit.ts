import { requests, type RequestType } from '../../schemas/api.js'
import { groupBy } from '../../src/util.js'
import type { World } from './world.js'

/** What is answered at once: it ends as it is accepted. */
const immediate = ['stage_configuration', 'get_configuration']

/**
 * The audit log has each request that is more than a look, once as accepted and once as it ended, or at once as ended,
 * and no other.
 */
export function* auditViolations({ audit, requests: all }: World): Generator<string> {
  if (audit.length === 0) return
  const entries = groupBy(
    audit.filter(({ reqid }) => reqid !== undefined),
    ({ reqid }) => reqid!
  )
  for (const { reqid, type, state } of all.values()) {
    const outcomes = (entries.get(reqid) ?? []).map(({ outcome }) => outcome)
    const expected =
      requests[type as RequestType].role === 'viewer' ? [] : [...(immediate.includes(type) ? [] : ['accepted']), state]
    if (outcomes.join() !== expected.join()) {
      yield `audit contradicts: ${reqid} (${type}) is ${state}, and is audited as ${outcomes.join(', ') || 'nothing'}`
    }
  }
  for (const reqid of entries.keys()) {
    if (!all.has(reqid)) yield `lost request: ${reqid} is in the audit log, and not in the history`
  }
}
