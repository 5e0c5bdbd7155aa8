import type { Logger } from 'pino'
import { messageOf } from '../errors.js'
import type { RevisionTable } from '../store/revisions.js'
import type { Store } from '../store/store.js'
import type { Cluster } from './cluster/cluster.js'

/** How long a revision has been seen healthy without a break: from one look to another, in milliseconds. */
export interface Streak {
  revision: number
  from: number
  to: number
}

/** A look at the cluster: which revision was healthy then; undefined for none. */
export interface Look {
  healthy: number | undefined
  at: number
}

/** Looks that are further apart, in milliseconds, do not say what was between them. */
const apartMs = 10_000

/** Returns the streak after another look; undefined where the cluster is not healthy. */
export function streakAfter(before: Streak | undefined, { healthy, at }: Look, apart: number): Streak | undefined {
  if (healthy === undefined) return undefined
  const goesOn = before?.revision === healthy && at - before.to <= apart
  return { revision: healthy, from: goesOn ? before.from : at, to: at }
}

export interface ProbationOptions {
  store: Store
  table: Pick<RevisionTable, 'get' | 'markGood'>
  cluster: Pick<Cluster, 'revision'>
  /** Seconds that a revision must be healthy without a break, and between two looks. */
  settings: { controller_good_after: number; controller_health_interval: number }
  log: Logger
  /** Returns milliseconds since 1970. */
  now: () => number
  /** Returns milliseconds of a clock that is never set. */
  elapsed: () => number
}

/**
 * The probation of the deployed revision: once the cluster has been healthy with it for long enough, and without a
 * break while this controller has looked, it is marked good.
 */
export class Probation {
  #options: ProbationOptions
  #streak: Streak | undefined

  constructor(options: ProbationOptions) {
    this.#options = options
  }

  /** Warns of a deployed revision that has had its time and was never good. Call it once, at the start. */
  open(): void {
    const { log, now, settings } = this.#options
    const deployed = this.#deployed()
    const after = settings.controller_good_after
    if (!deployed || deployed.good_at !== null || now() - deployed.time < after * 1000) return
    const since = new Date(deployed.time).toISOString()
    log.warn(
      `revision ${deployed.n}, deployed at ${since}, has never been healthy for ${after} s: zeek-cluster rollback --last-good goes back to one that was`
    )
  }

  /** Takes note of whether the cluster is healthy now. Resolves once a mark is written, if that makes one. */
  async look(isHealthy: boolean): Promise<void> {
    const { store, table, settings, log, now, elapsed } = this.#options
    try {
      const deployed = this.#deployed()
      // Before its deployment has ended, some nodes may still be those of the revision before.
      const healthy = isHealthy && deployed && deployed.outcome !== null ? deployed.n : undefined
      const apart = Math.max(apartMs, settings.controller_health_interval * 3000)
      const streak = (this.#streak = streakAfter(this.#streak, { healthy, at: elapsed() }, apart))
      if (!streak || deployed?.good_at !== null) return
      if (streak.to - streak.from < settings.controller_good_after * 1000) return
      await store.write('written', () => table.markGood(streak.revision, now()))
      log.info(`revision ${streak.revision} is good: healthy for ${settings.controller_good_after} s`)
    } catch (error) {
      // The store has told of its failure itself, and the next look is soon.
      log.debug(`a look at the deployed revision has failed: ${messageOf(error)}`)
    }
  }

  #deployed() {
    const { cluster, table } = this.#options
    const { revision } = cluster
    return revision === undefined ? undefined : table.get(revision)
  }
}
