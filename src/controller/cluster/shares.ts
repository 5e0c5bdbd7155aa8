import type { SentShare } from '../../../schemas/agent.js'
import type { Instance, Node } from '../../../schemas/types.js'
import type { Deployment } from '../../store/configurations.js'
import { compare, groupBy } from '../../util.js'
import { digestOf, packLayout } from '../../protocol/packed-layout.js'

/**
 * What each instance of a deployment is asked to be. Made once for all of them: they are many, and so are their nodes.
 */
export class Shares {
  readonly deployment: Deployment
  /** Of the instances, sorted. */
  readonly names: readonly string[]
  /** Of the layout. */
  readonly digest: string
  #instances: Map<string, Instance>
  #nodes: Map<string, Node[]>
  #names: Set<string>
  #reachable: Set<string>
  #located: Set<string>
  #packed: Promise<string> | undefined

  constructor(deployment: Deployment) {
    const {
      configuration: { instances, nodes },
      layout,
      located
    } = deployment
    this.deployment = deployment
    this.names = instances.map(({ name }) => name).sort(compare)
    this.digest = digestOf(layout)
    this.#instances = new Map(instances.map(instance => [instance.name, instance]))
    this.#nodes = groupBy(nodes, ({ instance }) => instance)
    this.#names = new Set(nodes.map(({ name }) => name))
    this.#reachable = new Set(layout.nodes.map(({ name }) => name))
    this.#located = new Set(located)
  }

  /** Whether a node is configured. */
  has(node: string): boolean {
    return this.#names.has(node)
  }

  instance(name: string): Instance | undefined {
    return this.#instances.get(name)
  }

  /** Whether the address of an instance is where its agent was. */
  isLocated(name: string): boolean {
    return this.#located.has(name)
  }

  /** Those that are configured for an instance. */
  nodes(instance: string): readonly Node[] {
    return this.#nodes.get(instance) ?? []
  }

  /** An instance's share; nodes that no other could reach are not in it. Those of `stopped` are to be stopped. */
  of(instance: string, stopped: ReadonlySet<string>): SentShare {
    return {
      config_id: this.deployment.configuration.id,
      layout: this.digest,
      nodes: this.nodes(instance)
        .filter(({ name }) => this.#reachable.has(name))
        .map(node => ({ ...node, ...(stopped.has(node.name) ? { desired_state: 'STOPPED' } : {}) }))
    }
  }

  /** The layout, packed. */
  packed(): Promise<string> {
    return (this.#packed ??= packLayout(this.deployment.layout))
  }
}
