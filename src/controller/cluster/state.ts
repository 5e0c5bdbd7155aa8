import type { InstanceNode, InstanceStatus } from '../../../schemas/api.js'
import type { ElasticGroupStatus } from '../../../schemas/groups.js'
import type { ClusterNode, Instance, NodeStatus } from '../../../schemas/types.js'
import type { Scope } from '../../requests/scope.js'
import { failed, type Answer } from '../../requests/task.js'
import { compare, defined } from '../../util.js'
import { workersOf } from '../elastic/workers.js'
import type { Cluster } from './cluster.js'
import type { Fleet, Member } from '../fleet.js'

/** Why a worker of an elastic group does not run, as its agent says it, too. */
const spareReason = 'is a spare'

const isToRun = { desired_state: 'RUNNING' } as const

/** What the controller knows now, from the deployment and from what agents have reported. It asks no agent. */
export class State {
  #fleet: Fleet
  #cluster: Cluster
  #certificateEnds: () => ReadonlyMap<string, number>
  /** The deployed nodes, as they were after so many changes. */
  #deployed: { changes: string; nodes: readonly InstanceNode[] } | undefined

  /** `certificateEnds`: returns when the certificates end of the agents that have joined. */
  constructor(fleet: Fleet, cluster: Cluster, certificateEnds: () => ReadonlyMap<string, number> = () => new Map()) {
    this.#fleet = fleet
    this.#cluster = cluster
    this.#certificateEnds = certificateEnds
  }

  /** Returns every instance that is connected or deployed, or has joined, sorted by name. */
  instances(): InstanceStatus[] {
    const configured = new Map(
      this.#cluster.deployment?.configuration.instances.map(instance => [instance.name, instance])
    )
    const connected = new Map(this.#fleet.connected().map(member => [member.name, member]))
    const ends = this.#certificateEnds()
    return [...new Set([...configured.keys(), ...connected.keys(), ...ends.keys()])].sort(compare).map(name => {
      const end = ends.get(name)
      const instance = configured.get(name)
      const member = connected.get(name)
      return {
        name,
        ...((member ?? instance)?.host === undefined ? {} : { host: (member ?? instance)!.host! }),
        ...(instance?.listen_port === undefined ? {} : { listen_port: instance.listen_port }),
        connected: member !== undefined,
        configured: instance !== undefined,
        ...(member ? saidBy(member) : {}),
        ...(end === undefined ? {} : { certificate_expires_at: new Date(end).toISOString() })
      }
    })
  }

  /**
   * Returns the deployed nodes, in the order of the configuration. The same ones until something changes: they may be a
   * hundred thousand, and each look at the cluster's health asks for them.
   */
  deployedNodes(): readonly InstanceNode[] {
    const changes = `${this.#fleet.changes} ${this.#cluster.changes}`
    if (this.#deployed?.changes !== changes) {
      const nodes = (this.#cluster.deployment?.configuration.nodes ?? []).map(node => this.#statusOf(node))
      this.#deployed = { changes, nodes }
    }
    return this.#deployed.nodes
  }

  /** Returns a deployed node; undefined when there is none of that name. */
  deployedNode(name: string): InstanceNode | undefined {
    const node = this.#cluster.shares?.node(name)
    return node && this.#statusOf(node)
  }

  #statusOf({ name: node, instance, role, port, metrics_port: metricsPort }: ClusterNode): InstanceNode {
    const member = this.#fleet.lastKnown(instance)
    const status: NodeStatus = member?.statuses.get(node) ?? {
      node,
      state: 'UNKNOWN',
      reason: member
        ? 'its agent has not told of it yet'
        : `instance ${instance} has not connected since the controller was started`,
      mgmt_role: 'NODE',
      cluster_role: role,
      ...(port === undefined ? {} : { port }),
      ...(metricsPort === undefined ? {} : { metrics_port: metricsPort })
    }
    return { instance, ...status, ...this.#desired(status) }
  }

  /** Returns every process that is deployed or connected, sorted by instance and name. */
  nodes(): InstanceNode[] {
    const managing = this.#fleet
      .connected()
      .flatMap(({ name, statuses }) =>
        [...statuses.values()]
          .filter(status => status.mgmt_role !== 'NODE')
          .map(status => ({ instance: name, ...status }))
      )
    return [...this.deployedNodes(), ...managing].sort(
      (a, b) => compare(a.instance, b.instance) || compare(a.node, b.node)
    )
  }

  /** Returns the elastic groups that are deployed, each on each of its instances. */
  elasticGroups(): ElasticGroupStatus[] {
    return (this.#cluster.deployment?.elastic ?? []).map(group => {
      const last = this.#cluster.lastChangeOf(group)
      return {
        ...group,
        ...workersOf(this.#cluster, group),
        ...(last ? { changed_at: new Date(last.time).toISOString(), reason: last.reason } : {})
      }
    })
  }

  /** Returns the answer to get_instances, with the instances of a scope. */
  getInstances(scope: Scope): Answer {
    const ports = new Map(
      this.#cluster.deployment?.configuration.instances.map(({ name, listen_port: port }) => [name, port])
    )
    const instances = this.#connectedIn(scope).map(({ name, host }): Instance => {
      const port = ports.get(name)
      return { name, host, ...(port === undefined ? {} : { listen_port: port }) }
    })
    return { results: [{ success: true, data: { instances } }] }
  }

  /**
   * Returns the answer to get_nodes, with the instances of a scope. Agents report each change when it happens, and a
   * silent one is soon lost.
   */
  getNodes(scope: Scope): Answer {
    const members = this.#connectedIn(scope)
    if (members.length === 0) return failed('no instances connected')
    return {
      results: members.map(({ name: instance, statuses }) => ({
        success: true,
        instance,
        data: { nodes: [...statuses.values()].map(status => ({ ...status, ...this.#desired(status) })) }
      }))
    }
  }

  #connectedIn(scope: Scope): Member[] {
    return this.#fleet.connected().filter(({ name }) => scope.hasInstance(name))
  }

  /** Returns a node's desired state, which the controller defines, not the agent; of a spare also that it is one. */
  #desired({ mgmt_role: role, node, state }: NodeStatus): Pick<NodeStatus, 'desired_state' | 'reason'> | undefined {
    const desired = role === 'NODE' ? this.#cluster.desiredStateOf(node) : undefined
    if (desired !== 'STOPPED') return desired && isToRun
    const isIdle = state === 'STOPPED' && this.#cluster.isSpare(node)
    return { desired_state: desired, ...(isIdle ? { reason: spareReason } : {}) }
  }
}

/** Returns what the agent of an instance has said of itself. */
function saidBy({ hello, connectedAt }: Member): Partial<InstanceStatus> {
  return {
    version: hello.version,
    api_version: hello.api_version,
    ...defined({
      platform: hello.platform,
      failed_upgrade: hello.failed_upgrade?.error,
      zeek_version: hello.zeek_version
    }),
    connected_at: new Date(connectedAt).toISOString()
  }
}
