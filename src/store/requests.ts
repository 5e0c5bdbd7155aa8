import {
  requests,
  type ClusterRequest,
  type RequestArguments,
  type RequestState,
  type RequestType
} from '../../schemas/api.js'
import type { Labels } from '../../schemas/groups.js'
import type { RequestResult } from '../../schemas/types.js'
import { ReadTable } from './reads.js'
import type { Store } from './store.js'

/** A request as it is stored; places in the log are numbers here. */
export interface StoredRequest extends Omit<ClusterRequest, 'event_cursor' | 'success'> {
  /** The number of the event before its first one: its place in the history. */
  event_seq: number
}

export interface NewRequest {
  reqid: string
  type: RequestType
  arguments: RequestArguments
  created: number
  expires: number
  event_seq: number
  transient: boolean
  /** The labels of the instances that its caller is limited to. */
  limitedTo?: Labels | undefined
  idempotency?: { key: string; fingerprint: string } | undefined
}

/** How a request has ended; the results are those that were not added before. */
export interface RequestEnd {
  state: RequestState
  results: readonly RequestResult[]
  warnings: readonly string[]
  finished: number
}

export interface RequestFilter {
  type?: string | undefined
  state?: string | undefined
  /** Only requests older than this place in the history. */
  before?: number | undefined
  limit: number
}

/** A row of the table, as far as it is read: times in milliseconds since 1970, bodies as JSON. */
interface RequestRow {
  n: number
  reqid: string
  type: RequestType
  state: RequestState
  arguments: string
  results: string
  warnings: string
  created_at: number
  finished_at: number | null
  expires_at: number
  event_seq: number
  limited_to: string | null
}

/** Pruned in small steps, so that no commit takes long. */
const pruneStep = 500

/** Returns whether a read can match: it has ended, and changes nothing. Where none can, they are not looked through. */
const fitsRead = ({ type, state }: RequestFilter) =>
  state !== 'pending' && !(type !== undefined && requests[type as RequestType]?.changes)

const time = (ms: number) => new Date(ms).toISOString()

/** The requests and their results. Call writing methods only inside of a `write`. */
export class RequestTable {
  #store: Store
  #reads: ReadTable

  constructor(store: Store) {
    this.#store = store
    this.#reads = new ReadTable(store)
  }

