import type { ClusterBackend } from '../../schemas/agent.js'
import type { Configuration } from '../../schemas/types.js'
import type { Deployment } from '../store/configurations.js'
import { isLoopback } from '../util.js'
import { assignPorts, type Place, type PortRules } from './ports.js'

export interface Plan extends Deployment {
  /** Why it must not be deployed. */
  errors: string[]
}

/** Of an instance whose address nobody knows: its own, so that its ports are counted apart. */
const unplaced = (name: string): Place => ({ host: `unknown host of ${name}`, machine: `unknown machine of ${name}` })

/**
 * Fills in addresses and ports. An instance's address is its `host`, else where it is known to be; nodes of an
 * instance without an address are left out of the layout, since no other node could reach them.
 */
export function plan (configuration: Configuration, known: ReadonlyMap<string, Place>, rules: PortRules, backend: ClusterBackend): Plan {
  const places = new Map(configuration.instances.flatMap(({ name, host }) => {
    const place = known.get(name)
    const address = host ?? place?.host
    return address === undefined ? [] : [[name, { host: address, machine: place?.machine ?? address }] as const]
  }))
  const { nodes, agentPorts, hub } = assignPorts(configuration.instances, configuration.nodes, name => places.get(name) ?? unplaced(name), rules)
  const hosts = new Map(nodes.flatMap(({ name, instance }) => {
    const host = places.get(instance)?.host
    return host === undefined ? [] : [[name, host] as const]
  }))
  const hubHost = hub && hosts.get(hub.node)
  return {
    errors: mixedAddresses(nodes.flatMap(({ name }) => hosts.get(name) ?? [])),
    configuration: {
      ...configuration,
      instances: configuration.instances.map(instance => {
        const host = places.get(instance.name)?.host
        return host === undefined ? instance : { ...instance, host }
      }),
      nodes
    },
    layout: {
      backend,
      nodes: nodes.flatMap(({ name, role, port, metrics_port: metricsPort }) => {
        const host = hosts.get(name)
        if (host === undefined) return []
        return [{ name, role, host, ...(port === undefined ? {} : { port }), ...(metricsPort === undefined ? {} : { metrics_port: metricsPort }) }]
      }),
      ...(hub && hubHost !== undefined && backend === 'zeromq' ? { hub: { ...hub, host: hubHost } } : {})
    },
    agentPorts: Object.fromEntries(agentPorts)
  }
}

/** A node at 127.0.0.1 is at another place for each host. */
function mixedAddresses (hosts: readonly string[]): string[] {
  const inside = hosts.find(isLoopback)
  const outside = hosts.find(host => !isLoopback(host))
  return inside !== undefined && outside !== undefined ? [`loopback and other addresses cannot be mixed: ${inside}, ${outside}`] : []
}
