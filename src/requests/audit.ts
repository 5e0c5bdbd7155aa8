import { requests, type Request, type RequestType } from '../../schemas/api.js'
import type { AuditEvent, DomainEvent } from '../../schemas/events.js'
import type { Caller } from './caller.js'
import { parseCursor } from '../events/cursor.js'
import type { Hub } from '../events/hub.js'
import { AppError } from '../errors.js'
import type { Channel } from './journal.js'

/** One client that is refused again and again is told of once in this time. */
const repeatMs = 60_000
/** So many such clients are told apart. */
const refusedMax = 10_000

/** Whether a request belongs in the audit log: what shows or changes no more than any viewer may see does not. */
const isAudited = (type: RequestType) => requests[type].role !== 'viewer'

/** Who asked what, from where, and what came of it. */
export class Audit {
  #channel: Channel
  #note: (event: DomainEvent) => void
  #now: () => number
  #refused = new Map<string, { until: number; count: number }>()

  constructor(channel: Channel, note: (event: DomainEvent) => void, now: () => number) {
    this.#channel = channel
    this.#note = note
    this.#now = now
  }

  /** Those who follow it. */
  get hub(): Hub {
    return this.#channel.hub
  }

  /** A page, newest first. Throws `invalid_request`. */
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

  /** Only inside of the write that accepts the request. */
  accepted({ type, reqid }: Request, by: Caller | undefined, append: (event: DomainEvent) => unknown): void {
    if (isAudited(type)) append(entry(type, 'accepted', by ?? {}, { reqid }))
  }

  /** Only inside of the write that ends the request. */
  concluded({ type, reqid, state }: Request, append: (event: DomainEvent) => unknown, by?: Caller): void {
    if (isAudited(type)) {
      append(entry(type, state, by ?? JSON.parse(this.#channel.log.lastOf(reqid)?.body ?? '{}'), { reqid }))
    }
  }

  /** Anything else that someone did. */
  done(action: string, by: Caller, detail?: string): void {
    this.#note(entry(action, 'succeeded', by, { detail }))
  }

  /** Who may not come in, or not do this. */
  refused(action: string, by: Partial<Caller>, why: string): void {
    // Not what it was refused for: a Host that is another one each time would fill the log.
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
