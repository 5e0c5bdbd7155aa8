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

/** The ports that are known at each place: of its host, and of its machine, which can have several addresses. */
class KnownPorts {
  #placeOf: (instance: string) => Place
  #always: readonly number[]
  #ports = new Map<string, Set<number>>()

  constructor (placeOf: (instance: string) => Place, always: readonly number[]) {
    this.#placeOf = placeOf
    this.#always = always
  }

  note (instance: string, ...ports: (number | undefined)[]): void {
    const { host, machine } = this.#placeOf(instance)
    for (const key of [host, machine]) {
      const known = this.#ports.get(key) ?? new Set()
      this.#ports.set(key, known)
      for (const port of ports) if (port !== undefined) known.add(port)
    }
  }

  /** Gives ports from a start upwards that are unknown at every one of the keys, with one count for each first key. */
  assigner (start: number, keysOf: (place: Place) => [string, ...string[]]): (instance: string) => number {
    const counters = new Map<string, Counter>()
    return instance => {
      const keys = keysOf(this.#placeOf(instance))
      const counter = counters.get(keys[0]) ?? new Counter(start)
      counters.set(keys[0], counter)
      const port = counter.take(port => this.#always.includes(port) || keys.some(key => this.#ports.get(key)?.has(port)))
      this.note(instance, port)
      return port
    }
  }
}

/**
 * Fills in every port that is not given. `placeOf` says where an instance is. Broker ports have one count over all
 * instances, so that none is used twice in the cluster; metrics ports count per host, ports for agents per machine.
 */
export function assignPorts (instances: readonly Instance[], nodes: readonly Node[], placeOf: (instance: string) => Place, rules: PortRules): Assignment {
  const ordered = inPortOrder(nodes.map(node => ({ ...node })))
  const everywhere = new Set([...rules.controllerPorts, ...instances.flatMap(({ listen_port: port }) => port ?? []), ...nodes.flatMap(({ port, metrics_port: metricsPort }) => [port ?? [], metricsPort ?? []].flat())])
  const broker = rules.brokerStart === undefined ? undefined : new Counter(rules.brokerStart)
  for (const node of ordered) if (broker && needsPort(node) && node.port === undefined) node.port = broker.take(port => everywhere.has(port))

  const known = new KnownPorts(placeOf, rules.controllerPorts)
  for (const { name, listen_port: port } of instances) known.note(name, port)
  for (const { instance, port, metrics_port: metricsPort } of ordered) known.note(instance, port, metricsPort)

  if (rules.metricsStart !== undefined) {
    const metricsPort = known.assigner(rules.metricsStart, ({ host }) => [host])
    for (const node of ordered) node.metrics_port ??= metricsPort(node.instance)
  }
  const hubNode = ordered.find(({ role }) => role === 'MANAGER') ?? ordered[0]
  const zeromqPort = known.assigner(rules.zeromqStart, ({ host }) => [host])
  const hub = hubNode && { node: hubNode.name, xpub_port: zeromqPort(hubNode.instance), xsub_port: zeromqPort(hubNode.instance) }

  // On loopback, where addresses make no difference.
  const agentPort = known.assigner(rules.agentStart, ({ host, machine }) => [machine, host])
  return { nodes: ordered, agentPorts: new Map(ordered.map(({ name, instance }) => [name, agentPort(instance)])), hub }
}
