import type { CurveKeys, Layout, SentShare, SharedKeys } from '../../../schemas/agent.js'
import type { ElasticGroup } from '../../../schemas/groups.js'
import type { ClusterNode, Instance } from '../../../schemas/types.js'
import type { Deployment } from '../../store/configurations.js'
import { compare, defined, groupBy } from '../../util.js'
import { isServer } from '../../zeek/layout.js'
import { digestOf } from '../../protocol/packed-layout.js'
import { untouchedIn } from '../rollout/mixture.js'

/**
 * The share of each instance of a deployment. Built once for all of them, since instances and nodes may be many.
 */
export class Shares {
  readonly deployment: Deployment
  /** Names of the instances, sorted. */
  readonly names: readonly string[]
  /** Digest of the layout. */
  readonly digest: string
  #instances: Map<string, Instance>
  #nodes: Map<string, ClusterNode[]>
  #byName: Map<string, ClusterNode>
  #reachable: Set<string>
  #located: Set<string>
  #held: Set<string>
  #elastic: Map<string, ElasticGroup>
  #spares: Set<string>
  #earlier: { shares: Shares; untouched: ReadonlySet<string> } | undefined

  constructor(deployment: Deployment) {
    const {
      configuration: { instances, nodes },
      layout,
      located,
      elastic = [],
      spares
    } = deployment
    this.deployment = deployment
    this.names = instances.map(({ name }) => name).sort(compare)
    this.digest = digestOf(layout)
    this.#instances = new Map(instances.map(instance => [instance.name, instance]))
    this.#nodes = groupBy(nodes, ({ instance }) => instance)
    this.#byName = new Map(nodes.map(node => [node.name, node]))
    this.#reachable = new Set(layout.nodes.map(({ name }) => name))
    this.#located = new Set(located)
    this.#held = new Set(deployment.held)
    this.#spares = new Set(spares)
    this.#elastic = new Map(elastic.flatMap(group => group.nodes.map(node => [node, group] as const)))
  }

  /** Returns whether a node is configured. */
  has(node: string): boolean {
    return this.#byName.has(node)
  }

  /** Returns the instance for which a node is configured. */
  ownerOf(node: string): string | undefined {
    return this.#byName.get(node)?.instance
  }

  /** Returns a configured node. */
  node(name: string): ClusterNode | undefined {
    return this.#byName.get(name)
  }

  /** Returns the elastic group that a node is a worker of. */
  elasticGroupOf(node: string): ElasticGroup | undefined {
    return this.#elastic.get(node)
  }

  /** Returns whether a node is a spare when this is deployed; what becomes of it then is not known here. */
  isSpare(node: string): boolean {
    return this.#spares.has(node)
  }

  instance(name: string): Instance | undefined {
    return this.#instances.get(name)
  }

  /** Returns whether the address of an instance is that of its agent, instead of one from the configuration. */
  isLocated(name: string): boolean {
    return this.#located.has(name)
  }

  /** Returns the nodes that are configured for an instance. */
  nodes(instance: string): readonly ClusterNode[] {
    return this.#nodes.get(instance) ?? []
  }

  /** Returns whether a manager is configured for an instance. */
  hasManager(instance: string): boolean {
    return this.nodes(instance).some(({ role }) => role === 'MANAGER')
  }

  /**
   * Returns an instance's share, without nodes that no other could reach. Nodes in `stopped` are to be stopped. Held
   * are the nodes that are as they were before; where `only` is given, all but these.
   */
  of(instance: string, stopped: Pick<ReadonlySet<string>, 'has'>, only?: ReadonlySet<string>): SentShare {
    const before = only ? undefined : this.#before
    if (before?.untouched.has(instance)) return before.shares.of(instance, stopped)
    // One that is as it was before need not be in the new layout.
    const nodes = this.nodes(instance).filter(({ name }) => this.#reachable.has(name) || this.#held.has(name))
    const held = nodes.map(({ name }) => name).filter(name => (only ? !only.has(name) : this.#held.has(name)))
    const { curve, layout } = this.deployment
    return {
      config_id: this.deployment.configuration.id,
      layout: this.digest,
      ...defined({
        bundle: this.deployment.configuration.bundle,
        curve: curve && (nodes.some(node => isServer(node, layout)) ? curve : withoutSecret(curve))
      }),
      nodes: nodes.map(node => ({ ...node, ...(stopped.has(node.name) ? { desired_state: 'STOPPED' } : {}) })),
      ...(held.length > 0 ? { held } : {})
    }
  }

  /** Returns the layout that has a digest; undefined when none of these shares has it. */
  layout(digest: string): Layout | undefined {
    return digest === this.digest ? this.deployment.layout : this.#before?.shares.layout(digest)
  }

  /** The bundles that the shares name. */
  get bundles(): string[] {
    const { bundle } = this.deployment.configuration
    return [...(bundle === undefined ? [] : [bundle]), ...(this.#before?.shares.bundles ?? [])]
  }

  /** The shares of what was deployed before, and the instances that go on with theirs. Made when one is asked for. */
  get #before() {
    const { before } = this.deployment
    return (this.#earlier ??= before && { shares: new Shares(before), untouched: untouchedIn(this.deployment, before) })
  }
}

/** Returns keys with which a node connects, and none does to it. */
function withoutSecret({ server_secretkey: _secret, ...keys }: CurveKeys): SharedKeys {
  return keys
}
