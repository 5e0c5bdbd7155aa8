import { requests, type Request, type RequestType } from '../../schemas/api.js'
import type { AuditEvent } from '../../schemas/events.js'
import type { Caller } from './caller.js'
import { parseCursor } from '../events/cursor.js'
import type { Hub } from '../events/hub.js'
import { AppError } from '../errors.js'
import type { AppendEntry, Channel } from './journal.js'

/** Repeated refusals of one client are recorded once in this time. */
const repeatMs = 60_000
/** The largest number of refused clients that are tracked at a time. */
const refusedMax = 10_000

/** Returns whether a request belongs in the audit log: those that need no more than the role viewer do not. */
const isAudited = (type: RequestType) => requests[type].role !== 'viewer'

/** The audit log: who did what, from where, and with what outcome. */
export class Audit {
  #channel: Channel<'audit'>
  #note: (entry: AuditEvent) => void
  #now: () => number
  #refused = new Map<string, { until: number; count: number }>()

  constructor(channel: Channel<'audit'>, note: (entry: AuditEvent) => void, now: () => number) {
    this.#channel = channel
    this.#note = note
    this.#now = now
  }

  /** Hub for streams of the audit log. */
  get hub(): Hub {
    return this.#channel.hub
  }

  /** Returns a page of entries, newest first. Throws `invalid_request`. */
  page({ before, limit }: { before?: string | undefined; limit: number }): {
    entries: unknown[]
    next?: string
    event_cursor: string
  } {
    const { log, hub } = this.#channel
    const place = before === undefined ? { epoch: log.epoch, seq: Number.MAX_SAFE_INTEGER } : parseCursor(before)
    if (place?.epoch !== log.epoch) {
      throw new AppError('invalid_request', 'querystring/before is not a cursor of this log', {
        errors: [{ field: 'querystring/before', message: 'is not a cursor of this log' }]
      })
    }
    const entries = log.before(place.seq, limit)
    const last = entries.at(-1)
    return {
      entries: entries.map(({ seq, time, body }) => ({
        ...JSON.parse(body),
        cursor: hub.cursorOf(seq),
        time: new Date(time).toISOString()
      })),
      ...(last && entries.length === limit ? { next: hub.cursorOf(last.seq) } : {}),
      event_cursor: hub.cursorOf(log.head)
    }
  }

  /** Records that a request was accepted. Call it only inside of the write that accepts the request. */
  accepted({ type, reqid }: Request, by: Caller | undefined, record: AppendEntry): void {
    if (isAudited(type)) record(entry(type, 'accepted', by ?? {}, { reqid }))
  }

  /** Records how a request ended. Call it only inside of the write that ends the request. */
  concluded({ type, reqid, state }: Request, record: AppendEntry, by?: Caller): void {
    if (isAudited(type)) {
      record(entry(type, state, by ?? JSON.parse(this.#channel.log.lastOf(reqid)?.body ?? '{}'), { reqid }))
    }
  }

  /** Records any other successful action of a caller. */
  done(action: string, by: Caller, detail?: string): void {
    this.#note(entry(action, 'succeeded', by, { detail }))
  }

  /** Records that a caller was not admitted, or not allowed to do this. */
  refused(action: string, by: Partial<Caller>, why: string): void {
    // The key leaves out the reason: a client that sends another Host each time would fill the log.
    const key = `${by.address} ${by.name}`
    const now = this.#now()
    const before = this.#refused.get(key)
    if (before && before.until > now) {
      before.count++
      return
    }
    if (this.#refused.size >= refusedMax) this.#refused.clear()
    this.#refused.set(key, { until: now + repeatMs, count: 0 })
    this.#note(
      entry(action, 'refused', by, {
        detail: before && before.count > 0 ? `${why} (and ${before.count} times since it was last told)` : why
      })
    )
  }
}

function entry(
  action: string,
  outcome: string,
  { name, role, address }: Partial<Caller>,
  { reqid, detail }: { reqid?: string; detail?: string | undefined }
): AuditEvent {
  return {
    type: 'audit',
    action,
    outcome,
    ...(name === undefined ? {} : { name }),
    ...(role === undefined ? {} : { role }),
    ...(address === undefined ? {} : { address }),
    ...(reqid === undefined ? {} : { reqid }),
    ...(detail === undefined ? {} : { detail })
  }
}
