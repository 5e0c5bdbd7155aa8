import { clusterRoles, type Instance, type Node } from '../../schemas/types.js'
import { AppError } from '../errors.js'
import { compare } from '../util.js'

/** Whether others connect to the node. */
export function needsPort ({ role }: Node): boolean {
  return role !== 'WORKER'
}

/** The order in which ports are given: by instance, then role, then name. */
export function inPortOrder (nodes: readonly Node[]): Node[] {
  return [...nodes].sort((a, b) => compare(a.instance, b.instance) || clusterRoles.indexOf(a.role) - clusterRoles.indexOf(b.role) || compare(a.name, b.name))
}

/** Gives ports from a start upwards, none of them twice. Throws `unavailable` when there are no more. */
class Counter {
  #next: number

  constructor (start: number) {
    this.#next = start
  }

  take (isTaken: (port: number) => boolean): number {
    while (isTaken(this.#next)) this.#next++
    if (this.#next > 65535) throw new AppError('unavailable', 'there are no free ports left')
    return this.#next++
  }
}

export interface PortRules {
  /** Ports that are never given. */
  controllerPorts: readonly number[]
  brokerStart: number | undefined
  metricsStart: number | undefined
  zeromqStart: number
}

export interface Assignment {
  /** With ports filled in, in port order. */
  nodes: Node[]
  /** Of the ZeroMQ proxy, which runs in this node. Undefined where there is no node. */
  hub: { node: string, xpub_port: number, xsub_port: number } | undefined
}

/** The ports that are known at each host. */
class KnownPorts {
  #hostOf: (instance: string) => string
  #always: readonly number[]
  #ports = new Map<string, Set<number>>()

  constructor (hostOf: (instance: string) => string, always: readonly number[]) {
    this.#hostOf = hostOf
    this.#always = always
  }

  note (instance: string, ...ports: (number | undefined)[]): void {
    const known = this.#of(this.#hostOf(instance))
    for (const port of ports) if (port !== undefined) known.add(port)
  }

  /** Gives ports from a start upwards that are unknown at the instance's host, with one count for each host. */
  assigner (start: number): (instance: string) => number {
    const counters = new Map<string, Counter>()
    return instance => {
      const host = this.#hostOf(instance)
      const counter = counters.get(host) ?? new Counter(start)
      counters.set(host, counter)
      const port = counter.take(port => this.#always.includes(port) || this.#of(host).has(port))
      this.note(instance, port)
      return port
    }
  }

  #of (host: string): Set<number> {
    const known = this.#ports.get(host) ?? new Set()
    this.#ports.set(host, known)
    return known
  }
}

/**
 * Fills in every port that is not given. `hostOf` says where an instance is. Broker ports have one count over all
 * instances, so that none is used twice in the cluster; the others count per host.
 */
export function assignPorts (instances: readonly Instance[], nodes: readonly Node[], hostOf: (instance: string) => string, rules: PortRules): Assignment {
  const ordered = inPortOrder(nodes.map(node => ({ ...node })))
  const everywhere = new Set([...rules.controllerPorts, ...instances.flatMap(({ listen_port: port }) => port ?? []), ...nodes.flatMap(({ port, metrics_port: metricsPort }) => [port ?? [], metricsPort ?? []].flat())])
  const broker = rules.brokerStart === undefined ? undefined : new Counter(rules.brokerStart)
  for (const node of ordered) if (broker && needsPort(node) && node.port === undefined) node.port = broker.take(port => everywhere.has(port))

  const known = new KnownPorts(hostOf, rules.controllerPorts)
  for (const { name, listen_port: port } of instances) known.note(name, port)
  for (const { instance, port, metrics_port: metricsPort } of ordered) known.note(instance, port, metricsPort)

  if (rules.metricsStart !== undefined) {
    const metricsPort = known.assigner(rules.metricsStart)
    for (const node of ordered) node.metrics_port ??= metricsPort(node.instance)
  }
  const hubNode = ordered.find(({ role }) => role === 'MANAGER') ?? ordered[0]
  const zeromqPort = known.assigner(rules.zeromqStart)
  const hub = hubNode && { node: hubNode.name, xpub_port: zeromqPort(hubNode.instance), xsub_port: zeromqPort(hubNode.instance) }
  return { nodes: ordered, hub }
}