  /** Adds a request, either pending or already ended. */
  insert(request: NewRequest, end?: RequestEnd): void {
    this.#store.run(
      `INSERT INTO requests (reqid, type, state, arguments, results, warnings, created_at, finished_at, expires_at, event_seq, transient, idempotency_key, fingerprint, limited_to)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      request.reqid,
      request.type,
      end?.state ?? 'pending',
      JSON.stringify(request.arguments),
      JSON.stringify(end?.results ?? []),
      JSON.stringify(end?.warnings ?? []),
      request.created,
      end?.finished ?? null,
      request.expires,
      request.event_seq,
      Number(request.transient),
      request.idempotency?.key ?? null,
      request.idempotency?.fingerprint ?? null,
      request.limitedTo ? JSON.stringify(request.limitedTo) : null
    )
  }

  /** Adds results to a pending request. */
  addResults(reqid: string, results: readonly RequestResult[]): void {
    for (const result of results) {
      this.#store.run(
        'INSERT INTO results (n, body) SELECT n, ? FROM requests WHERE reqid = ?',
        JSON.stringify(result),
        reqid
      )
    }
  }

  /** Ends a pending request. */
  finish(reqid: string, { state, results, warnings, finished }: RequestEnd): void {
    this.#store.run(
      "UPDATE requests SET state = ?, results = ?, warnings = ?, finished_at = ? WHERE reqid = ? AND state = 'pending'",
      state,
      JSON.stringify(results),
      JSON.stringify(warnings),
      finished,
      reqid
    )
  }

  get(reqid: string): StoredRequest | undefined {
    return (
      this.#fill(this.#store.get<RequestRow>('SELECT * FROM requests WHERE reqid = ?', reqid)) ?? this.#reads.get(reqid)
    )
  }

  isPending(reqid: string): boolean {
    return this.#store.get("SELECT 1 FROM requests WHERE reqid = ? AND state = 'pending'", reqid) !== undefined
  }

  byIdempotencyKey(key: string): { reqid: string; fingerprint: string } | undefined {
    return this.#store.get<{ reqid: string; fingerprint: string }>(
      'SELECT reqid, fingerprint FROM requests WHERE idempotency_key = ?',
      key
    )
  }

  /** Returns the matching requests, newest first. */
  list(filter: RequestFilter): StoredRequest[] {
    const { before, limit } = filter
    const page = this.#rows(filter)
    if (!fitsRead(filter)) return page
    const oldest = page.length < limit ? -1 : page.at(-1)!.event_seq
    let reads = 0
    for (const read of this.#reads.newest(filter, before)) {
      if (read.event_seq < oldest || reads++ === limit) break
      page.push(read)
    }
    return page.sort((a, b) => b.event_seq - a.event_seq).slice(0, limit)
  }

  #rows({ type, state, before, limit }: RequestFilter): StoredRequest[] {
    const wanted = (
      [
        ['type = ?', type],
        ['state = ?', state],
        ['event_seq < ?', before]
      ] as const
    ).filter(([, value]) => value !== undefined)
    return this.#store
      .all<RequestRow>(
        `SELECT * FROM requests WHERE ${['TRUE', ...wanted.map(([condition]) => condition)].join(' AND ')} ORDER BY event_seq DESC LIMIT ?`,
        ...wanted.map(([, value]) => value!),
        limit
      )
      .map(row => this.#fill(row)!)
  }

  /**
   * Drops the oldest finished requests beyond these numbers, and those that ended before `before`; requests that only
   * read are dropped with their events, which began before `beforeEvent`. Drops some at a time: returns whether there
   * are more.
   */
  prune({
    maxCount,
    maxTransientCount,
    before,
    beforeEvent
  }: {
    maxCount: number
    maxTransientCount: number
    before: number
    beforeEvent: number
  }): boolean {
    // Both are counted in an index, not in the rows.
    const [all, reads] = ['', ' WHERE transient = 1'].map(where =>
      Number(this.#store.get(`SELECT count(*) AS count FROM requests${where}`)!.count)
    ) as [number, number]
    let hasMore = false
    for (const [transient, excess] of [
      [1, reads - maxTransientCount],
      [0, all - reads - maxCount]
    ] as const) {
      const drop = (oldest: number, where: string, ...values: number[]) => {
        const gone = this.#store.runReturning(
          `DELETE FROM requests WHERE n IN (SELECT n FROM (SELECT n, state, finished_at, event_seq FROM requests WHERE transient = ? ORDER BY n LIMIT ?) WHERE state <> 'pending' AND ${where} LIMIT ?) RETURNING n`,
          transient,
          oldest,
          ...values,
          pruneStep
        )
        hasMore ||= gone.length >= pruneStep
      }
      if (excess > 0) drop(excess, 'TRUE')
      // Requests end roughly in their order: those that ended long ago are among the first.
      drop(pruneStep, 'finished_at < ?', before)
      if (transient === 1) drop(pruneStep, 'event_seq + 1 < ?', beforeEvent)
    }
    return hasMore
  }

  #fill(row: RequestRow | undefined): StoredRequest | undefined {
    if (!row) return undefined
    return {
      reqid: row.reqid,
      type: row.type,
      state: row.state,
      arguments: JSON.parse(row.arguments),
      results: [
        ...this.#store
          .all<{ body: string }>('SELECT body FROM results WHERE n = ? ORDER BY id', row.n)
          .map(({ body }) => JSON.parse(body)),
        ...JSON.parse(row.results)
      ],
      warnings: JSON.parse(row.warnings),
      created_at: time(row.created_at),
      ...(row.finished_at === null ? {} : { finished_at: time(row.finished_at) }),
      expires_at: time(row.expires_at),
      ...(row.limited_to === null ? {} : { limited_to: JSON.parse(row.limited_to) }),
      event_seq: row.event_seq
    }
  }
}
