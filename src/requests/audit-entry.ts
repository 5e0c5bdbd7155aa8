import { cut } from '../../schemas/cut.js'
import type { AuditEvent } from '../../schemas/events.js'
import { defined } from '../util.js'
import type { Caller } from './caller.js'

/** Kinds of entries: each but the changes has a quota, so that no amount of the others pushes out a change. */
export const auditKinds = { change: 0, read: 1, refusal: 2, login: 3, connection: 4, notification: 5 } as const
export type AuditKind = keyof typeof auditKinds

/** The lengths at which texts of others are cut: a URL can have 16 KB. */
const longest = { action: 128, detail: 512, name: 128, address: 64 }

export interface AuditDetails {
  reqid?: string | undefined
  detail?: string | undefined
  /** How often it has happened, where that is gathered; `clients`: how often of several that are not told apart. */
  count?: number | undefined
  clients?: number | undefined
}

/** Returns an entry of the audit log: who did what, with what outcome. Its texts are bounded. */
export function auditEntry(
  action: string,
  outcome: string,
  { name, role, address }: Partial<Caller> = {},
  { reqid, detail, count, clients }: AuditDetails = {}
): AuditEvent {
  const bounded = (text: string | undefined, max: number) => (text === undefined ? undefined : cut(text, max))
  return {
    type: 'audit',
    action: cut(action, longest.action),
    outcome,
    ...defined({
      name: bounded(name, longest.name),
      role,
      address: bounded(address, longest.address),
      reqid,
      detail: bounded(detail, longest.detail),
      count,
      clients
    })
  }
}
