import { type ClusterNode, clusterRoles, type Instance } from '../../../schemas/types.js'
import { AppError } from '../../errors.js'
import type { Deployment } from '../../store/configurations.js'
import { compare, defined } from '../../util.js'
import { controllerPorts, type ControllerSettings } from '../config.js'

/** Returns whether other nodes connect to this one. */
export function needsPort({ role }: ClusterNode): boolean {
  return role !== 'WORKER'
}

/** Returns nodes in the order in which ports are assigned: by instance, then role, then name. */
export function inPortOrder(nodes: readonly ClusterNode[]): ClusterNode[] {
  return [...nodes].sort(
    (a, b) =>
      compare(a.instance, b.instance) ||
      clusterRoles.indexOf(a.role) - clusterRoles.indexOf(b.role) ||
      compare(a.name, b.name)
  )
}

/** Hands out ports from a start upwards, none of them twice. Throws `unavailable` when there are no more. */
class Counter {
  #next: number

  constructor(start: number) {
    this.#next = start
  }

  take(isTaken: (port: number) => boolean): number {
    while (isTaken(this.#next)) this.#next++
    if (this.#next > 65535) throw new AppError('unavailable', 'there are no free ports left')
    return this.#next++
  }
}

/** Returns the rules for choosing ports, as the settings define them; `deployed` is what is deployed now. */
export function portRules(settings: ControllerSettings, taken?: Taken, deployed?: Deployment): PortRules {
  return {
    controllerPorts: controllerPorts(settings),
    brokerStart: settings.controller_auto_assign_broker_ports
      ? settings.controller_auto_assign_broker_start_port
      : undefined,
    metricsStart: settings.controller_auto_assign_metrics_ports
      ? settings.controller_auto_assign_metrics_start_port
      : undefined,
    zeromqStart: settings.controller_auto_assign_zeromq_start_port,
    ...defined({ taken, deployed })
  }
}

export interface PortRules {
  /** Ports that are never assigned. */
  controllerPorts: readonly number[]
  brokerStart: number | undefined
  metricsStart: number | undefined
  zeromqStart: number
  /** Ports that foreign processes (strangers) hold, or held at an earlier deployment, by host. */
  taken?: Taken
  /**
   * What is deployed: its nodes keep their ports, so that none is restarted because another one has come or gone. Those
   * of nodes that go are given to no other: it may be started first.
   */
  deployed?: Pick<Deployment, 'configuration' | 'layout'>
}

/** Ports by host. */
export type Taken = ReadonlyMap<string, ReadonlySet<number>>

export interface Assignment {
  /** Nodes with their ports filled in, in the order of `inPortOrder`. */
  nodes: ClusterNode[]
  /** The ports of the ZeroMQ proxy and the node in which it runs. Undefined where there is no node. */
  hub: { node: string; xpub_port: number; xsub_port: number } | undefined
  /** Ports that were not assigned because strangers hold them, by host. */
  skipped: Record<string, number[]>
}

/** The ports that strangers hold, and those of them that were skipped for that. */
class Strangers {
  readonly skipped = new Map<string, Set<number>>()
  #taken: Taken

  constructor(taken: Taken) {
    this.#taken = taken
  }

  hold(host: string, port: number): boolean {
    if (!this.#taken.get(host)?.has(port)) return false
    this.skipped.set(host, (this.skipped.get(host) ?? new Set()).add(port))
    return true
  }
}

/** What needs a port on an instance, and the one that it has now. */
interface Seeker {
  instance: string
  has?: number | undefined
}

/** Chooses ports for instances. Instances with the same count key share one count: none of its ports is used twice. */
class Ports {
  #strangers: Strangers
  #hostOf: (instance: string) => string
  #countOf: (instance: string) => string
  #known = new Map<string, Set<number>>()

  /** `countOf` returns the count key of an instance; the default is its host. */
  constructor(strangers: Strangers, hostOf: (instance: string) => string, countOf = hostOf) {
    this.#strangers = strangers
    this.#hostOf = hostOf
    this.#countOf = countOf
  }

  /** Reserves ports: they are not chosen for this instance, nor for those with the same count key. */
  note(instance: string, ports: Iterable<number | undefined>): void {
    const known = this.#knownTo(instance)
    for (const port of ports) if (port !== undefined) known.add(port)
  }

  /**
   * Returns a port for each seeker, from a start upwards: the one that it has, where nobody else needs it. A port that
   * a stranger holds is replaced by one above those of all others, so that the other ports stay the same.
   */
  choose(start: number, seekers: readonly Seeker[]): number[] {
    const give = this.#giver(start, () => false)
    const spare = this.#giver(start, (instance, port) => this.#strangers.hold(this.#hostOf(instance), port))
    const kept = seekers.map(seeker => this.#keep(start, seeker))
    const ports = seekers.map(({ instance }, n) => kept[n] ?? give(instance))
    return ports.map((port, n) => {
      const { instance } = seekers[n]!
      return this.#strangers.hold(this.#hostOf(instance), port) ? spare(instance) : port
    })
  }

  /** Reserves the port that a seeker has; undefined where it cannot be kept. */
  #keep(start: number, { instance, has }: Seeker): number | undefined {
    if (has === undefined || has < start || this.#knownTo(instance).has(has)) return undefined
    this.note(instance, [has])
    return has
  }

  /** Returns a function that hands out ports which are not reserved, with one count per count key. */
  #giver(start: number, isTaken: (instance: string, port: number) => boolean): (instance: string) => number {
    const counters = new Map<string, Counter>()
    return instance => {
      const count = this.#countOf(instance)
      const counter = counters.get(count) ?? new Counter(start)
      counters.set(count, counter)
      const port = counter.take(port => this.#knownTo(instance).has(port) || isTaken(instance, port))
      this.note(instance, [port])
      return port
    }
  }

  #knownTo(instance: string): Set<number> {
    const count = this.#countOf(instance)
    const known = this.#known.get(count) ?? new Set()
    this.#known.set(count, known)
    return known
  }
}

/**
 * Fills in every port that is not given. `hostOf` returns the host of an instance. Broker ports have one count over all
 * instances, so that none is used twice in the cluster; the others count per host.
 */
export function assignPorts(
  instances: readonly Instance[],
  nodes: readonly ClusterNode[],
  hostOf: (instance: string) => string,
  rules: PortRules
): Assignment {
  const ordered = inPortOrder(nodes.map(node => ({ ...node })))
  const before = portsBefore(rules.deployed)
  const going = nodesGoing(nodes, rules.deployed)
  const fill = (ports: Ports, start: number, key: 'port' | 'metrics_port', seeking: readonly ClusterNode[]) => {
    const without = seeking.filter(node => node[key] === undefined)
    const seekers = without.map(node => ({ instance: node.instance, has: before(node)[key] }))
    for (const [n, port] of ports.choose(start, seekers).entries()) without[n]![key] = port
  }
  const strangers = new Strangers(rules.taken ?? new Map())
  if (rules.brokerStart !== undefined) {
    const everywhere = new Ports(strangers, hostOf, () => '')
    everywhere.note('', [
      ...rules.controllerPorts,
      ...instances.map(({ listen_port: port }) => port),
      ...[...nodes, ...going].flatMap(({ port, metrics_port: metricsPort }) => [port, metricsPort])
    ])
    fill(everywhere, rules.brokerStart, 'port', ordered.filter(needsPort))
  }

  const onHost = new Ports(strangers, hostOf)
  for (const { name, listen_port: port } of instances) onHost.note(name, [port])
  for (const { instance, port, metrics_port: metricsPort } of [...ordered, ...going]) {
    onHost.note(instance, [port, metricsPort, ...rules.controllerPorts])
  }
  if (rules.metricsStart !== undefined) fill(onHost, rules.metricsStart, 'metrics_port', ordered)

  const hubNode = ordered.find(({ role }) => role === 'MANAGER') ?? ordered[0]
  const hub = hubNode && hubOf(hubNode, before(hubNode), onHost, rules.zeromqStart)
  const skipped = [...strangers.skipped].map(([host, ports]) => [host, [...ports].sort((a, b) => a - b)] as const)
  return { nodes: ordered, hub, skipped: Object.fromEntries(skipped) }
}

/** Returns the deployed nodes that are not among these, or are on another instance. */
function nodesGoing(nodes: readonly ClusterNode[], deployed: PortRules['deployed']): readonly ClusterNode[] {
  const places = new Map(nodes.map(({ name, instance }) => [name, instance]))
  return deployed?.configuration.nodes.filter(({ name, instance }) => places.get(name) !== instance) ?? []
}

/** The ports that a node has now, and those of the ZeroMQ proxy, if it runs in that node. */
type PortsBefore = Partial<Pick<ClusterNode, 'port' | 'metrics_port'> & Pick<HubPorts, 'xpub_port' | 'xsub_port'>>
type HubPorts = NonNullable<Assignment['hub']>

/** Returns a function that returns the ports of a node that has not moved to another instance. */
function portsBefore({ configuration, layout }: Partial<NonNullable<PortRules['deployed']>> = {}) {
  const nodes = new Map(configuration?.nodes.map(node => [node.name, node]))
  return ({ name, instance }: ClusterNode): PortsBefore => {
    const node = nodes.get(name)
    if (node?.instance !== instance) return {}
    return layout?.hub?.node === name ? { ...layout.hub, ...node } : node
  }
}

/** Chooses the ports of the ZeroMQ proxy. */
function hubOf({ name, instance }: ClusterNode, before: PortsBefore, ports: Ports, start: number): HubPorts {
  const [xpub, xsub] = ports.choose(start, [
    { instance, has: before.xpub_port },
    { instance, has: before.xsub_port }
  ])
  return { node: name, xpub_port: xpub!, xsub_port: xsub! }
}
