import type { InstanceNode } from '../../../schemas/api.js'
import type { HealthReason, HealthReport } from '../../../schemas/operations.js'
import { cut } from '../../../schemas/cut.js'
import { Allowance } from '../../allowance.js'
import { addTo } from '../../quota.js'
import { defined } from '../../util.js'
import type { ControllerSettings } from '../config.js'
import type { Fleet } from '../fleet.js'
import { apart, fanOut, isSilent, logsStalled, namesOf, silent } from './liveness.js'
import { drifted, redeployNeeded } from './outdated.js'
import { SplitTimes, splitsOf, type Split } from './splits.js'
import type { State } from './state.js'

/** The facts from which the health of the cluster is assessed. */
export interface Vitals {
  /** Deployed nodes; undefined when no cluster is deployed. */
  nodes: readonly InstanceNode[] | undefined
  /** Health reports of the connected instances, by instance name. */
  reports: ReadonlyMap<string, HealthReport>
  /** Instances that need another deployment, each with the reason. */
  outdated?: ReadonlyMap<string, string>
  /** Where a deployment in steps has stopped on its way, with what to do; undefined when none has. */
  interrupted?: string | undefined
  /** Elastic groups that cannot do with what comes, each with the instance and the figures. */
  exhausted?: readonly { instance: string; message: string }[]
  /** Workers that are being started beside others, with which their elastic group has done until now. */
  starting?: ReadonlySet<string>
  /** What is wrong with others of several controllers, and with what this one tells whom. */
  ofControllers?: readonly HealthReason[]
  /** Returns for how many seconds two nodes have been split; when not given, it counts as 0. */
  lasting?: (split: Split) => number
}

export type HealthLimits = Pick<ControllerSettings, `controller_health_${string}` & keyof ControllerSettings>

export interface ClusterHealth {
  ready: boolean
  reasons: HealthReason[]
}

const percent = (part: number, whole: number) => (whole === 0 ? 100 : (part / whole) * 100)
const rounded = (value: number) => String(Math.round(value * 100) / 100)

/** Changes of health that are told in a second, and at once: what changes faster is told when it is over. */
const changeRate = { perSecond: 0.2, burst: 30 }
/** Most reasons of one kind about one instance, and their longest message. */
const reasonsMax = 20
const messageLength = 1024

/** Returns reasons as they are told: one instance, however it is, does not drown the others. */
function bounded(reasons: readonly HealthReason[]): HealthReason[] {
  const counts = new Map<string, number>()
  return reasons
    .filter(({ code, instance }) => addTo(counts, `${code} ${instance}`, 1) <= reasonsMax)
    .map(reason => ({ ...reason, message: cut(reason.message, messageLength) }))
}

/**
 * Returns why a cluster is not ready; empty when it is. Nodes whose desired state is STOPPED do not count, nor do those
 * that an elastic group starts before they run.
 */
export function assess(
  {
    nodes,
    reports,
    lasting = () => 0,
    outdated = new Map(),
    interrupted,
    exhausted = [],
    starting,
    ofControllers = []
  }: Vitals,
  limits: HealthLimits
): HealthReason[] {
  if (!nodes) return [{ code: 'not_deployed', message: 'no cluster is deployed' }, ...ofControllers]
  const wanted = nodes.filter(
    ({ node, state, desired_state: desired }) =>
      desired === 'RUNNING' && (state === 'RUNNING' || starting?.has(node) !== true)
  )
  return bounded([
    ...notRunning(wanted, limits),
    ...apart(wanted, reports, lasting, limits),
    ...traffic(wanted, reports, limits),
    ...fanOut(wanted, reports, limits),
    ...logsStalled(wanted, reports, limits),
    ...hosts(reports, limits),
    ...redeployNeeded(outdated),
    ...(interrupted === undefined ? [] : [{ code: 'rollout_interrupted' as const, message: interrupted }]),
    ...drifted(wanted, reports),
    ...exhausted.map(reason => ({ code: 'elastic_exhausted' as const, ...reason })),
    ...ofControllers
  ])
}

function notRunning(
  wanted: readonly InstanceNode[],
  { controller_health_workers_missing_max: max }: HealthLimits
): HealthReason[] {
  const missing = wanted.filter(({ state }) => state !== 'RUNNING')
  const workers = wanted.filter(({ cluster_role: role }) => role === 'WORKER')
  const away = missing.filter(({ cluster_role: role }) => role === 'WORKER')
  const reasons = missing
    .filter(({ cluster_role: role }) => role !== 'WORKER')
    .map((status): HealthReason => {
      const { node, instance, state } = status
      return isSilent(status)
        ? silent(status)
        : { code: 'node_not_running', message: `${node} is ${state}; diagnose it to see why`, instance, node }
    })
  if (away.length <= max) return reasons
  const names = namesOf(away.map(({ node, state }) => `${node} is ${state}`))
  const message = `${workers.length - away.length} of ${workers.length} workers run, ${max} ${max === 1 ? 'is' : 'are'} allowed to be missing: ${names}`
  const instances = [...new Set(away.map(({ instance }) => instance))]
  return [...reasons, { code: 'workers_missing', message, instances }, ...away.filter(isSilent).map(silent)]
}

