import type { InstanceNode } from '../../../schemas/api.js'
import type { HealthReason, HealthReport } from '../../../schemas/operations.js'
import { groupBy } from '../../util.js'
import type { Shares } from './shares.js'

/** The largest number of nodes named in one reason. */
const namesMax = 10

/**
 * Returns why the deployment is outdated for an instance whose address is `now`, with what to do; undefined when it is
 * not. An address that the configuration itself gives is intended, and an instance without nodes does not matter to
 * others.
 */
export function whyOutdated(shares: Shares, instance: string, now: string | undefined): string | undefined {
  const host = shares.instance(instance)?.host
  if (now === undefined || now === host || shares.nodes(instance).length === 0) return undefined
  if (host === undefined) {
    return `instance ${instance} was not there when configuration ${shares.deployment.configuration.id} was deployed; deploy again`
  }
  return shares.isLocated(instance)
    ? `the address of instance ${instance} has changed from ${host} to ${now}; deploy again`
    : undefined
}

/** Returns the health reasons for outdated instances. `outdated`: instances, each with the reason. */
export function redeployNeeded(outdated: ReadonlyMap<string, string>): HealthReason[] {
  return [...outdated].map(([instance, message]) => ({ code: 'redeploy_needed', message, instance }))
}

/**
 * Returns reasons for files that changed after nodes loaded them; only for processes that still exist. Nodes of an
 * instance with the same changed files share a reason: most often these are all of its nodes.
 */
export function drifted(wanted: readonly InstanceNode[], reports: ReadonlyMap<string, HealthReport>): HealthReason[] {
  const told = [...reports].filter(([, { drift = [] }]) => drift.length > 0)
  if (told.length === 0) return []
  const processes = new Map(wanted.map(({ instance, node, pid }) => [`${instance} ${node}`, pid]))
  return told.flatMap(([instance, { drift = [] }]) => {
    const current = drift.filter(({ node, pid }) => processes.get(`${instance} ${node}`) === pid)
    return [...groupBy(current, ({ files }) => files.join(', '))].map(([files, nodes]): HealthReason => ({
      code: 'drift',
      message: `${files} changed on disk after ${listed(nodes.map(({ node }) => node))} had started; deploy again`,
      instance,
      ...(nodes.length === 1 ? { node: nodes[0]!.node } : {})
    }))
  })
}

const listed = (names: readonly string[]) =>
  `${names.slice(0, namesMax).join(', ')}${names.length > namesMax ? ', …' : ''}`
