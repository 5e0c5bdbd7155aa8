import type { Revision, RevisionDifference, RevisionDocument } from '../../schemas/revisions.js'
import type { ClusterConfiguration } from '../../schemas/types.js'
import { AppError } from '../errors.js'
import type { IsSecret } from '../security/secret-names.js'
import type { RevisionTable, StoredRevision } from '../store/revisions.js'
import type { Bundles } from './bundles.js'
import { configurationDifference } from './configuration-difference.js'

export interface RevisionsOptions {
  table: RevisionTable
  bundles: Pick<Bundles, 'resolve' | 'difference'>
  isSecret: IsSecret
  /** Returns the number of the deployed one. */
  deployed: () => number | undefined
}

/** The revisions: deployments that are kept, and can be deployed again. */
export class Revisions {
  #options: RevisionsOptions

  constructor(options: RevisionsOptions) {
    this.#options = options
  }

  /** Returns a page of the revisions, newest first: those after a place, which the page before has told. */
  list({ limit, after }: { limit: number; after?: number | undefined }): { revisions: Revision[]; next?: string } {
    const { table } = this.#options
    const deployed = this.#options.deployed()
    const found = table.list(limit + 1, after)
    const page = found.slice(0, limit)
    return {
      revisions: page.map(one => shown(one, deployed)),
      ...(found.length > limit ? { next: String(page.at(-1)!.n) } : {})
    }
  }

  /** Returns a revision with its configuration, secrets included. Throws `not_found`. */
  get(n: number): RevisionDocument {
    return { ...shown(this.#stored(n), this.#options.deployed()), configuration: this.#configuration(n) }
  }

  /** Returns the configuration of a revision, as it was staged; undefined when there is none. */
  find(n: number): ClusterConfiguration | undefined {
    return this.#options.table.configuration(n)
  }

  /** Returns the number of the newest good revision, but for the deployed one; undefined where there is none. */
  lastGood(deployed: number | undefined): number | undefined {
    return this.#options.table.lastGood(deployed)
  }

  /**
   * Returns the configuration of a revision that is to be deployed. Throws `not_found`, also when its bundle is gone.
   */
  toDeploy(n: number): ClusterConfiguration {
    const configuration = this.#configuration(n)
    const { bundle } = configuration
    if (bundle !== undefined && !this.#hasBundle(bundle)) {
      throw new AppError('not_found', `the bundle of revision ${n} is gone: upload ${bundle} again`)
    }
    return configuration
  }

  /** Returns what is different in a revision since an earlier one; since the one before it. Throws `not_found`. */
  async difference(n: number, from?: number): Promise<RevisionDifference> {
    const { table, isSecret } = this.#options
    const deployed = this.#options.deployed()
    const to = this.#stored(n)
    const earlier = from === undefined ? table.list(1, n)[0] : this.#stored(from)
    if (!earlier) throw new AppError('not_found', `there is no revision before ${n}`)
    return {
      from: shown(earlier, deployed),
      to: shown(to, deployed),
      ...configurationDifference(this.#configuration(earlier.n), this.#configuration(n), isSecret),
      ...(await this.#bundleDifference(earlier.bundle, to.bundle))
    }
  }

  async #bundleDifference(from: string | null, to: string | null): Promise<Pick<RevisionDifference, 'bundle'>> {
    if (from === null || to === null || !this.#hasBundle(from) || !this.#hasBundle(to)) return {}
    return { bundle: await this.#options.bundles.difference(from, to) }
  }

  #configuration(n: number): ClusterConfiguration {
    const configuration = this.find(n)
    if (!configuration) throw noRevision(n)
    return configuration
  }

  #stored(n: number): StoredRevision {
    const stored = this.#options.table.get(n)
    if (!stored) throw noRevision(n)
    return stored
  }

  #hasBundle(id: string): boolean {
    return this.#options.bundles.resolve(id) === id
  }
}

function shown(
  { n, time, who, comment, reqid, outcome, config_id: configId, bundle, nodes, good_at: goodAt }: StoredRevision,
  deployed: number | undefined
): Revision {
  return {
    revision: n,
    deployed: n === deployed,
    outcome: outcome ?? 'pending',
    created_at: new Date(time).toISOString(),
    ...(goodAt === null ? {} : { good_at: new Date(goodAt).toISOString() }),
    ...(who === null ? {} : { created_by: who }),
    ...(comment === null ? {} : { comment }),
    reqid,
    config_id: configId,
    ...(bundle === null ? {} : { bundle }),
    nodes
  }
}

const noRevision = (n: number) => new AppError('not_found', `there is no revision ${n}`)
