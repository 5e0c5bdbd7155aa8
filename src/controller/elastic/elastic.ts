import type { Logger } from 'pino'
import type { ElasticGroup, ElasticGroupStatus } from '../../../schemas/groups.js'
import { messageOf } from '../../errors.js'
import { elasticKeyOf } from '../../groups/elastic.js'
import type { Caller } from '../../requests/caller.js'
import type { ElasticChange } from '../../store/configurations.js'
import { defined, groupBy } from '../../util.js'
import type { Cluster } from '../cluster/cluster.js'
import type { Fleet } from '../fleet.js'
import { decide, type Decision } from './decision.js'
import { loadOf, type Sample } from './load.js'
import { workersOf } from './workers.js'

/** Who it is to the audit log. */
export const elasticCaller: Caller = { name: 'elastic', role: 'operator', address: '', client: 'elastic' }

/** How often it looks whether a window is over, and how long an agent may take to tell figures, in milliseconds. */
const lookMs = 1_000
const statsMs = 10_000

/** Why a group on an instance cannot do with what comes. */
export interface Exhausted {
  instance: string
  message: string
}

export interface ElasticOptions {
  cluster: Cluster
  fleet: Fleet
  log: Logger
  /** Returns milliseconds since 1970. */
  now: () => number
  /** Returns whether a deployment is under way, or has stopped on its way. */
  isBusy: () => boolean
  /** Starts or stops a node as an operator would. Resolves once that is done. */
  act: (decision: Decision, change: ElasticChange) => Promise<void>
}

/** What is seen of a group on an instance. */
interface Watched {
  /** When its window has begun, by a clock that does not jump, and its figures then. */
  at: number
  sample: Sample
  exhausted?: string
}

/** Starts workers of elastic groups where what comes is too much for those that run, and stops those that are idle. */
export class Elastic {
  #options: ElasticOptions
  #watched = new Map<string, Watched>()
  /** Instances that are being asked, or where a worker is being started or stopped. */
  #occupied = new Set<string>()
  #starting = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: ElasticOptions) {
    this.#options = options
  }

  /** Begins to look at the groups. */
  open(): void {
    this.#timer = setInterval(() => this.#look(), lookMs)
  }

  /** The groups that drop packets though all of their workers run, but of instances that are away: it was long ago. */
  get exhausted(): Exhausted[] {
    return this.#groups.flatMap(group => {
      if (!this.#options.fleet.member(group.instance)) return []
      const message = this.#watched.get(elasticKeyOf(group))?.exhausted
      return message === undefined ? [] : [{ instance: group.instance, message: `${placeOf(group)}: ${message}` }]
    })
  }

  /** Workers that are being started beside those that run: nothing is amiss while they take their time. */
  get starting(): ReadonlySet<string> {
    return this.#starting
  }

  close(): void {
    clearInterval(this.#timer)
  }

  get #groups(): readonly ElasticGroup[] {
    return this.#options.cluster.deployment?.elastic ?? []
  }

  /** Looks at the groups whose window is over, instance by instance. */
  #look(): void {
    const { cluster, fleet, log, isBusy } = this.#options
    const groups = this.#groups
    const keys = new Set(groups.map(elasticKeyOf))
    for (const key of this.#watched.keys()) if (!keys.has(key)) this.#watched.delete(key)
    if (isBusy()) return
    const due = groups.filter(group => performance.now() >= this.#endOf(group))
    for (const [instance, here] of groupBy(due, ({ instance }) => instance)) {
      if (!fleet.member(instance) || this.#occupied.has(instance)) continue
      this.#occupied.add(instance)
      this.#lookAt(
        instance,
        here.map(group => ({ group, ...workersOf(cluster, group) }))
      )
        .catch(error => {
          log.warn(`elastic groups of ${instance}: ${messageOf(error)}`)
          this.#putOff(here)
        })
        .finally(() => this.#occupied.delete(instance))
    }
  }

  /** Has groups that could not be looked at wait for as long as a window again: what is wrong may last. */
  #putOff(groups: readonly ElasticGroup[]): void {
    const at = performance.now()
    for (const group of groups) {
      const { sample } = this.#watched.get(elasticKeyOf(group)) ?? { sample: new Map() }
      this.#watched.set(elasticKeyOf(group), { at, sample })
    }
  }

  /** When the window of a group is over. */
  #endOf(group: ElasticGroup): number {
    const watched = this.#watched.get(elasticKeyOf(group))
    return watched ? watched.at + group.workers.window_seconds * 1000 : 0
  }

  /** Asks an instance for the figures of its groups that are due, and does what is to be done. */
  async #lookAt(instance: string, here: readonly ({ group: ElasticGroup } & Pick<ElasticGroupStatus, 'running'>)[]) {
    const at = performance.now()
    const nodes = here.flatMap(({ running }) => running)
    const answer =
      nodes.length === 0
        ? []
        : await this.#options.fleet.ask(instance, 'get_node_stats', { nodes }, { timeoutMs: statsMs })
    const sample = new Map(answer.flatMap(({ data }) => (data?.stats ? [[data.stats.node, data.stats] as const] : [])))
    for (const { group } of here) await this.#judge(group, { at, sample })
  }

  async #judge(group: ElasticGroup, now: Watched): Promise<void> {
    const { cluster, isBusy, act } = this.#options
    const before = this.#watched.get(elasticKeyOf(group))
    this.#watched.set(elasticKeyOf(group), now)
    // It may have begun, or something else may be deployed, since the question.
    if (isBusy() || !this.#groups.includes(group)) return
    const { workers: limits } = group
    const { running, spares } = workersOf(cluster, group)
    const load = before && loadOf(running, [before.sample, now.sample], limits.window_seconds)
    const last = cluster.lastChangeOf(group)
    const time = this.#options.now()
    // A clock that was set back does not count.
    const since = last && time >= last.time ? (time - last.time) / 1000 : undefined
    const verdict = decide({ limits, running, spares }, load, { since, overload: last?.overload })
    if (verdict.action === 'none') {
      this.#watched.set(elasticKeyOf(group), { ...now, ...defined({ exhausted: verdict.exhausted }) })
      return
    }
    const { name, instance } = group
    const { action, node, overload } = verdict
    const reason = `${placeOf(group)}: ${verdict.reason}`
    if (action === 'start' && running.length >= limits.min) this.#starting.add(node)
    try {
      await act({ ...verdict, reason }, { name, instance, time, reason, ...defined({ overload }) })
    } finally {
      this.#starting.delete(node)
    }
  }
}

const placeOf = ({ name, instance }: ElasticGroup) => `${name} on ${instance}`
