import type { CurveKeys, Layout } from '../../../schemas/agent.js'
import type { Deployment } from '../../store/configurations.js'
import { isLoopback } from '../../util.js'
import { hasCurveKeys } from '../../zeek/command.js'
import { createCurveKeys } from '../../zeek/curve-keys.js'
import type { ControllerSettings } from '../config.js'

/** How the nodes of a deployment speak with each other, and where they serve their metrics. */
export interface Traffic {
  /** The keys with which they encrypt; without, they do not. */
  curve: CurveKeys | undefined
  /** Where they serve their metrics; without, at their own address. */
  metricsHost: string | undefined
  /** What an operator should know of it. */
  warnings: string[]
  /** Reasons why it must not be deployed; empty when it may be. */
  errors: string[]
}

/** What a deployment says of keys. `isStepwise`: not all nodes are changed at once, so no key is. */
export interface Rekeying {
  rotate: boolean
  isStepwise: boolean
}

export interface TrafficContext {
  settings: Pick<ControllerSettings, 'controller_cluster_encryption' | 'controller_metrics_listen'>
  deployed: Deployment | undefined
  /** Returns what tells the machine of an instance from others. */
  machineOf: (instance: string) => string | undefined
}

type Planned = Pick<Deployment, 'configuration' | 'layout'>

/**
 * Decides how the nodes of a deployment speak. The hub does not let in a node with other keys than its own, and one
 * without ends with a fatal error (Zeek 9.0). So what is deployed keeps its keys, or stays without, unless all nodes
 * have to be restarted anyway: since the cluster begins to span hosts, or since new keys are asked for.
 */
export function trafficOf(planned: Planned, context: TrafficContext, rekeying: Rekeying): Traffic {
  const { deployed, settings } = context
  const isNew = !deployed || rekeying.rotate || (spansHosts(planned.layout) && !spansHosts(deployed.layout))
  const { curve, warnings } = encryption(planned, context, { ...rekeying, isNew })
  const isRekeyed = deployed !== undefined && !isSame(curve, deployed.curve)
  const listensAs = isNew ? metricsHost(planned, context) : deployed.layout.metrics_host
  return {
    curve,
    metricsHost: settings.controller_metrics_listen === 'loopback' ? listensAs : undefined,
    warnings,
    errors:
      isRekeyed && rekeying.isStepwise
        ? ['the keys of all nodes change, so all of them must be restarted at once: deploy without steps']
        : []
  }
}

/** Returns whether nodes with these keys understand each other. */
export const isSame = (a: CurveKeys | undefined, b: CurveKeys | undefined): boolean =>
  a?.server_publickey === b?.server_publickey && a?.client_publickey === b?.client_publickey

function encryption(
  { configuration, layout }: Planned,
  { deployed, settings }: TrafficContext,
  { rotate, isStepwise, isNew }: Rekeying & { isNew: boolean }
): Pick<Traffic, 'curve' | 'warnings'> {
  const rule = settings.controller_cluster_encryption
  const before = deployed?.curve
  const has = (curve: CurveKeys | undefined, ...warnings: string[]) => ({ curve, warnings })
  if (layout.backend !== 'zeromq' || configuration.nodes.some(hasCurveKeys)) return has(undefined)
  if (rule === 'never') return has(isStepwise ? before : undefined)
  if (before && !rotate) return has(before)
  if (!rotate && rule === 'auto' && !spansHosts(layout)) return has(undefined)
  if (isStepwise || !isNew) {
    const clear = 'what nodes say to each other is not encrypted'
    return has(before, `${clear}: deploy with rotate_keys, which restarts all nodes at once`)
  }
  return has(createCurveKeys())
}

const spansHosts = ({ nodes }: Layout): boolean => new Set(nodes.map(({ host }) => host)).size > 1

/**
 * Returns where metrics are for the agents of the nodes alone, which read them for others; undefined where that is the
 * nodes' own address already, or nodes of several addresses would meet there, on one machine.
 */
function metricsHost({ configuration, layout }: Planned, { machineOf }: TrafficContext): string | undefined {
  const hosts = new Map(layout.nodes.map(({ name, host }) => [name, host]))
  if ([...hosts.values()].every(isLoopback)) return undefined
  const at = new Map<string, string>()
  for (const { name, instance } of configuration.nodes) {
    const [host, machine = instance] = [hosts.get(name), machineOf(instance)]
    if (host === undefined) continue
    if ((at.get(machine) ?? host) !== host) return undefined
    at.set(machine, host)
  }
  return '127.0.0.1'
}
