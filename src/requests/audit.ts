import { ranks, type NeededRole } from '../../schemas/access.js'
import { requests, type ClusterRequest, type RequestType } from '../../schemas/api.js'
import { cut } from '../../schemas/cut.js'
import type { AuditEvent } from '../../schemas/events.js'
import { clientAddress } from '../addresses.js'
import { placeIn } from '../events/cursor.js'
import { withPlace } from '../events/frame.js'
import type { Hub } from '../events/hub.js'
import { auditEntry, auditKinds, type AuditKind } from './audit-entry.js'
import type { Caller } from './caller.js'
import { Gathering, type Gathered } from './gathering.js'
import type { AppendEntry, Channel } from './journal.js'

/** Returns whether a request belongs in the audit log: those that need no more than the role viewer do not. */
const isAudited = (type: RequestType) => requests[type].role !== 'viewer'

/** Returns the kind of a request's entries: whoever reads a whole configuration has its secrets. */
const kindOf = (type: RequestType) =>
  auditKinds[requests[type].changes || type === 'get_configuration' ? 'change' : 'read']

/** What a client may do often. */
const repeated = { log_in: 'login', log_out: 'login', connect_agent: 'connection' } as const

/** A notification that a sink has taken, or that was given up. */
export interface Told {
  sink: string
  rule: string
  outcome: 'succeeded' | 'given_up'
  detail: string
}

/** The audit log: who did what, from where, and with what outcome. */
export class Audit {
  #channel: Channel<'audit'>
  #note: AppendEntry
  #repeated: Record<'login' | 'connection' | 'notification', Gathering>
  /** Refusals of clients that are known, and of addresses: those can be as many as there are. */
  #refused: Record<'known' | 'unknown', Gathering>

  /** `note` writes an entry. */
  constructor(channel: Channel<'audit'>, note: AppendEntry) {
    this.#channel = channel
    this.#note = note
    const gathering = (kind: AuditKind, atOnce: number, clients: number) =>
      new Gathering({ atOnce, clients, tell: gathered => note(entryOf(gathered), auditKinds[kind]) })
    this.#repeated = {
      login: gathering('login', 3, 1000),
      connection: gathering('connection', 3, 1000),
      notification: gathering('notification', 3, 1000)
    }
    this.#refused = { known: gathering('refusal', 1, 1000), unknown: gathering('refusal', 1, 100) }
  }

  /** Hub for streams of the audit log. */
  get hub(): Hub {
    return this.#channel.hub
  }

  /** Returns the place of an entry; undefined for what is no cursor of this log. */
  placeOf(cursor: string): number | undefined {
    return placeIn(this.#channel.log, cursor)
  }

  /** Returns a page of entries, newest first, of those before a place; `next` is the cursor of its last one. */
  page({ before = Number.MAX_SAFE_INTEGER, limit }: { before?: number | undefined; limit: number }): {
    entries: unknown[]
    next?: string
    event_cursor: string
  } {
    const { log, hub } = this.#channel
    const entries = log.before(before, limit)
    const last = entries.at(-1)
    return {
      entries: entries.map(entry => JSON.parse(withPlace(entry, hub.cursorOf(entry.seq)))),
      ...(last && entries.length === limit ? { next: hub.cursorOf(last.seq) } : {}),
      event_cursor: hub.cursorOf(log.head)
    }
  }

  /**
   * Records that a request was accepted, unless it ends in the same write. Call it only inside of that write.
   */
  accepted({ type, reqid }: ClusterRequest, by: Caller | undefined, record: AppendEntry): void {
    if (isAudited(type)) record(auditEntry(type, 'accepted', by, { reqid }), kindOf(type))
  }

  /** Records how a request ended. Call it only inside of the write that ends the request. */
  concluded({ type, reqid, state }: ClusterRequest, record: AppendEntry, by?: Caller): void {
    if (!isAudited(type)) return
    const caller = by ?? JSON.parse(this.#channel.log.lastOf(reqid)?.body ?? '{}')
    record(auditEntry(type, state, caller, { reqid }), kindOf(type))
  }

  /** Records a change, or a configuration that was read. */
  done(action: string, by: Caller, detail?: string): void {
    this.#note(auditEntry(action, 'succeeded', by, { detail }), auditKinds.change)
  }

  /** Records what a client may do often: the first of a minute at once, the rest with its count when that is over. */
  repeated(action: keyof typeof repeated, by: Caller): void {
    this.#repeated[repeated[action]].add(`${action} ${by.client}`, auditEntry(action, 'succeeded', by))
  }

  /** Records that operators were told something, or that this was given up: at the same rate for each rule and sink. */
  told({ sink, rule, outcome, detail }: Told): void {
    const entry = auditEntry('notify', outcome, {}, { detail })
    this.#repeated.notification.add(`${rule} ${sink} ${outcome}`, entry)
  }

  /**
   * Records that a caller was not admitted, or not allowed to do this, which needs such a role: the first of a minute
   * at once, the rest, with the most serious of it, when that is over.
   */
  refused(action: string, by: Partial<Caller>, why: string, needed: NeededRole): void {
    this.#refused[by.name === undefined ? 'unknown' : 'known'].add(
      by.client ?? clientAddress(by.address ?? ''),
      auditEntry(action, 'refused', by, { detail: why }),
      seriousnessOf(action, needed)
    )
  }

  /** Records what is gathered. Call it when nothing more comes, before the store is closed. */
  close(): void {
    for (const gathering of [...Object.values(this.#repeated), ...Object.values(this.#refused)]) gathering.flush()
  }
}

/** Returns the entry for what was gathered: the most serious one, with what else there was. */
function entryOf({ named: [first, ...others], count, clients }: Gathered): AuditEvent {
  if (count === 1) return first!
  const also = others.map(({ action }) => cut(action, 64)).join(', ')
  // Short enough to leave room for the others.
  const details = [cut(first!.detail ?? '', 200), also && `also: ${also}`].filter(Boolean)
  return auditEntry(first!.action, first!.outcome, first!, {
    ...(details.length > 0 ? { detail: details.join('; ') } : {}),
    count,
    clients
  })
}

/**
 * Returns how serious an attempt is: what changes something before what reads, and of these what needs the higher role.
 */
function seriousnessOf(action: string, needed: NeededRole): number {
  const [method = '', path = method] = action.split(' ')
  const type = path.split('/').at(-1)!
  const isRead =
    /^(GET|HEAD)$/.test(method) || (Object.hasOwn(requests, type) && !requests[type as RequestType].changes)
  return ranks.indexOf(needed) + (isRead ? 0 : ranks.length)
}
