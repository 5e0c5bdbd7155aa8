import type { ClusterBackend } from '../../../schemas/agent.js'
import type { ClusterConfiguration, Instance } from '../../../schemas/types.js'
import { canonicalHost, mixedAddresses } from '../../addresses.js'
import type { Deployment } from '../../store/configurations.js'
import { assignPorts, type PortRules } from './ports.js'

export interface Plan extends Deployment {
  /** Reasons why it must not be deployed; empty when it may be. */
  errors: string[]
}

/**
 * Fills in addresses and ports. An instance's address is its `host`, else its known address; nodes of an
 * instance without an address are left out of the layout, since no other node could reach them.
 */
export function plan(
  configuration: ClusterConfiguration,
  known: ReadonlyMap<string, { host: string }>,
  rules: PortRules,
  backend: ClusterBackend
): Plan {
  // Canonical, since addresses are compared as texts from here on.
  const placeOf = ({ name, host = known.get(name)?.host }: Instance) =>
    host === undefined ? [] : [[name, canonicalHost(host)] as const]
  const places = new Map(configuration.instances.flatMap(placeOf))
  // An instance that goes has its ports for as long as its nodes run.
  const before = new Map(rules.deployed?.configuration.instances.flatMap(placeOf))
  // Each instance with an unknown address counts as a host of its own.
  const { nodes, hub, skipped } = assignPorts(
    configuration.instances,
    configuration.nodes,
    name => places.get(name) ?? before.get(name) ?? `unknown host of ${name}`,
    rules
  )
  const hosts = new Map(
    nodes.flatMap(({ name, instance }) => {
      const host = places.get(instance)
      return host === undefined ? [] : [[name, host] as const]
    })
  )
  const hubHost = hub && hosts.get(hub.node)
  return {
    errors: mixedAddresses(
      nodes.flatMap(({ name, instance }) => (hosts.has(name) ? { name: instance, host: hosts.get(name)! } : []))
    ),
    configuration: {
      ...configuration,
      instances: configuration.instances.map(instance => {
        const host = places.get(instance.name)
        return host === undefined ? instance : { ...instance, host }
      }),
      nodes
    },
    layout: {
      backend,
      nodes: nodes.flatMap(({ name, role, port, metrics_port: metricsPort }) => {
        const host = hosts.get(name)
        if (host === undefined) return []
        return [
          {
            name,
            role,
            host,
            ...(port === undefined ? {} : { port }),
            ...(metricsPort === undefined ? {} : { metrics_port: metricsPort })
          }
        ]
      }),
      ...(hub && hubHost !== undefined && backend === 'zeromq' ? { hub: { ...hub, host: hubHost } } : {})
    },
    located: configuration.instances
      .filter(({ name, host }) => host === undefined && places.has(name))
      .map(({ name }) => name),
    ...(Object.keys(skipped).length > 0 ? { skipped } : {})
  }
}
