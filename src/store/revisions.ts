import type { RequestState } from '../../schemas/api.js'
import type { ClusterConfiguration } from '../../schemas/types.js'
import type { Store } from './store.js'

/** A deployment to be recorded. */
export interface NewRevision {
  /** As it was staged. */
  configuration: ClusterConfiguration
  /** How many nodes it has, with the workers of its groups. */
  nodes: number
  time: number
  /** The name of who has asked for it, where that is known. */
  who?: string | undefined
  comment?: string | undefined
  /** The request that deploys it. */
  reqid: string
}

/** A revision as it is stored, without its configuration. */
export interface StoredRevision {
  n: number
  time: number
  who: string | null
  comment: string | null
  reqid: string
  /** The state in which its request has ended; null while that is pending. */
  outcome: RequestState | null
  config_id: string
  bundle: string | null
  nodes: number
  /** When it was marked good; null where it was not. */
  good_at: number | null
}

const columns =
  'n, revisions.time, who, comment, reqid, outcome, config_id, bundle, nodes, good_revisions.time AS good_at'
const from = 'revisions LEFT JOIN good_revisions USING (n)'

/** The revisions: what was deployed, the newest now. Call writing methods only inside of a `write`. */
export class RevisionTable {
  #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** Adds a revision. Returns its number. */
  insert({ configuration, nodes, time, who, comment, reqid }: NewRevision): number {
    const { id, bundle } = configuration
    return this.#store.run(
      'INSERT INTO revisions (time, who, comment, reqid, config_id, bundle, nodes, configuration) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      ...[time, who ?? null, comment ?? null, reqid, id, bundle ?? null, nodes, JSON.stringify(configuration)]
    )
  }

  /** Notes how the request has ended that has made a revision, if it has made one. */
  conclude(reqid: string, outcome: RequestState): void {
    this.#store.run('UPDATE revisions SET outcome = ? WHERE reqid = ?', outcome, reqid)
  }

  /** Marks a revision as good, once. */
  markGood(n: number, time: number): void {
    this.#store.run(
      'INSERT INTO good_revisions SELECT n, ? FROM revisions WHERE n = ? ON CONFLICT DO NOTHING',
      ...[time, n]
    )
  }

  /** Returns the number of the newest good revision, but for one. */
  lastGood(butFor = 0): number | undefined {
    const sql = 'SELECT n FROM good_revisions WHERE n <> ? ORDER BY n DESC LIMIT 1'
    return this.#store.get<{ n: number }>(sql, butFor)?.n
  }

  get(n: number): StoredRevision | undefined {
    return this.#store.get<StoredRevision>(`SELECT ${columns} FROM ${from} WHERE n = ?`, n)
  }

  /** Returns the configuration of a revision, as it was staged. */
  configuration(n: number): ClusterConfiguration | undefined {
    const row = this.#store.get<{ configuration: string }>('SELECT configuration FROM revisions WHERE n = ?', n)
    return row && JSON.parse(row.configuration)
  }

  /** Returns revisions, newest first: those before `n`. */
  list(limit: number, before = Number.MAX_SAFE_INTEGER): StoredRevision[] {
    return this.#store.all<StoredRevision>(
      `SELECT ${columns} FROM ${from} WHERE n < ? ORDER BY n DESC LIMIT ?`,
      before,
      limit
    )
  }

  /** The number of the newest revision. */
  get latest(): number | undefined {
    return this.list(1)[0]?.n
  }

  /** Returns whether a revision names a bundle. */
  names(bundle: string): boolean {
    return this.#store.get('SELECT 1 FROM revisions WHERE bundle = ? LIMIT 1', bundle) !== undefined
  }

  /**
   * Drops the oldest beyond a number, and those from before a time: never the two newest, the two newest good ones, nor
   * those that are in use.
   */
  prune({ maxCount, before, keeps }: { maxCount: number; before: number; keeps: readonly number[] }): void {
    this.#store.run(
      `DELETE FROM revisions
      WHERE n NOT IN (SELECT n FROM revisions ORDER BY n DESC LIMIT 2)
      AND n NOT IN (SELECT n FROM good_revisions ORDER BY n DESC LIMIT 2)
      AND n NOT IN (SELECT value FROM json_each(?))
      AND (time < ? OR n NOT IN (SELECT n FROM revisions ORDER BY n DESC LIMIT ?))`,
      JSON.stringify(keeps),
      before,
      maxCount
    )
  }
}
