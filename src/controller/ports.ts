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

  take (taken: Set<number>): number {
    while (taken.has(this.#next)) this.#next++
    if (this.#next > 65535) throw new AppError('unavailable', 'there are no free ports left')
    taken.add(this.#next)
    return this.#next++
  }
}

export interface PortRules {
  /** Ports that are never given. */
  controllerPorts: readonly number[]
  brokerStart: number | undefined
  metricsStart: number | undefined
  zeromqStart: number
  agentStart: number
}

/** What an instance's ports are counted by: those of one host exclude each other, and so do loopback ports of one machine. */
export interface Place { host: string, machine: string }

export interface Assignment {
  /** With ports filled in, in port order. */
  nodes: Node[]
  /** By node, the port at which it serves its agent. */
  agentPorts: Map<string, number>
  /** Of the ZeroMQ proxy, which runs in this node. Undefined where there is no node. */
  hub: { node: string, xpub_port: number, xsub_port: number } | undefined
}

/** One set and one counter for each key. */
class Ports {
  #start: number
  #known: Map<string, Set<number>>
  #counters = new Map<string, Counter>()

  constructor (start: number, known: Map<string, Set<number>>) {
    this.#start = start
    this.#known = known
  }

  take (key: string): number {
    const counter = this.#counters.get(key) ?? new Counter(this.#start)
    this.#counters.set(key, counter)
    return counter.take(this.#known.get(key) ?? new Set())
  }
}

/**
 * Fills in every port that is not given. `placeOf` says where an instance is. Broker ports have one count over all
 * instances, so that none is used twice in the cluster; metrics ports count per host, ports for agents per machine.
 */
export function assignPorts (instances: readonly Instance[], nodes: readonly Node[], placeOf: (instance: string) => Place, rules: PortRules): Assignment {
  const ordered = inPortOrder(nodes.map(node => ({ ...node })))
  const everywhere = new Set([...rules.controllerPorts, ...instances.flatMap(({ listen_port: port }) => port ?? []), ...nodes.flatMap(({ port }) => port ?? [])])
  const broker = rules.brokerStart === undefined ? undefined : new Counter(rules.brokerStart)
  for (const node of ordered) if (broker && needsPort(node) && node.port === undefined) node.port = broker.take(everywhere)

  // What is known on each host, and on each machine: ports are added to both.
  const known = new Map<string, Set<number>>()
  const note = (instance: string, port: number | undefined) => {
    const { host, machine } = placeOf(instance)
    for (const key of [host, machine]) {
      const ports = known.get(key) ?? new Set(rules.controllerPorts)
      known.set(key, ports)
      if (port !== undefined) ports.add(port)
    }
  }
  for (const { name, listen_port: port } of instances) note(name, port)
  for (const { instance, port, metrics_port: metricsPort } of ordered) { note(instance, port); note(instance, metricsPort) }

  const metrics = rules.metricsStart === undefined ? undefined : new Ports(rules.metricsStart, known)
  for (const node of ordered) {
    if (metrics && node.metrics_port === undefined) note(node.instance, node.metrics_port = metrics.take(placeOf(node.instance).host))
  }
  const hubNode = ordered.find(({ role }) => role === 'MANAGER') ?? ordered[0]
  const zeromq = new Ports(rules.zeromqStart, known)
  const hub = hubNode && { node: hubNode.name, xpub_port: zeromq.take(placeOf(hubNode.instance).host), xsub_port: zeromq.take(placeOf(hubNode.instance).host) }
  if (hub) { note(hubNode.instance, hub.xpub_port); note(hubNode.instance, hub.xsub_port) }

  const agent = new Ports(rules.agentStart, known)
  const agentPorts = new Map(ordered.map(({ name, instance }) => [name, agent.take(placeOf(instance).machine)]))
  return { nodes: ordered, agentPorts, hub }
}