/** Returns reasons about dropped or missing packets of workers that run; figures of the others say nothing new. */
function traffic(
  wanted: readonly InstanceNode[],
  reports: ReadonlyMap<string, HealthReport>,
  { controller_health_drop_max: dropMax, controller_health_idle_max: idleMax }: HealthLimits
): HealthReason[] {
  return wanted
    .filter(({ state, cluster_role: role }) => state === 'RUNNING' && role === 'WORKER')
    .flatMap(({ instance, node }): HealthReason[] => {
      const { dropped_percent: dropped = 0, idle = 0 } =
        reports.get(instance)?.nodes.find(sample => sample.node === node) ?? {}
      return [
        ...(dropped > dropMax
          ? [
              {
                code: 'packets_dropped' as const,
                message: `${node} drops ${rounded(dropped)} % of its packets, ${dropMax} % is allowed: it needs more workers beside it, or less to do`,
                instance,
                node
              }
            ]
          : []),
        ...(idleMax > 0 && idle > idleMax
          ? [
              {
                code: 'no_packets' as const,
                message: `${node} has received no packet for ${Math.floor(idle)} s, ${idleMax} s are allowed: is its interface up, is the tap connected?`,
                instance,
                node
              }
            ]
          : [])
      ]
    })
}

function hosts(reports: ReadonlyMap<string, HealthReport>, limits: HealthLimits): HealthReason[] {
  const { controller_health_free_min: freeMin, controller_health_archive_age_max: ageMax } = limits
  return [...reports].flatMap(([instance, { file_systems: fileSystems, archive }]): HealthReason[] => [
    ...fileSystems
      .filter(({ free_bytes: free, size_bytes: size }) => percent(free, size) < freeMin)
      .map(({ path, free_bytes: free, size_bytes: size }) => ({
        code: 'disk_full' as const,
        message: `${rounded(percent(free, size))} % is free at ${path}, ${freeMin} % must be: delete, or archive elsewhere`,
        instance
      })),
    ...(archive && archive.failures > 0
      ? [
          {
            code: 'archive_failing' as const,
            message: `logs are not archived: ${archive.error ?? 'unknown error'}`,
            instance
          }
        ]
      : []),
    ...(archive?.oldest !== undefined && ageMax > 0 && archive.oldest > ageMax
      ? [
          {
            code: 'archive_behind' as const,
            message: `${archive.files} logs wait to be archived, the oldest for ${Math.floor(archive.oldest)} s, ${ageMax} s are allowed`,
            instance
          }
        ]
      : [])
  ])
}

export interface HealthOptions {
  settings: ControllerSettings
  fleet: Fleet
  state: State
  isDeployed: () => boolean
  /** Instances that need another deployment, each with the reason. */
  outdated: () => ReadonlyMap<string, string>
  /** Where a deployment in steps has stopped on its way; undefined when none has. */
  interrupted: () => string | undefined
  /** Elastic groups that cannot do with what comes. */
  exhausted?: () => NonNullable<Vitals['exhausted']>
  /** Workers that an elastic group is starting. */
  starting?: () => ReadonlySet<string>
  /** What is wrong with others of several controllers, and with what this one tells whom. */
  ofControllers?: () => readonly HealthReason[]
  /** Called with each look, whatever it finds. */
  looked?: (health: ClusterHealth) => void
  /** Called when the cluster becomes ready or stops being ready, or when the reasons change. */
  changed: (health: ClusterHealth) => void
}

/** Watches whether the cluster does its work, by the thresholds of the settings. */
export class Health {
  #options: HealthOptions
  #reports = new Map<string, HealthReport>()
  #splits = new SplitTimes()
  #told = 'not_deployed'
  #allowance = new Allowance({ ...changeRate, now: Date.now })
  #timer: NodeJS.Timeout | undefined

  constructor(options: HealthOptions) {
    this.#options = options
    const { fleet } = options
    fleet.on('health', (instance, report) => {
      this.#reports.set(instance, report)
      const splits = splitsOf(name => options.state.deployedNode(name), [[instance, report]])
      this.#splits.note(instance, splits, performance.now())
    })
    fleet.on('lost', ({ name }) => {
      this.#reports.delete(name)
      this.#splits.note(name, [], performance.now())
    })
  }

  /** Begins to look, and to tell of changes. */
  open(): void {
    const { controller_health_interval: seconds } = this.#options.settings
    if (seconds > 0) this.#timer = setInterval(() => this.#tell(), seconds * 1000)
  }

  get now(): ClusterHealth {
    const { settings, state, isDeployed, outdated, interrupted, exhausted, starting, ofControllers } = this.#options
    const reasons = assess(
      {
        nodes: isDeployed() ? state.deployedNodes() : undefined,
        reports: this.#reports,
        lasting: split => this.#splits.of(split),
        outdated: outdated(),
        interrupted: interrupted(),
        ...defined({ exhausted: exhausted?.(), starting: starting?.(), ofControllers: ofControllers?.() })
      },
      settings
    )
    return { ready: reasons.length === 0, reasons }
  }

  /** Last health report of each connected instance, by instance name. */
  get reports(): ReadonlyMap<string, HealthReport> {
    return this.#reports
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /**
   * Looks, and reports a change of health. Figures change all the time, so only codes, instances and nodes are
   * compared.
   */
  #tell(): void {
    const health = this.now
    this.#options.looked?.(health)
    const subjects = health.reasons
      .map(({ code, instance, node }) => [code, instance, node].join(' ').trim())
      .join('\n')
    if (subjects === this.#told || !this.#allowance.take('')) return
    this.#told = subjects
    this.#options.changed(health)
  }
}
