import type { InstanceNode } from '../../../schemas/api.js'
import type { HealthReason, HealthReport } from '../../../schemas/operations.js'
import type { HealthLimits } from './health.js'
import { splitsOf, type Split } from './splits.js'

/**
 * Reasons why nodes that run do not do their work. Reading an interface, writing logs and talking with other nodes are
 * judged by their effects: a process that exists may do nothing.
 */

type Reports = ReadonlyMap<string, HealthReport>

/** Packets per second of all workers, below which no logs are expected: an idle link carries less, unlogged. */
const trafficMin = 10

/**
 * Returns whether a node's process exists and does not answer, as its agent reports. One whose agent is lost may well
 * answer.
 */
export const isSilent = ({ state, responding }: InstanceNode) => state === 'UNKNOWN' && responding === false

export function silent({ node, instance, reason = 'does not answer', pid }: InstanceNode): HealthReason {
  const process = pid === undefined ? 'its process' : `its process ${pid}`
  const remedy = 'diagnose it, and restart it if it does not come back'
  const message = `${node} ${reason}: ${process} hangs, or is frozen; ${remedy}`
  return { code: 'node_silent', message, instance, node }
}

/**
 * Returns a reason for each pair of nodes that have been split for too long. `lasting` returns for how many seconds.
 * Both directions share one reason; its node is the one that is not a manager.
 */
export function apart(
  wanted: readonly InstanceNode[],
  reports: Reports,
  lasting: (split: Split) => number,
  { controller_health_split_max: max }: HealthLimits
): HealthReason[] {
  if (max === 0) return []
  let byName: Map<string, InstanceNode> | undefined
  const nodeOf = (name: string) => (byName ??= new Map(wanted.map(node => [node.node, node]))).get(name)
  const splits = splitsOf(nodeOf, reports).filter(split => lasting(split) >= max)
  const pairs = new Map<string, Split & { isMutual: boolean }>()
  for (const split of splits) {
    const back = `${split.unseen.node} ${split.blind.node}`
    const known = pairs.get(back)
    if (known) known.isMutual = true
    else pairs.set(`${split.blind.node} ${split.unseen.node}`, { ...split, isMutual: false })
  }
  return [...pairs.values()].map(({ blind, unseen, isMutual }) => {
    const { instance, node } = blind.cluster_role === 'MANAGER' ? unseen : blind
    const what = isMutual
      ? `${blind.node} and ${unseen.node} do not see each other`
      : `${blind.node} does not see ${unseen.node}`
    const remedy =
      blind.instance === unseen.instance
        ? `restart ${node}`
        : `look whether ${blind.instance} and ${unseen.instance} reach each other's ports, then restart ${node}`
    return { code: 'cluster_split', message: `${what} in the cluster, though both run: ${remedy}`, instance, node }
  })
}

/** Returns a reason for each node that writes no logs, only while there is something to log. */
export function logsStalled(
  wanted: readonly InstanceNode[],
  reports: Reports,
  { controller_health_logs_idle_max: max }: HealthLimits
): HealthReason[] {
  if (max === 0) return []
  const running = wanted.filter(({ state }) => state === 'RUNNING')
  const told = ({ instance, node }: InstanceNode) => reports.get(instance)?.nodes.find(sample => sample.node === node)
  const workers = running.filter(({ cluster_role: role }) => role === 'WORKER')
  const traffic = workers.reduce((sum, worker) => sum + (told(worker)?.packets_per_second ?? 0), 0)
  if (traffic < trafficMin) return []
  return running.flatMap((node): HealthReason[] => {
    const { logs_idle: idle = 0 } = told(node) ?? {}
    if (idle <= max) return []
    return [
      {
        code: 'logs_stalled',
        message:
          `${node.node} has written no log for ${Math.floor(idle)} s, though workers receive ` +
          `${Math.round(traffic)} packets a second; ${max} s are allowed: see its output and the space on its disk, then restart it`,
        instance: node.instance,
        node: node.node
      }
    ]
  })
}

/** Returns reasons about how packets are spread over the workers that share an interface. */
export function fanOut(wanted: readonly InstanceNode[], reports: Reports, limits: HealthLimits): HealthReason[] {
  const { controller_health_duplicates_allowed: mayCopy, controller_health_imbalance_max: timesMax } = limits
  const groups = [...reports].flatMap(([instance, { fan_out: told = [] }]) =>
    told.map(group => ({ instance, ...group }))
  )
  if (groups.length === 0) return []
  const running = new Set(wanted.filter(({ state }) => state === 'RUNNING').map(({ node }) => node))
  return groups.flatMap(({ instance, interface: device, nodes, duplicated, heaviest }): HealthReason[] => {
    const names = nodes.filter(name => running.has(name))
    if (duplicated && names.length > 1) {
      const message =
        `${namesOf(names)} count the same packets of ${device}: each sees all of them, or they are dealt ` +
        'in turn; give them one fan-out by connection (AF_Packet::fanout_id of their own, AF_Packet::fanout_mode ' +
        'FANOUT_HASH), or one worker the interface'
      return mayCopy ? [] : [{ code: 'duplicated', message, instance }]
    }
    if (!heaviest || timesMax === 0 || heaviest.times < timesMax || !running.has(heaviest.node)) return []
    const times = heaviest.times >= 10 ? Math.round(heaviest.times) : heaviest.times.toFixed(1)
    const message =
      `${heaviest.node} receives ${times} times as many packets of ${device} as the median of its ` +
      `${nodes.length} workers: see whether one connection makes them, else how the interface spreads packets ` +
      '(fan-out mode, hash and queues of the network card)'
    return [{ code: 'imbalance', message, instance, node: heaviest.node }]
  })
}

const namesMax = 10

export function namesOf(names: readonly string[]): string {
  return names.slice(0, namesMax).join(', ') + (names.length > namesMax ? ', …' : '')
}
